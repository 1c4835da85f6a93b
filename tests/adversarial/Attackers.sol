// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Key, Proof} from "../../contracts/src/interfaces/IKeyVerifier.sol";
import {IPassport} from "../../contracts/src/interfaces/IPassport.sol";

/// @notice A contract wallet that says yes to everything.
contract YesWallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }
}

/// @notice An ERC-6492 factory that deploys such a wallet, and makes a passport of its own meanwhile.
contract ReenteringFactory {
    IPassport internal immutable PASSPORTS;

    constructor(IPassport passports) {
        PASSPORTS = passports;
    }

    function go(bool reenter) external {
        new YesWallet{salt: 0}();
        if (reenter) PASSPORTS.create(Key(1, abi.encodePacked(address(this))), Proof(0, 0, ""));
    }

    function wallet() external view returns (address) {
        bytes32 code = keccak256(type(YesWallet).creationCode);
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), bytes32(0), code)))));
    }
}

/// @notice What a thief would put in the place of a contract behind a proxy.
contract Seized {
    function proxiableUUID() external pure returns (bytes32) {
        return 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
    }

    function version() external pure returns (string memory) {
        return "seized";
    }
}

/// @notice An ERC-20 token of any name, whose maker moves it as they like.
contract Coin {
    event Transfer(address indexed from, address indexed to, uint256 amount);

    string public symbol = "USDC";
    mapping(address => uint256) public balanceOf;
    uint256 public decimals;

    constructor(uint256 decimals_) {
        decimals = decimals_;
    }

    function move(address from, address to, uint256 amount) external {
        if (from != address(0)) balanceOf[from] -= amount;
        if (to != address(0)) balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }

    /// Balances that grow without events.
    function rebase(address who, uint256 amount) external {
        balanceOf[who] += amount;
    }

    /// A loan that is given back in the same transaction.
    function flash(address who, uint256 amount) external {
        emit Transfer(address(this), who, amount);
        emit Transfer(who, address(this), amount);
    }
}

/// @notice An ERC-721 collection whose maker says what they like.
contract Items {
    event Transfer(address indexed from, address indexed to, uint256 indexed id);

    mapping(uint256 => address) public ownerOf;
    mapping(uint256 => string) public tokenURI;

    function move(address to, uint256 id, string calldata uri) external {
        emit Transfer(ownerOf[id], to, id);
        ownerOf[id] = to;
        tokenURI[id] = uri;
    }

    /// An event of a movement that never was.
    function pretend(address from, address to, uint256 id) external {
        emit Transfer(from, to, id);
    }
}

/// @notice Events of a game, by anyone in the name of anyone.
contract Game {
    event Played(address indexed player, uint256 score);
    event Scored(address player, uint256 score);

    function play(address player, uint256 score) external {
        emit Played(player, score);
        emit Scored(player, score);
    }
}

/// @notice Brings item 1 and moves a price in one transaction.
contract Market {
    function trade(Items items, Coin coin, address buyer, address paid, uint256 price) external {
        coin.move(buyer, paid, price);
        items.move(buyer, 1, "");
    }
}

/// @notice Fetches item 1 for whoever pays, and keeps the coin.
contract Fetching {
    function fetch(Items items, address to) external payable {
        items.move(to, 1, "");
    }
}
