// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IGasPriceOracle} from "../interfaces/IGasPriceOracle.sol";
import {IL1Block} from "../interfaces/IL1Block.sol";
import {FastLZ} from "./FastLZ.sol";

/// @title GasPriceOracle
/// @notice Answers what a transaction pays for its data on L1; see {IGasPriceOracle}.
contract GasPriceOracle is IGasPriceOracle {
    /// @inheritdoc IGasPriceOracle
    uint256 public constant DECIMALS = 6;

    /// @dev Where the L1 attributes are.
    IL1Block private constant L1_BLOCK = IL1Block(0x4200000000000000000000000000000000000015);

    /// @dev Bytes of a signature in a transaction, as they hardly compress (FEE-010).
    uint256 private constant SIGNATURE_LENGTH = 68;
    /// @dev Linear estimate of a transaction's share of a compressed batch, millionths of a byte (FEE-002).
    uint256 private constant COST_PER_FASTLZ_BYTE = 836_500;
    uint256 private constant COST_INTERCEPT = 42_585_600;
    uint256 private constant MIN_SIZE_SCALED = 100_000_000;
    /// @dev L1 gas of a byte of calldata.
    uint256 private constant CALLDATA_GAS = 16;
    /// @dev Scalars and sizes are millionths: two of them multiply.
    uint256 private constant SCALE = 1e6;

    /// @inheritdoc IGasPriceOracle
    function getL1Fee(bytes calldata unsignedTx) external view returns (uint256 feeWei) {
        return _fee(FastLZ.compressedLength(unsignedTx) + SIGNATURE_LENGTH);
    }

    /// @inheritdoc IGasPriceOracle
    function getL1GasUsed(bytes calldata unsignedTx) external pure returns (uint256 gas) {
        return _sizeScaled(FastLZ.compressedLength(unsignedTx) + SIGNATURE_LENGTH) * CALLDATA_GAS / SCALE;
    }

    /// @inheritdoc IGasPriceOracle
    function getL1FeeUpperBound(uint256 unsignedTxLength) external view returns (uint256 feeWei) {
        uint256 length = unsignedTxLength + SIGNATURE_LENGTH;
        return _fee(length + (length + 31) / 32); // FEE-011
    }

    /// @inheritdoc IGasPriceOracle
    function getOperatorFee(uint256) external pure returns (uint256 feeWei) {
        return 0;
    }

    /// @inheritdoc IGasPriceOracle
    function l1BaseFee() public view returns (uint256) {
        return L1_BLOCK.basefee();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFee() public view returns (uint256) {
        return L1_BLOCK.blobBaseFee();
    }

    /// @inheritdoc IGasPriceOracle
    function baseFeeScalar() public view returns (uint32) {
        return L1_BLOCK.baseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFeeScalar() public view returns (uint32) {
        return L1_BLOCK.blobBaseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function gasPrice() external view returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function baseFee() external view returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function decimals() external pure returns (uint256) {
        return DECIMALS;
    }

    /// @inheritdoc IGasPriceOracle
    function isEcotone() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isFjord() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isIsthmus() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IGasPriceOracle
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @dev FEE-003, from a FastLZ length.
    function _fee(uint256 fastlzLength) private view returns (uint256) {
        uint256 price = CALLDATA_GAS * baseFeeScalar() * l1BaseFee() + blobBaseFeeScalar() * blobBaseFee();
        return _sizeScaled(fastlzLength) * price / (SCALE * SCALE);
    }

    /// @dev FEE-002: estimated size in a compressed batch, millionths of a byte.
    function _sizeScaled(uint256 fastlzLength) private pure returns (uint256 size) {
        uint256 cost = COST_PER_FASTLZ_BYTE * fastlzLength;
        size = cost > COST_INTERCEPT ? cost - COST_INTERCEPT : 0;
        if (size < MIN_SIZE_SCALED) size = MIN_SIZE_SCALED;
    }
}
