// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {KeyHolder} from "../bridge/KeyHolder.sol";

/// @title What accounts of L1 are called on L2
/// @notice Whoever has the key of an address on L1 has it on L2 too. A contract's code on L1 says nothing about the same
///         address on L2, so contracts appear there under another one (PTL-011).
library L1Alias {
    /// @dev Added modulo 2^160.
    uint160 private constant OFFSET = uint160(0x1111000000000000000000000000000000001111);

    /// @notice The L2 address of a contract of L1.
    function apply_(address l1) internal pure returns (address l2) {
        unchecked {
            return address(uint160(l1) + OFFSET);
        }
    }

    /// @notice The contract of L1 behind an L2 address.
    function undo(address l2) internal pure returns (address l1) {
        unchecked {
            return address(uint160(l2) - OFFSET);
        }
    }

    /// @notice The L2 address of whoever called: its own if it has a key, delegated or not, else the alias.
    function ofSender() internal view returns (address l2) {
        return KeyHolder.called() ? msg.sender : apply_(msg.sender);
    }
}
