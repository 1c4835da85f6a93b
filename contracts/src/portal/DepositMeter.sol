// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IDepositMeter} from "../interfaces/IDepositMeter.sol";

/// @title DepositMeter
/// @notice Sells L2 gas to deposits; see {IDepositMeter}.
abstract contract DepositMeter is IDepositMeter {
    /// @dev State of the market, as `params()` gives it.
    struct ResourceParams {
        uint128 prevBaseFee;
        uint64 prevBoughtGas;
        uint64 prevBlockNum;
    }

    /// @inheritdoc IDepositMeter
    uint64 public constant MAX_DEPOSIT_GAS = 1 << 24; // PTL-021
    /// @inheritdoc IDepositMeter
    uint64 public constant MAX_BLOCK_DEPOSIT_GAS = 1 << 25; // PTL-022
    /// @inheritdoc IDepositMeter
    uint64 public constant TARGET_BLOCK_DEPOSIT_GAS = 1 << 22; // PTL-023
    /// @inheritdoc IDepositMeter
    uint128 public constant MIN_DEPOSIT_BASE_FEE = 0.01 gwei; // PTL-023

    /// @dev The price moves by at most an eighth per target above or below the target (PTL-023).
    uint256 private constant CHANGE_DENOMINATOR = 8;
    /// @dev L1 gas is not taken to be cheaper than this, else a deposit would have to burn more than a transaction has.
    uint256 private constant MIN_L1_BASE_FEE = 1 gwei;
    uint256 private constant ONE = 1e18;

    /// @inheritdoc IDepositMeter
    ResourceParams public params;

    constructor() {
        params = ResourceParams(MIN_DEPOSIT_BASE_FEE, 0, uint64(block.number));
    }

    /// @inheritdoc IDepositMeter
    function depositBaseFee() external view returns (uint128 baseFeeWei) {
        return _moved(params).prevBaseFee;
    }

    /// @dev Runs the function and lets the sender burn what is left to burn of the price of `gasLimit` (PTL-024).
    modifier metered(uint64 gasLimit) {
        uint256 before = gasleft();
        _;
        uint256 priceWei = uint256(gasLimit) * _buy(gasLimit);
        uint256 l1Fee = block.basefee > MIN_L1_BASE_FEE ? block.basefee : MIN_L1_BASE_FEE;
        uint256 burn = priceWei / l1Fee;
        uint256 turns;
        while (before - gasleft() < burn) ++turns;
    }

    /// @dev Take the gas from this block's; returns its price.
    function _buy(uint64 gasLimit) private returns (uint128 baseFeeWei) {
        if (gasLimit > MAX_DEPOSIT_GAS) revert OptimismPortal_GasLimitTooHigh(gasLimit, MAX_DEPOSIT_GAS);
        ResourceParams memory market = _moved(params);
        uint64 left = MAX_BLOCK_DEPOSIT_GAS - market.prevBoughtGas;
        if (gasLimit > left) revert OptimismPortal_DepositGasSoldOut(gasLimit, left);
        market.prevBoughtGas += gasLimit;
        params = market;
        return market.prevBaseFee;
    }

    /// @dev The market as it stands in this L1 block (PTL-023).
    function _moved(ResourceParams memory market) private view returns (ResourceParams memory) {
        uint256 blocks = block.number - market.prevBlockNum;
        if (blocks == 0) return market;
        uint256 fee = market.prevBaseFee;
        uint256 scale = uint256(TARGET_BLOCK_DEPOSIT_GAS) * CHANGE_DENOMINATOR;
        if (market.prevBoughtGas > TARGET_BLOCK_DEPOSIT_GAS) {
            fee += fee * (market.prevBoughtGas - TARGET_BLOCK_DEPOSIT_GAS) / scale;
        } else {
            fee -= fee * (TARGET_BLOCK_DEPOSIT_GAS - market.prevBoughtGas) / scale;
        }
        fee = fee * _power(ONE - ONE / CHANGE_DENOMINATOR, blocks - 1) / ONE; // blocks without a deposit
        if (fee < MIN_DEPOSIT_BASE_FEE) fee = MIN_DEPOSIT_BASE_FEE;
        if (fee > type(uint128).max) fee = type(uint128).max;
        return ResourceParams(uint128(fee), 0, uint64(block.number));
    }

    /// @dev `base ^ exponent`, parts of {ONE}, rounded down at each step.
    function _power(uint256 base, uint256 exponent) private pure returns (uint256 result) {
        result = ONE;
        while (exponent != 0 && result != 0) {
            if (exponent & 1 == 1) result = result * base / ONE;
            base = base * base / ONE;
            exponent >>= 1;
        }
    }
}
