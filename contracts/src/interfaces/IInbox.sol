// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {IDepositQueue} from "./IDepositQueue.sol";
import {ISequencerSet} from "./ISequencerSet.sol";

/// @title What the chain is made from
/// @notice A hash chain of batch headers. A header says which blobs, up to which L1 block, and which deposits; the L2 state
///         is a function of genesis and this chain (specs/inbox.md). Sequencers append; when they are silent for too long
///         anyone does, without blobs, and deposits are included all the same.
interface IInbox {
    /// @notice A header was appended.
    /// @param index The batch's place, from 0.
    /// @param accumulator The hash chain with it.
    /// @param header The header, packed as INB-001 says.
    event BatchAppended(uint256 indexed index, bytes32 indexed accumulator, bytes header);

    /// @notice Another contract now says who may append.
    /// @param sequencerSet The contract.
    event SequencerSetChanged(ISequencerSet indexed sequencerSet);

    /// @notice The caller may not append (INB-030).
    /// @param caller Who called.
    error Inbox_NotSequencer(address caller);

    /// @notice The batch is not the next one (INB-006).
    /// @param sequence What the caller gave.
    /// @param next {sequencedCount}.
    error Inbox_WrongSequence(uint64 sequence, uint64 next);

    /// @notice A batch without blobs is for {forceInclude} alone (INB-005).
    error Inbox_NoBlobs();

    /// @notice The origin is behind the last batch's, or not ahead of it where it has to be (INB-010, INB-022).
    /// @param origin L1 block number given.
    /// @param least Least that would do.
    error Inbox_OriginTooLow(uint64 origin, uint64 least);

    /// @notice The origin lags the present L1 block by too much (INB-011).
    /// @param origin L1 block number given.
    /// @param least Least that would do.
    error Inbox_OriginTooOld(uint64 origin, uint64 least);

    /// @notice L1 does not know that block's hash, as it is not past or too long ago (INB-012).
    /// @param origin L1 block number given.
    error Inbox_UnknownOrigin(uint64 origin);

    /// @notice Sequencers are not silent long enough (INB-020).
    /// @param until Earliest moment, seconds since the Unix epoch.
    error Inbox_NotSilent(uint256 until);

    /// @notice Only the timelock may do that (INB-032).
    /// @param caller Who called.
    error Inbox_NotTimelock(address caller);

    /// @notice An address parameter is zero.
    error Inbox_ZeroAddress();

    /// @notice The allowed lag of an origin must be 1 to 8191: as far back as L1 remembers hashes (EIP-2935).
    /// @param blocks What was given.
    error Inbox_BadOriginLag(uint64 blocks);

    /// @notice The genesis origin must be a past block.
    /// @param origin What was given.
    error Inbox_BadGenesisOrigin(uint64 origin);

    /// @notice Append a batch whose data is in this transaction's blobs. Only the sequencer set.
    /// @dev Two batches may have the same origin. Emits {BatchAppended}.
    /// @param sequence {sequencedCount}: any other and the call reverts, so that a batch sent twice has effect once (INB-006).
    /// @param originNumber L1 block number of the last origin: not below the last batch's, past, and not too old.
    function appendBatch(uint64 sequence, uint64 originNumber) external;

    /// @notice Append a header without blobs: the chain then makes the blocks that origins and deposits call for. Anyone,
    ///         once the sequencer set has appended nothing for {SILENCE} seconds.
    /// @dev Emits {BatchAppended}.
    /// @param originNumber L1 block number of the last origin: above the last batch's, past, and not too old.
    function forceInclude(uint64 originNumber) external;

    /// @notice Let another contract say who may append. Only the timelock.
    /// @param newSet The contract.
    function setSequencerSet(ISequencerSet newSet) external;

    /// @notice Number of headers so far; the next one's index.
    function batchCount() external view returns (uint64 count);

    /// @notice The hash chain as it is.
    function accumulator() external view returns (bytes32);

    /// @notice The hash chain after its first `count` headers; zero for 0 and beyond the last.
    /// @param count Number of headers.
    function accumulatorAt(uint64 count) external view returns (bytes32);

    /// @notice Origin of the last header, the genesis origin before the first.
    function lastOrigin() external view returns (uint64 l1BlockNumber);

    /// @notice When the sequencer set last appended, or this contract was made; seconds since the Unix epoch.
    function lastSequencedAt() external view returns (uint64 timestamp);

    /// @notice Number of headers that the sequencer set has appended; forced ones do not count.
    function sequencedCount() external view returns (uint64 count);

    /// @notice Who may append.
    function sequencerSet() external view returns (ISequencerSet);

    /// @notice Where deposits are counted.
    function DEPOSIT_QUEUE() external view returns (IDepositQueue);

    /// @notice The only account that may change the sequencer set: a timelock longer than the exit time.
    function TIMELOCK() external view returns (address);

    /// @notice L1 block of the L2 genesis.
    function GENESIS_ORIGIN() external view returns (uint64 l1BlockNumber);

    /// @notice How many L1 blocks an origin may lag the block it is appended in: the forced-inclusion delay.
    function MAX_ORIGIN_LAG() external view returns (uint64 l1Blocks);

    /// @notice Seconds without a sequenced batch after which anyone may append.
    function SILENCE() external view returns (uint64 silenceSeconds);

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
}
