// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Where fees rest until they are taken to whom they belong
/// @notice The state transition function credits a vault at the end of each block (FEE-004, FEE-030..032 of specs/fees.md). No one owns it:
///         anyone may have the balance sent, and it goes to the recipient that the network file fixed at genesis.
///         Names are the OP Stack's `FeeVault`.
interface IFeeVault {
    /// @notice Which layer a withdrawal goes to, in the OP Stack's numbering.
    enum WithdrawalNetwork {
        L1,
        L2
    }

    /// @notice The balance was sent.
    /// @param value Wei sent.
    /// @param to Recipient.
    /// @param from Who asked for it.
    event Withdrawal(uint256 value, address to, address from);

    /// @notice The balance is below the least that may be withdrawn.
    /// @param balance Wei held.
    /// @param minimum Wei needed.
    error FeeVault_BelowMinimum(uint256 balance, uint256 minimum);

    /// @notice The recipient refused the transfer; nothing changed.
    /// @param recipient Who refused.
    error FeeVault_TransferFailed(address recipient);

    /// @notice The zero address cannot be a recipient.
    error FeeVault_ZeroRecipient();

    /// @notice Sends the whole balance to {RECIPIENT}. Anyone may call.
    function withdraw() external;

    /// @notice Who gets the fees, fixed at genesis.
    function RECIPIENT() external view returns (address);

    /// @notice Least balance that may be withdrawn, wei, fixed at genesis.
    function MIN_WITHDRAWAL_AMOUNT() external view returns (uint256);

    /// @notice Withdrawals are paid on L2.
    function WITHDRAWAL_NETWORK() external pure returns (WithdrawalNetwork);

    /// @notice Wei sent to the recipient so far.
    function totalProcessed() external view returns (uint256);

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
}
