// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IL1Block} from "../interfaces/IL1Block.sol";

/// @title L1Block
/// @notice Keeps the attributes of the current L1 origin; see {IL1Block}.
/// @dev The order of the variables is the storage layout that off-chain readers know: do not reorder.
contract L1Block is IL1Block {
    /// @inheritdoc IL1Block
    address public constant DEPOSITOR_ACCOUNT = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;

    /// @dev Length of the setter's calldata, selector included.
    uint256 private constant CALLDATA_LENGTH = 164;

    // slot 0
    /// @inheritdoc IL1Block
    uint64 public number;
    /// @inheritdoc IL1Block
    uint64 public timestamp;
    // slot 1
    /// @inheritdoc IL1Block
    uint256 public basefee;
    // slot 2
    /// @inheritdoc IL1Block
    bytes32 public hash;
    // slot 3
    /// @inheritdoc IL1Block
    uint64 public sequenceNumber;
    /// @inheritdoc IL1Block
    uint32 public blobBaseFeeScalar;
    /// @inheritdoc IL1Block
    uint32 public baseFeeScalar;
    // slot 4
    /// @inheritdoc IL1Block
    bytes32 public batcherHash;
    // slots 5 and 6
    /// @inheritdoc IL1Block
    uint256 public l1FeeOverhead;
    /// @inheritdoc IL1Block
    uint256 public l1FeeScalar;
    // slot 7
    /// @inheritdoc IL1Block
    uint256 public blobBaseFee;

    /// @inheritdoc IL1Block
    function setL1BlockValuesEcotone() external {
        if (msg.sender != DEPOSITOR_ACCOUNT) revert L1Block_NotDepositor(msg.sender); // FEE-021
        if (msg.data.length != CALLDATA_LENGTH) revert L1Block_BadLength(msg.data.length); // FEE-020
        baseFeeScalar = uint32(bytes4(msg.data[4:8]));
        blobBaseFeeScalar = uint32(bytes4(msg.data[8:12]));
        sequenceNumber = uint64(bytes8(msg.data[12:20]));
        timestamp = uint64(bytes8(msg.data[20:28]));
        number = uint64(bytes8(msg.data[28:36]));
        basefee = uint256(bytes32(msg.data[36:68]));
        blobBaseFee = uint256(bytes32(msg.data[68:100]));
        hash = bytes32(msg.data[100:132]);
        batcherHash = bytes32(msg.data[132:164]);
    }

    /// @inheritdoc IL1Block
    function version() external pure returns (string memory) {
        return "1.0.0";
    }
}
