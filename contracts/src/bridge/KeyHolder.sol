// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Accounts that have a key
/// @notice Such an account is the same person on both layers; a contract's address may be nobody's on the other one.
library KeyHolder {
    /// @notice Whether an account has no code, or borrows some (EIP-7702: 23 bytes, 0xef0100 first).
    function is_(address account) internal view returns (bool) {
        uint256 size = account.code.length;
        return size == 0 || (size == 23 && bytes3(account.code) == 0xef0100);
    }
}
