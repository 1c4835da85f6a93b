// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// @notice Keeps ether until a time, and gives a token for it.
contract Lock is ERC20("Locked", "LCK"), Ownable {
    error TooEarly(uint256 unlockTime);

    event Withdrawn(uint256 amount);

    uint256 public immutable unlockTime;

    constructor(uint256 time) payable Ownable(msg.sender) {
        require(time > block.timestamp, "Unlock time should be in the future");
        unlockTime = time;
        _mint(msg.sender, msg.value);
    }

    function withdraw() external onlyOwner {
        if (block.timestamp < unlockTime) revert TooEarly(unlockTime);
        emit Withdrawn(address(this).balance);
        payable(owner()).transfer(address(this).balance);
    }
}
