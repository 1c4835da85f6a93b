// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Calls that get the gas they ask for
/// @notice The callee cannot be starved by whoever pays, and can neither use up what is needed to write down how the call
///         went, nor make it dearer by what it returns: that is not read.
library AssuredCall {
    /// @dev What a call costs at most before the callee gets its gas: cold account, value, new account; and what is done
    ///      between the check and the call.
    uint256 internal constant OVERHEAD = 40_000;
    /// @dev What must be left after the call to write down how it went.
    uint256 internal constant AFTER = 40_000;

    /// @notice Gas that must be left so that the callee gets `wanted`: a call passes on at most 63/64.
    /// @param wanted At most 2^64 - 1.
    function least(uint256 wanted) internal pure returns (uint256) {
        return OVERHEAD + AFTER + (wanted * 64 + 62) / 63;
    }

    /// @notice Call with all the gas but what is needed afterwards, when {least} is left.
    function make(address target, uint256 value, bytes memory data) internal returns (bool success) {
        uint256 given = gasleft() - OVERHEAD - AFTER;
        assembly ("memory-safe") {
            success := call(given, target, value, add(data, 32), mload(data), 0, 0)
        }
    }
}
