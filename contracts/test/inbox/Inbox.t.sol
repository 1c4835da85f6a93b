// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IDepositQueue} from "../../src/interfaces/IDepositQueue.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {ISequencerSet} from "../../src/interfaces/ISequencerSet.sol";
import {Inbox} from "../../src/inbox/Inbox.sol";
import {SoleSequencer} from "../../src/inbox/SoleSequencer.sol";
import {DepositQueue} from "../../src/portal/DepositQueue.sol";
import {Vm, vm} from "../utils/Vm.sol";

/// @dev The queue as it stands when told so.
contract StatedQueue is IDepositQueue {
    uint64 public depositCount;
    bytes32 public depositAccumulator;

    function set(uint64 count, bytes32 accumulator) external {
        (depositCount, depositAccumulator) = (count, accumulator);
    }

    function depositsAt(uint64) external view returns (uint64, bytes32) {
        return (depositCount, depositAccumulator);
    }
}

/// @dev The queue itself, without a portal around it.
contract OpenQueue is DepositQueue {
    function enqueue(address from) external {
        _enqueue(from, address(1), 0, hex"00");
    }
}

/// @dev A set whose contract always fails.
contract BrokenSet is ISequencerSet {
    error Broken();

    function mayAppend(address) external pure returns (bool) {
        revert Broken();
    }

    function id() external pure returns (bytes32) {
        revert Broken();
    }
}

