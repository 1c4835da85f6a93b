// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title The market for L2 gas that deposits buy on L1
/// @notice Deposits run on L2 without paying there. They pay on L1, by burning gas: the price moves with what was bought in
///         the L1 blocks before, as EIP-1559's base fee does, and each L1 block has a limit (specs/portal.md PTL-020..024).
interface IDepositMeter {
    /// @notice More gas than one deposit may ask for (PTL-021).
    /// @param gasLimit What was asked for.
    /// @param most What may be.
    error OptimismPortal_GasLimitTooHigh(uint64 gasLimit, uint64 most);

    /// @notice This L1 block has sold its gas (PTL-022).
    /// @param gasLimit What was asked for.
    /// @param left What is left in this block.
    error OptimismPortal_DepositGasSoldOut(uint64 gasLimit, uint64 left);

    /// @notice State of the market after the last deposit.
    /// @return prevBaseFee Price of a unit of L2 gas, wei.
    /// @return prevBoughtGas L2 gas bought in that block.
    /// @return prevBlockNum L1 block of the last deposit.
    function params() external view returns (uint128 prevBaseFee, uint64 prevBoughtGas, uint64 prevBlockNum);

    /// @notice What a unit of L2 gas costs in this L1 block, wei.
    function depositBaseFee() external view returns (uint128 baseFeeWei);

    /// @notice Most L2 gas one deposit may ask for.
    function MAX_DEPOSIT_GAS() external view returns (uint64 gas);

    /// @notice Most L2 gas that deposits of one L1 block may buy together.
    function MAX_BLOCK_DEPOSIT_GAS() external view returns (uint64 gas);

    /// @notice L2 gas per L1 block at which the price stays.
    function TARGET_BLOCK_DEPOSIT_GAS() external view returns (uint64 gas);

    /// @notice Least price, wei.
    function MIN_DEPOSIT_BASE_FEE() external view returns (uint128 baseFeeWei);
}
