// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {IDepositQueue} from "../interfaces/IDepositQueue.sol";
import {IInbox} from "../interfaces/IInbox.sol";
import {ISequencerSet} from "../interfaces/ISequencerSet.sol";

/// @title Inbox
/// @notice Hash chain of batch headers; see {IInbox}.
contract Inbox is IInbox {
    /// @dev Version of the header's layout.
    uint8 private constant HEADER_VERSION = 0;
    /// @dev Carriers: where the data of a batch is.
    uint8 private constant CARRIER_NONE = 0;
    uint8 private constant CARRIER_BLOBS = 1;
    /// @dev Blocks that EIP-2935 keeps hashes of.
    uint64 private constant HASHES_KEPT = 8191;

    /// @inheritdoc IInbox
    IDepositQueue public immutable DEPOSIT_QUEUE;
    /// @inheritdoc IInbox
    address public immutable TIMELOCK;
    /// @inheritdoc IInbox
    uint64 public immutable GENESIS_ORIGIN;
    /// @inheritdoc IInbox
    uint64 public immutable MAX_ORIGIN_LAG;
    /// @inheritdoc IInbox
    uint64 public immutable SILENCE;

    /// @inheritdoc IInbox
    uint64 public batchCount;
    /// @inheritdoc IInbox
    uint64 public lastOrigin;
    /// @inheritdoc IInbox
    uint64 public lastSequencedAt;
    /// @inheritdoc IInbox
    uint64 public sequencedCount;
    /// @inheritdoc IInbox
    ISequencerSet public sequencerSet;
    /// @inheritdoc IInbox
    mapping(uint64 count => bytes32) public accumulatorAt;

    /// @param queue Where deposits are counted: may be an address that gets its code later.
    /// @param timelock Who may change the sequencer set.
    /// @param set Who may append at first.
    /// @param genesisOrigin L1 block of the L2 genesis.
    /// @param maxOriginLag L1 blocks an origin may lag.
    /// @param silence Seconds of silence before anyone may append.
    constructor(
        IDepositQueue queue,
        address timelock,
        ISequencerSet set,
        uint64 genesisOrigin,
        uint64 maxOriginLag,
        uint64 silence
    ) {
        if (address(queue) == address(0) || timelock == address(0) || address(set) == address(0)) {
            revert Inbox_ZeroAddress();
        }
        if (maxOriginLag == 0 || maxOriginLag > HASHES_KEPT) revert Inbox_BadOriginLag(maxOriginLag);
        if (genesisOrigin >= block.number) revert Inbox_BadGenesisOrigin(genesisOrigin);
        DEPOSIT_QUEUE = queue;
        TIMELOCK = timelock;
        GENESIS_ORIGIN = genesisOrigin;
        MAX_ORIGIN_LAG = maxOriginLag;
        SILENCE = silence;
        lastOrigin = genesisOrigin;
        lastSequencedAt = uint64(block.timestamp);
        sequencerSet = set;
        emit SequencerSetChanged(set);
    }

    /// @inheritdoc IInbox
    function appendBatch(uint64 sequence, uint64 originNumber) external {
        ISequencerSet set = sequencerSet;
        if (!set.mayAppend(msg.sender)) revert Inbox_NotSequencer(msg.sender); // INB-030
        if (sequence != sequencedCount) revert Inbox_WrongSequence(sequence, sequencedCount); // INB-006
        if (originNumber < lastOrigin) revert Inbox_OriginTooLow(originNumber, lastOrigin); // INB-010
        bytes memory hashes = _blobHashes();
        if (hashes.length == 0) revert Inbox_NoBlobs(); // INB-005
        sequencedCount = sequence + 1;
        lastSequencedAt = uint64(block.timestamp); // INB-021
        _append(CARRIER_BLOBS, originNumber, set.id(), hashes);
    }

    /// @inheritdoc IInbox
    function forceInclude(uint64 originNumber) external {
        uint256 until = uint256(lastSequencedAt) + SILENCE;
        if (block.timestamp < until) revert Inbox_NotSilent(until); // INB-020
        if (originNumber <= lastOrigin) revert Inbox_OriginTooLow(originNumber, lastOrigin + 1); // INB-022
        _append(CARRIER_NONE, originNumber, bytes32(0), ""); // INB-023
    }

    /// @inheritdoc IInbox
    function setSequencerSet(ISequencerSet newSet) external {
        if (msg.sender != TIMELOCK) revert Inbox_NotTimelock(msg.sender); // INB-032
        if (address(newSet) == address(0)) revert Inbox_ZeroAddress();
        sequencerSet = newSet;
        emit SequencerSetChanged(newSet);
    }

    /// @inheritdoc IInbox
    function accumulator() external view returns (bytes32) {
        return accumulatorAt[batchCount];
    }

    /// @inheritdoc IInbox
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @dev Build the header from what the contract itself knows (INB-001), and chain it (INB-002).
    function _append(uint8 carrier, uint64 originNumber, bytes32 setId, bytes memory hashes) private {
        bytes32 originHash = _originHash(originNumber);
        (uint64 count, bytes32 deposits) = DEPOSIT_QUEUE.depositsAt(originNumber); // INB-013
        uint64 index = batchCount;
        bytes memory header = bytes.concat(
            abi.encodePacked(HEADER_VERSION, index, carrier, originNumber, originHash, count, deposits),
            abi.encodePacked(setId, uint8(hashes.length / 32), hashes)
        );
        bytes32 chained = keccak256(abi.encodePacked(accumulatorAt[index], keccak256(header)));
        batchCount = index + 1;
        lastOrigin = originNumber;
        accumulatorAt[index + 1] = chained;
        emit BatchAppended(index, chained, header);
    }

    /// @dev Hash of a past L1 block, as L1 itself answers (INB-011, INB-012).
    function _originHash(uint64 originNumber) private view returns (bytes32 originHash) {
        if (uint256(originNumber) + MAX_ORIGIN_LAG < block.number) {
            revert Inbox_OriginTooOld(originNumber, uint64(block.number) - MAX_ORIGIN_LAG);
        }
        originHash = Blockhash.blockHash(originNumber);
        if (originHash == 0) revert Inbox_UnknownOrigin(originNumber);
    }

    /// @dev Versioned hashes of the transaction's blobs, one behind the other.
    function _blobHashes() private view returns (bytes memory hashes) {
        assembly ("memory-safe") {
            hashes := mload(0x40)
            let end := add(hashes, 32)
            for { let i := 0 } lt(i, 255) { i := add(i, 1) } {
                let hash := blobhash(i)
                if iszero(hash) { break }
                mstore(end, hash)
                end := add(end, 32)
            }
            mstore(hashes, sub(sub(end, hashes), 32))
            mstore(0x40, end)
        }
    }
}
