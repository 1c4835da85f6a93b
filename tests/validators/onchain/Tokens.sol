// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

contract Coin is ERC20 {
    uint8 private immutable places;

    constructor(uint8 places_) ERC20("Coin", "COIN") {
        places = places_;
    }

    function decimals() public view override returns (uint8) {
        return places;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// Borrow, call nothing, give back: what a flash loan leaves behind in events.
    function flash(address from, address to, uint256 amount) external {
        _transfer(from, to, amount);
        _transfer(to, from, amount);
    }
}

/// Balances grow by a factor, as those of staked tokens do, without events.
contract Rebasing is Coin {
    uint256 public percent = 100;

    constructor() Coin(18) {}

    function rebase(uint256 percent_) external {
        percent = percent_;
    }

    function balanceOf(address who) public view override returns (uint256) {
        return super.balanceOf(who) * percent / 100;
    }
}

/// Before a Coin: decimals come from the coin's code, balances from the proxy's storage.
contract Proxy is ERC1967Proxy {
    constructor(address logic) ERC1967Proxy(logic, "") {}

    function _unsafeAllowUninitialized() internal pure override returns (bool) {
        return true;
    }
}

contract Item is ERC721 {
    mapping(uint256 => string) private uris;

    constructor() ERC721("Item", "ITEM") {}

    function mint(address to, uint256 id, string calldata uri) external {
        uris[id] = uri;
        _mint(to, id);
    }

    function tokenURI(uint256 id) public view override returns (string memory) {
        return uris[id];
    }
}

contract Edition is ERC1155 {
    constructor() ERC1155("") {}

    function mint(address to, uint256 id, uint256 amount) external {
        _mint(to, id, amount, "");
    }

    function mintBatch(address to, uint256[] calldata ids, uint256[] calldata amounts) external {
        _mintBatch(to, ids, amounts, "");
    }
}

/// Sells an item for ether or for coins: payment and item move in one transaction.
contract Market {
    function buy(ERC721 item, uint256 id, address payable seller) external payable {
        item.transferFrom(seller, msg.sender, id);
        (bool sent,) = seller.call{value: msg.value}("");
        require(sent);
    }

    function buyWith(ERC20 coin, uint256 price, ERC721 item, uint256 id, address seller) external {
        coin.transferFrom(msg.sender, seller, price);
        item.transferFrom(seller, msg.sender, id);
    }
}

contract Game {
    event Played(address indexed player, uint256 indexed room, uint256 score, bytes32 note);

    function play(address player, uint256 room, uint256 score) external {
        emit Played(player, room, score, keccak256("note"));
    }
}

/// Holds items for whom the rules of some protocol say; here, for nobody in particular.
contract Vault {
    function give(address collection, address to, uint256 id) external {
        ERC721(collection).transferFrom(address(this), to, id);
    }

    function giveSome(address collection, address to, uint256 id, uint256 amount) external {
        ERC1155(collection).safeTransferFrom(address(this), to, id, amount, "");
    }

    function onERC1155Received(address, address, uint256, uint256, bytes calldata) external pure returns (bytes4) {
        return this.onERC1155Received.selector;
    }
}

/// Takes orders, which it does not write down: only calls tell of them.
contract Till {
    struct Order {
        address buyer;
        uint256 amount;
    }

    function settle(Order calldata order, bytes32[] calldata) external payable {
        require(order.amount > 0);
    }

    receive() external payable {}
}

/// Calls on behalf of whoever asks, and goes on when a call fails.
contract Relay {
    function pass(address to, bytes calldata data, bool mustFail) external payable {
        (bool done,) = to.call{value: msg.value}(data);
        if (mustFail) revert();
        done;
    }

    function attempt(address to, bytes calldata data) external {
        try this.pass(to, data, true) {} catch {}
    }
}
