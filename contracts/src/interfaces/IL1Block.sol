// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Facts about L1 that an L2 block was built on
/// @notice Keeps the attributes of the current L1 origin. The block's first transaction, a deposit sent by
///         {DEPOSITOR_ACCOUNT}, writes them whenever the origin moves (specs/fees.md FEE-020..022). Names, selectors and
///         storage layout are the OP Stack's `L1Block`, so clients that know that one read this one.
/// @custom:predeploy 0x4200000000000000000000000000000000000015
interface IL1Block {
    /// @notice Someone other than the depositor account called the setter.
    /// @param caller Who called.
    error L1Block_NotDepositor(address caller);

    /// @notice The setter's calldata does not have the packed layout's length.
    /// @param length Bytes given, selector included.
    error L1Block_BadLength(uint256 length);

    /// @notice Takes the attributes of the new L1 origin from packed calldata, selector 0x440a5e20.
    /// @dev Layout after the selector, big-endian, no padding: baseFeeScalar uint32, blobBaseFeeScalar uint32,
    ///      sequenceNumber uint64, timestamp uint64, number uint64, basefee uint256, blobBaseFee uint256,
    ///      hash bytes32, batcherHash bytes32: 164 bytes in all.
    function setL1BlockValuesEcotone() external;

    /// @notice The only account that may call the setter: an address without a known key.
    function DEPOSITOR_ACCOUNT() external pure returns (address account);

    /// @notice L1 block number of the origin.
    function number() external view returns (uint64);

    /// @notice L1 timestamp of the origin, seconds since the Unix epoch.
    function timestamp() external view returns (uint64);

    /// @notice L1 base fee of the origin, wei per gas.
    function basefee() external view returns (uint256);

    /// @notice L1 block hash of the origin.
    function hash() external view returns (bytes32);

    /// @notice L2 blocks since the origin moved, as last written: the setter runs when the origin moves.
    function sequenceNumber() external view returns (uint64);

    /// @notice Scalar on the L1 blob base fee, millionths.
    function blobBaseFeeScalar() external view returns (uint32);

    /// @notice Scalar on the L1 base fee, millionths.
    function baseFeeScalar() external view returns (uint32);

    /// @notice Part of the OP Stack's layout. T-Rex authenticates batches by its inbox contract: always zero.
    function batcherHash() external view returns (bytes32);

    /// @notice Pre-Ecotone parameter of the OP Stack's layout: always zero.
    function l1FeeOverhead() external view returns (uint256);

    /// @notice Pre-Ecotone parameter of the OP Stack's layout: always zero.
    function l1FeeScalar() external view returns (uint256);

    /// @notice L1 blob base fee of the origin, wei per blob gas.
    function blobBaseFee() external view returns (uint256);

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
}
