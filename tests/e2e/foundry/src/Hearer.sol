// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @notice Hears messages from the other layer, unless it does not want to.
contract Hearer {
    bool public refuses;
    uint256 public heard;

    /// @notice Refuse from now on, or no longer.
    function turn() external {
        refuses = !refuses;
    }

    /// @notice Hear a number.
    function hear(uint256 number) external payable {
        require(!refuses, "not now");
        heard += number;
    }
}