contract InboxTest {
    struct BatchCase {
        bool forced;
        uint256 originNumber;
        bytes32 originHash;
        uint256 depositCount;
        bytes32 depositAccumulator;
        bytes32 sequencerSet;
        bytes32[] blobHashes;
        bytes header;
        bytes32 headerHash;
        bytes32 accumulator;
    }

    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint64 internal constant LAG = 300;
    uint64 internal constant SILENCE = 600;
    address internal sequencer;
    address internal timelock = address(0x71);
    SoleSequencer internal set;
    StatedQueue internal stated = new StatedQueue();
    OpenQueue internal queue = new OpenQueue();
    Inbox internal inbox;

    constructor() {
        string memory json = vm.readFile("vectors/inbox.json");
        sequencer = vm.parseJsonAddress(json, ".sequencer");
    }

    function setUp() external {
        vm.warp(1_800_000_000);
        vm.roll(1_000);
        set = new SoleSequencer(sequencer);
        inbox = new Inbox(queue, timelock, set, 990, LAG, SILENCE);
        vm.roll(1_001);
    }

    /// @dev INB-001..004: six batches, forced ones among them, to the byte.
    function test_append_golden_batches_agree() external {
        inbox = new Inbox(stated, timelock, set, 990, LAG, SILENCE);
        string memory description = string.concat(
            "BatchCase(bool forced,uint256 originNumber,bytes32 originHash,uint256 depositCount,bytes32 depositAccumulator,",
            "bytes32 sequencerSet,bytes32[] blobHashes,bytes header,bytes32 headerHash,bytes32 accumulator)"
        );
        bytes memory encoded =
            vm.parseJsonTypeArray(vm.readFile("vectors/inbox.json"), ".batches", description);
        BatchCase[] memory cases = abi.decode(encoded, (BatchCase[]));
        uint256 forced;
        for (uint256 i; i < cases.length; ++i) {
            BatchCase memory c = cases[i];
            vm.roll(c.originNumber + 3);
            vm.setBlockhash(c.originNumber, c.originHash);
            stated.set(uint64(c.depositCount), c.depositAccumulator);
            vm.recordLogs();
            if (c.forced) {
                vm.warp(inbox.lastSequencedAt() + SILENCE);
                inbox.forceInclude(uint64(c.originNumber));
                ++forced;
            } else {
                _append(uint64(c.originNumber), c.blobHashes);
            }
            Vm.Log memory log = vm.getRecordedLogs()[0];
            vm.assertEq(log.topics[0], IInbox.BatchAppended.selector);
            vm.assertEq(uint256(log.topics[1]), i);
            vm.assertEq(log.topics[2], c.accumulator);
            vm.assertEq(abi.decode(log.data, (bytes)), c.header);
            vm.assertEq(keccak256(c.header), c.headerHash);
            vm.assertEq(inbox.accumulator(), c.accumulator);
            vm.assertEq(inbox.accumulatorAt(uint64(i + 1)), c.accumulator);
            vm.assertEq(inbox.lastOrigin(), c.originNumber);
        }
        vm.assertEq(inbox.batchCount(), cases.length);
        vm.assertEq(inbox.accumulatorAt(0), bytes32(0));
        vm.assertTrue(forced == 2 && cases.length == 6);
    }

    /// @dev INB-030.
    function testFuzz_appendBatch_by_anyone_else_reverts(address caller) external {
        vm.assume(caller != sequencer);
        vm.blobhashes(_blobs(1));
        uint64 next = inbox.sequencedCount();
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_NotSequencer.selector, caller));
        inbox.appendBatch(next, 1_000);
    }

    /// @dev INB-005.
    function test_appendBatch_without_blobs_reverts() external {
        uint64 next = inbox.sequencedCount();
        vm.prank(sequencer);
        vm.expectRevert(IInbox.Inbox_NoBlobs.selector);
        inbox.appendBatch(next, 1_000);
    }

    /// @dev INB-006: sent twice it has effect once; a forced header before it does not make it fail (INB-024).
    function test_appendBatch_sent_twice_counts_once() external {
        _append(1_000, _blobs(1));
        vm.blobhashes(_blobs(1));
        vm.prank(sequencer);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_WrongSequence.selector, 0, 1));
        inbox.appendBatch(0, 1_000);
        vm.warp(block.timestamp + SILENCE);
        vm.roll(1_010);
        inbox.forceInclude(1_001);
        vm.blobhashes(_blobs(1));
        vm.prank(sequencer);
        inbox.appendBatch(1, 1_001);
        vm.assertEq(inbox.batchCount(), 3);
        vm.assertEq(inbox.sequencedCount(), 2);
    }

    /// @dev INB-010.
    function test_appendBatch_origin_behind_the_last_reverts() external {
        _append(1_000, _blobs(1));
        _append(1_000, _blobs(1)); // the same one is fine
        vm.blobhashes(_blobs(1));
        uint64 next = inbox.sequencedCount();
        vm.prank(sequencer);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_OriginTooLow.selector, 999, 1_000));
        inbox.appendBatch(next, 999);
    }

    /// @dev INB-011: at the lag allowed, and one block later.
    function test_appendBatch_stale_origin_reverts() external {
        vm.etch(HISTORY, address(new History()).code);
        vm.roll(1_000 + LAG);
        _append(1_000, _blobs(1));
        vm.roll(1_001 + LAG);
        vm.blobhashes(_blobs(1));
        uint64 next = inbox.sequencedCount();
        vm.prank(sequencer);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_OriginTooOld.selector, 1_000, 1_001));
        inbox.appendBatch(next, 1_000);
    }

    /// @dev INB-012: this block, later ones, and one whose number would overflow.
    function test_appendBatch_origin_not_past_reverts() external {
        uint64[3] memory origins = [uint64(1_001), 1_002, type(uint64).max];
        for (uint256 i; i < origins.length; ++i) {
            vm.blobhashes(_blobs(1));
            uint64 next = inbox.sequencedCount();
            vm.prank(sequencer);
            vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_UnknownOrigin.selector, origins[i]));
            inbox.appendBatch(next, origins[i]);
        }
    }

    /// @dev INB-012: beyond 256 blocks the history contract answers; what it does not know is refused.
    function test_appendBatch_origin_beyond_blockhash_comes_from_history() external {
        vm.roll(1_000 + 257);
        vm.blobhashes(_blobs(1));
        uint64 next = inbox.sequencedCount();
        vm.prank(sequencer);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_UnknownOrigin.selector, 1_000));
        inbox.appendBatch(next, 1_000);

        vm.etch(HISTORY, address(new History()).code);
        vm.recordLogs();
        _append(1_000, _blobs(1));
        bytes memory header = abi.decode(vm.getRecordedLogs()[0].data, (bytes));
        vm.assertEq(_word(header, 18), keccak256(abi.encode(uint256(1_000))));
    }

    /// @dev INB-013: exactly what was deposited up to the origin, for whichever origin.
    function testFuzz_appendBatch_deposits_exactly_up_to_the_origin(uint8[20] calldata perBlock, uint8 pick)
        external
    {
        uint64[21] memory counts;
        bytes32[21] memory accumulators;
        for (uint256 i; i < 20; ++i) {
            vm.roll(1_001 + i);
            for (uint256 n = perBlock[i] % 4; n > 0; --n) {
                queue.enqueue(address(uint160(n)));
            }
            (counts[i], accumulators[i]) = (queue.depositCount(), queue.depositAccumulator());
        }
        vm.roll(1_030);
        uint64 origin = 1_001 + pick % 20;
        vm.recordLogs();
        _append(origin, _blobs(1));
        bytes memory header = abi.decode(vm.getRecordedLogs()[0].data, (bytes));
        vm.assertEq(uint256(_word(header, 50)) >> 192, counts[origin - 1_001]);
        vm.assertEq(_word(header, 58), accumulators[origin - 1_001]);
    }

    /// @dev INB-020: a second too early, then by anyone.
    function testFuzz_forceInclude_waits_for_silence(address caller) external {
        uint256 until = uint256(inbox.lastSequencedAt()) + SILENCE;
        vm.warp(until - 1);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_NotSilent.selector, until));
        inbox.forceInclude(1_000);
        vm.warp(until);
        vm.prank(caller);
        inbox.forceInclude(1_000);
        vm.assertEq(inbox.batchCount(), 1);
    }

    /// @dev INB-021: forced headers follow each other with L1; a sequenced batch ends it.
    function test_forceInclude_only_a_sequenced_batch_ends_the_silence() external {
        vm.warp(block.timestamp + SILENCE);
        for (uint64 origin = 1_001; origin < 1_004; ++origin) {
            vm.roll(origin + 1);
            inbox.forceInclude(origin);
        }
        _append(1_003, _blobs(1));
        vm.roll(1_006);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_NotSilent.selector, block.timestamp + SILENCE));
        inbox.forceInclude(1_004);
    }

    /// @dev INB-022: one for each L1 block at most.
    function test_forceInclude_same_origin_reverts() external {
        vm.warp(block.timestamp + SILENCE);
        inbox.forceInclude(1_000);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_OriginTooLow.selector, 1_000, 1_001));
        inbox.forceInclude(1_000);
    }

    /// @dev INB-011 holds for forced headers too.
    function test_forceInclude_stale_origin_reverts() external {
        vm.warp(block.timestamp + SILENCE);
        vm.roll(1_001 + LAG);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_OriginTooOld.selector, 1_000, 1_001));
        inbox.forceInclude(1_000);
    }

    /// @dev INB-023: a set that fails stops sequencing, not the chain; INB-032: only the timelock mends it.
    function test_forceInclude_works_with_a_broken_set() external {
        BrokenSet broken = new BrokenSet();
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_NotTimelock.selector, address(this)));
        inbox.setSequencerSet(broken);
        vm.prank(timelock);
        inbox.setSequencerSet(broken);
        uint64 next = inbox.sequencedCount();
        vm.prank(sequencer);
        vm.expectRevert(BrokenSet.Broken.selector);
        inbox.appendBatch(next, 1_000);
        vm.warp(block.timestamp + SILENCE);
        inbox.forceInclude(1_000);
        vm.prank(timelock);
        inbox.setSequencerSet(set);
        _append(1_000, _blobs(1));
        vm.assertEq(inbox.batchCount(), 2);
    }

    function test_setSequencerSet_zero_reverts() external {
        vm.prank(timelock);
        vm.expectRevert(IInbox.Inbox_ZeroAddress.selector);
        inbox.setSequencerSet(ISequencerSet(address(0)));
    }

    function test_constructor_bad_parameters_revert() external {
        vm.expectRevert(IInbox.Inbox_ZeroAddress.selector);
        new Inbox(IDepositQueue(address(0)), timelock, set, 990, LAG, SILENCE);
        vm.expectRevert(IInbox.Inbox_ZeroAddress.selector);
        new Inbox(queue, address(0), set, 990, LAG, SILENCE);
        vm.expectRevert(IInbox.Inbox_ZeroAddress.selector);
        new Inbox(queue, timelock, ISequencerSet(address(0)), 990, LAG, SILENCE);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_BadOriginLag.selector, 0));
        new Inbox(queue, timelock, set, 990, 0, SILENCE);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_BadOriginLag.selector, 8192));
        new Inbox(queue, timelock, set, 990, 8192, SILENCE);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_BadGenesisOrigin.selector, 1_001));
        new Inbox(queue, timelock, set, 1_001, LAG, SILENCE);
    }

    /// @dev What appending costs beside the transaction itself.
    function test_gas() external {
        _append(1_000, _blobs(1));
        vm.snapshotGasLastCall("Inbox", "appendBatch first");
        string[6] memory next = ["1 blob", "2 blobs", "3 blobs", "4 blobs", "5 blobs", "6 blobs"];
        for (uint256 i; i < 6; ++i) {
            _append(1_000, _blobs(i + 1));
            vm.snapshotGasLastCall("Inbox", string.concat("appendBatch next, ", next[i]));
        }
        queue.enqueue(address(1));
        vm.roll(1_010);
        _append(1_001, _blobs(1));
        vm.snapshotGasLastCall("Inbox", "appendBatch with a deposit");
        vm.warp(block.timestamp + SILENCE);
        inbox.forceInclude(1_002);
        vm.snapshotGasLastCall("Inbox", "forceInclude");
    }

    function _append(uint64 origin, bytes32[] memory blobs) private {
        vm.blobhashes(blobs);
        uint64 next = inbox.sequencedCount();
        vm.prank(sequencer);
        inbox.appendBatch(next, origin);
    }

    function _blobs(uint256 count) private pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            hashes[i] = bytes32(uint256(1) << 248 | i);
        }
    }

    function _word(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }
}

/// @dev The history contract as a node would answer: a hash for every number.
contract History {
    fallback(bytes calldata input) external returns (bytes memory) {
        return abi.encode(keccak256(input));
    }
}
