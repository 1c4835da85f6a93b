// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {L1StandardBridge} from "../../src/bridge/L1StandardBridge.sol";

/// @dev A token that does as it should.
contract Token is ERC20("Token", "TOK") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @dev Keeps a hundredth of each transfer.
contract FeeToken is Token {
    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, amount);
        super._update(from, address(0xFEE), amount / 100);
        super._update(from, to, amount - amount / 100);
    }
}

/// @dev Balances change by themselves.
contract RebasingToken is Token {
    function rebase(address account, uint256 balance) external {
        _burn(account, balanceOf(account));
        _mint(account, balance);
    }
}

/// @dev Transfers nothing while shut.
contract ShutToken is Token {
    bool public shut;

    function shutDown(bool yes) external {
        shut = yes;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!shut);
        super._update(from, to, amount);
    }
}

/// @dev Bridges more of itself while it is being bridged, to have it counted twice.
contract ReenteringToken is Token {
    L1StandardBridge internal bridge;
    address internal remote;
    bool internal inside;

    function aim(L1StandardBridge bridge_, address remote_) external {
        (bridge, remote) = (bridge_, remote_);
        _mint(address(this), 1 ether);
        _approve(address(this), address(bridge_), type(uint256).max);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (!inside && address(bridge) != address(0)) {
            inside = true;
            bridge.bridgeERC20To(address(this), remote, from, 1 ether, 200_000, "");
            inside = false;
        }
        return super.transferFrom(from, to, amount);
    }
}

/// @dev Returns nothing where others return true, as some old tokens do.
contract SilentToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @dev Says no by false, without reverting.
contract RefusingToken is Token {
    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @dev A collection of anyone's.
contract Collection is ERC721("Collection", "COL") {
    function mint(address to, uint256 tokenId) external {
        _mint(to, tokenId);
    }
}
