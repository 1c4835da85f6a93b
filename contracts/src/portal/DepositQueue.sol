// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IDepositQueue} from "../interfaces/IDepositQueue.sol";

/// @title DepositQueue
/// @notice Hash chain of deposits with a checkpoint for each L1 block that has some; see {IDepositQueue}.
abstract contract DepositQueue is IDepositQueue {
    /// @dev The queue at the end of an L1 block.
    struct Checkpoint {
        uint64 l1Block;
        uint64 count;
        bytes32 accumulator;
    }

    /// @dev By rising L1 block.
    Checkpoint[] private _checkpoints;

    /// @inheritdoc IDepositQueue
    function depositCount() external view returns (uint64 count) {
        uint256 length = _checkpoints.length;
        if (length != 0) count = _checkpoints[length - 1].count;
    }

    /// @inheritdoc IDepositQueue
    function depositAccumulator() external view returns (bytes32 accumulator) {
        uint256 length = _checkpoints.length;
        if (length != 0) accumulator = _checkpoints[length - 1].accumulator;
    }

    /// @inheritdoc IDepositQueue
    function depositsAt(uint64 l1Block) external view returns (uint64 count, bytes32 accumulator) {
        // The number of checkpoints at or before l1Block: strides that double back from the newest, then halves.
        uint256 high = _checkpoints.length;
        uint256 low = high;
        uint256 stride = 1;
        while (low != 0 && _checkpoints[low - 1].l1Block > l1Block) {
            high = low - 1;
            low = high > stride ? high - stride : 0;
            stride *= 2;
        }
        while (low < high) {
            uint256 middle = (low + high + 1) / 2;
            if (_checkpoints[middle - 1].l1Block > l1Block) high = middle - 1;
            else low = middle;
        }
        if (low != 0) {
            Checkpoint storage found = _checkpoints[low - 1];
            (count, accumulator) = (found.count, found.accumulator);
        }
    }

    /// @dev Chain one more deposit (PTL-001, PTL-002).
    /// @param from Sender on L2: aliased already.
    function _enqueue(address from, address to, uint256 version, bytes memory opaqueData) internal {
        bytes32 record = keccak256(abi.encodePacked(uint64(block.number), from, to, version, opaqueData));
        uint256 length = _checkpoints.length;
        if (length != 0) {
            Checkpoint storage last = _checkpoints[length - 1];
            bytes32 accumulator = keccak256(abi.encodePacked(last.accumulator, record));
            if (last.l1Block == block.number) {
                (last.count, last.accumulator) = (last.count + 1, accumulator);
            } else {
                _checkpoints.push(Checkpoint(uint64(block.number), last.count + 1, accumulator));
            }
        } else {
            bytes32 accumulator = keccak256(abi.encodePacked(bytes32(0), record));
            _checkpoints.push(Checkpoint(uint64(block.number), 1, accumulator));
        }
    }
}
