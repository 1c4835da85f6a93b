// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Accounts that have a key
/// @notice Such an account is the same person on both layers; a contract's address may be nobody's on the other one.
library KeyHolder {
    /// @dev An account that borrows its code (EIP-7702) has 23 bytes: these and an address.
    bytes3 private constant DELEGATION = 0xef0100;

    /// @notice Whether whoever called has a key: it signed the transaction, or has delegated code. That it has no code says
    ///         nothing: so has a contract whose constructor calls.
    function called() internal view returns (bool) {
        if (msg.sender == tx.origin) return true;
        return msg.sender.code.length == 23 && bytes3(msg.sender.code) == DELEGATION;
    }
}
