// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IInbox} from "../../src/interfaces/IInbox.sol";
import {Inbox} from "../../src/inbox/Inbox.sol";
import {SoleSequencer} from "../../src/inbox/SoleSequencer.sol";
import {L1System} from "../utils/L1System.sol";
import {Vm, vm} from "../utils/Vm.sol";

/// @dev Appends as often as it is told to in one transaction.
contract AppendingContract {
    function twice(Inbox inbox, uint64 sequence, uint64 origin) external {
        inbox.appendBatch(sequence, origin);
        inbox.appendBatch(sequence + 1, origin);
    }
}

/// @dev What sequencers and others try who want deposits left out, the chain stopped, or headers that say what is not so.
contract InboxAttacksTest is L1System {
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    /// @dev Code of the history contract, as EIP-2935 gives it.
    bytes internal constant HISTORY_CODE = hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff8143031160425761"
        hex"1fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";
    address internal thief = address(0xBAD);

    function setUp() external {
        _deployL1();
        vm.fee(1 gwei);
        vm.etch(HISTORY, HISTORY_CODE);
    }

    /// @dev INB-022: forcing in before someone else's does not keep out what he wanted in: the chain's origin is past it.
    function test_attack_front_running_forced_inclusion_includes_it() external {
        portal.depositTransaction(address(1), 0, 21_000, false, ""); // in block 1,001
        vm.warp(block.timestamp + SILENCE);
        vm.roll(1_010);
        vm.prank(thief);
        inbox.forceInclude(1_000); // an earlier origin: the other one still counts
        inbox.forceInclude(1_005);
        vm.roll(1_020);
        vm.recordLogs();
        vm.prank(thief);
        inbox.forceInclude(1_015); // a later one: it holds all that the other one would
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_OriginTooLow.selector, 1_012, 1_016));
        inbox.forceInclude(1_012);
        vm.assertEq(_depositsIn(vm.getRecordedLogs()[0]), 1);
    }

    /// @dev INB-011, INB-013: a stolen sequencer key, garbage for batches, the oldest origins: deposits are in after the lag.
    function test_attack_stolen_sequencer_key_delays_deposits_by_the_lag_at_most() external {
        uint64 deposited = uint64(block.number);
        portal.depositTransaction(address(1), 0, 21_000, false, "");
        uint64 within;
        for (uint64 n = deposited + 1; n < deposited + 2 * LAG; n += 25) {
            vm.roll(n);
            vm.warp(block.timestamp + 300);
            uint64 oldest = n - LAG > inbox.lastOrigin() ? n - LAG : inbox.lastOrigin();
            _remember(oldest);
            vm.recordLogs();
            _appendAt(oldest);
            if (_depositsIn(vm.getRecordedLogs()[0]) == 1) {
                within = n - deposited;
                break;
            }
        }
        vm.assertTrue(within != 0 && within <= LAG + 25);
    }

    /// @dev INB-021, INB-032: who took the key over appends, and keeps others from forcing; the timelock puts in another set,
    ///      and his appends end.
    function test_attack_stolen_sequencer_key_ends_by_timelock() external {
        vm.prank(sequencer);
        set.startHandover(thief);
        vm.prank(thief);
        set.takeOver();
        SoleSequencer next = new SoleSequencer(sequencer);
        bytes memory change = abi.encodeCall(inbox.setSequencerSet, (next));
        vm.prank(governor);
        timelock.schedule(address(inbox), 0, change, 0, 0, TIMELOCK_DELAY);
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        timelock.execute(address(inbox), 0, change, 0, 0);
        _blobs(1);
        vm.prank(thief);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_NotSequencer.selector, thief));
        inbox.appendBatch(0, 1_000);
        _appendAt(1_000);
        vm.assertEq(inbox.batchCount(), 1);
    }

    /// @dev INB-004, INB-005: without blobs in the very transaction there is no sequenced header, whatever went before it.
    function test_attack_append_without_blobhash_reverts() external {
        _appendAt(1_000);
        vm.blobhashes(new bytes32[](0));
        vm.prank(sequencer);
        vm.expectRevert(IInbox.Inbox_NoBlobs.selector);
        inbox.appendBatch(1, 1_000);
    }

    /// @dev INB-006: a sequencer that is a contract appends twice by one transaction: two headers with the same blobs, chained.
    ///      The second names a parent that the first has replaced, and reads as empty.
    function test_attack_same_blobs_twice_are_two_headers() external {
        AppendingContract appender = new AppendingContract();
        vm.prank(sequencer);
        set.startHandover(address(appender));
        vm.prank(address(appender));
        set.takeOver();
        _blobs(2);
        vm.recordLogs();
        appender.twice(inbox, 0, 1_000);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        bytes memory first = abi.decode(logs[0].data, (bytes));
        bytes memory second = abi.decode(logs[1].data, (bytes));
        vm.assertEq(uint8(second[8]), 1);
        second[8] = 0; // the index
        vm.assertEq(first, second);
        vm.assertTrue(logs[0].topics[2] != logs[1].topics[2] && inbox.batchCount() == 2);
    }

    /// @dev INB-011, INB-012: the oldest origin that L1 remembers, by EIP-2935's own code; the one before it; one never written.
    function test_attack_origin_out_of_range_of_history_reverts() external {
        uint64 most = 8_191;
        Inbox far = new Inbox(portal, address(timelock), set, 990, most, SILENCE);
        vm.warp(block.timestamp + SILENCE);
        vm.roll(20_000);
        uint64 oldest = 20_000 - most;
        vm.expectRevert(
            abi.encodeWithSelector(IInbox.Inbox_OriginTooOld.selector, uint64(oldest - 1), uint64(oldest))
        );
        far.forceInclude(oldest - 1);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_UnknownOrigin.selector, oldest));
        far.forceInclude(oldest);
        bytes32 hash = _remember(oldest);
        vm.recordLogs();
        far.forceInclude(oldest);
        vm.assertEq(_word(abi.decode(vm.getRecordedLogs()[0].data, (bytes)), 18), hash);
    }

    /// @dev INB-012: an L1 whose history contract is missing, says nothing or reverts gives no origin that old.
    function test_attack_broken_history_is_no_origin() external {
        vm.warp(block.timestamp + SILENCE);
        vm.roll(1_000 + 257);
        bytes[3] memory codes = [bytes(hex""), hex"00", hex"5f5ffd"];
        for (uint256 i; i < 3; ++i) {
            vm.etch(HISTORY, codes[i]);
            vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_UnknownOrigin.selector, 1_000));
            inbox.forceInclude(1_000);
        }
    }

    /// @dev INB-020..022: a chain without sequencers, spammed: one header for each L1 block at the most, and it goes on.
    function test_attack_spam_of_forced_headers_is_bounded_by_L1() external {
        vm.warp(block.timestamp + SILENCE);
        uint256 tried;
        for (uint64 n = 1_010; n < 1_020; ++n) {
            vm.roll(n);
            for (uint64 back = 3; back > 0; --back) {
                (bool done,) = address(inbox).call(abi.encodeCall(inbox.forceInclude, (n - back)));
                done;
                ++tried;
            }
        }
        vm.assertEq(tried, 30);
        vm.assertEq(inbox.batchCount(), 12); // 1,007 to 1,018
        vm.assertEq(inbox.lastOrigin(), 1_018);
    }

    function _appendAt(uint64 origin) private {
        _blobs(1);
        uint64 next = inbox.sequencedCount();
        vm.prank(sequencer);
        inbox.appendBatch(next, origin);
    }

    function _blobs(uint256 count) private {
        bytes32[] memory hashes = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            hashes[i] = bytes32(uint256(1) << 248 | i);
        }
        vm.blobhashes(hashes);
    }

    /// @dev What the system call of EIP-2935 writes.
    function _remember(uint64 number) private returns (bytes32 hash) {
        hash = keccak256(abi.encode(number));
        vm.store(HISTORY, bytes32(uint256(number % 8_191)), hash);
    }

    function _depositsIn(Vm.Log memory log) private pure returns (uint256) {
        return uint256(_word(abi.decode(log.data, (bytes)), 50)) >> 192;
    }

    function _word(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }
}
