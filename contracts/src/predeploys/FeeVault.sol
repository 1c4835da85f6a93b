// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IFeeVault} from "../interfaces/IFeeVault.sol";

/// @title FeeVault
/// @notice Holds fees until anyone has them sent to the fixed recipient; see {IFeeVault}.
/// @dev One contract at three addresses: priority fees (0x42..11), base fees (0x42..19), L1 data fees (0x42..1A).
/// @custom:predeploy 0x4200000000000000000000000000000000000011
/// @custom:predeploy 0x4200000000000000000000000000000000000019
/// @custom:predeploy 0x420000000000000000000000000000000000001A
contract FeeVault is IFeeVault {
    /// @inheritdoc IFeeVault
    address public immutable RECIPIENT;
    /// @inheritdoc IFeeVault
    uint256 public immutable MIN_WITHDRAWAL_AMOUNT;
    /// @inheritdoc IFeeVault
    WithdrawalNetwork public constant WITHDRAWAL_NETWORK = WithdrawalNetwork.L2;

    /// @inheritdoc IFeeVault
    uint256 public totalProcessed;

    /// @param recipient Who gets the fees.
    /// @param minWithdrawalAmount Least balance that may be withdrawn, wei.
    constructor(address recipient, uint256 minWithdrawalAmount) {
        if (recipient == address(0)) revert FeeVault_ZeroRecipient();
        RECIPIENT = recipient;
        MIN_WITHDRAWAL_AMOUNT = minWithdrawalAmount;
    }

    /// @notice Takes ether from anyone; the fees themselves arrive without a call.
    receive() external payable {}

    /// @inheritdoc IFeeVault
    function withdraw() external {
        uint256 value = address(this).balance;
        if (value < MIN_WITHDRAWAL_AMOUNT) revert FeeVault_BelowMinimum(value, MIN_WITHDRAWAL_AMOUNT); // FEE-032
        totalProcessed += value;
        emit Withdrawal(value, RECIPIENT, msg.sender);
        (bool sent,) = RECIPIENT.call{value: value}("");
        if (!sent) revert FeeVault_TransferFailed(RECIPIENT);
    }

    /// @inheritdoc IFeeVault
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}
