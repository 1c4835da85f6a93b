// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title What a transaction pays besides its gas
/// @notice Answers with the L1 data fee that the state transition function will take (specs/fees.md), from the L1
///         attributes in force. Names and selectors are the OP Stack's `GasPriceOracle`.
/// @custom:predeploy 0x420000000000000000000000000000000000000F
interface IGasPriceOracle {
    /// @notice L1 data fee of a transaction, wei.
    /// @dev Made for transactions that are not signed yet: the missing signature is counted as 68 bytes that do not
    ///      compress (FEE-010). The fee taken on inclusion is that of the signed bytes (FEE-003).
    /// @param unsignedTx EIP-2718 bytes of the transaction without its signature.
    function getL1Fee(bytes calldata unsignedTx) external view returns (uint256 feeWei);

    /// @notice L1 gas that the transaction's data would use as calldata: 16 a byte of its estimated compressed size.
    /// @dev The 68 bytes of the missing signature are counted as in {getL1Fee}.
    /// @param unsignedTx EIP-2718 bytes of the transaction without its signature.
    function getL1GasUsed(bytes calldata unsignedTx) external view returns (uint256 gas);

    /// @notice Upper bound of the L1 data fee of any transaction of a given length, wei (FEE-011).
    /// @param unsignedTxLength Bytes of the transaction without its signature.
    function getL1FeeUpperBound(uint256 unsignedTxLength) external view returns (uint256 feeWei);

    /// @notice Always zero: T-Rex has no operator fee (FEE-012). Clients add it to every estimate, so the question is answered.
    /// @param gasUsed Not used.
    function getOperatorFee(uint256 gasUsed) external pure returns (uint256 feeWei);

    /// @notice L1 base fee of the origin, wei per gas.
    function l1BaseFee() external view returns (uint256);

    /// @notice L1 blob base fee of the origin, wei per blob gas.
    function blobBaseFee() external view returns (uint256);

    /// @notice Scalar on the L1 base fee, millionths.
    function baseFeeScalar() external view returns (uint32);

    /// @notice Scalar on the L1 blob base fee, millionths.
    function blobBaseFeeScalar() external view returns (uint32);

    /// @notice The L2 block's base fee, wei per gas.
    function gasPrice() external view returns (uint256);

    /// @notice The L2 block's base fee, wei per gas.
    function baseFee() external view returns (uint256);

    /// @notice Decimals of the scalars: 6.
    function decimals() external pure returns (uint256);

    /// @notice Decimals of the scalars: 6. The name older clients ask for.
    function DECIMALS() external pure returns (uint256);

    /// @notice The fee has the Ecotone inputs (base fee and blob base fee): true.
    function isEcotone() external pure returns (bool);

    /// @notice The fee has the Fjord form (FastLZ length): true.
    function isFjord() external pure returns (bool);

    /// @notice The OP Stack's Isthmus, the fork that brought the operator fee, is not part of T-Rex: false.
    function isIsthmus() external pure returns (bool);

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
}
