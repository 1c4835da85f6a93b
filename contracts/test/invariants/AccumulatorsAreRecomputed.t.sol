// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {L1Alias} from "../../src/portal/L1Alias.sol";
import {L1System} from "../utils/L1System.sol";
import {Vm, vm} from "../utils/Vm.sol";

/// @dev Deposits and appends in any order, knows beforehand what must be refused, and writes down what a header must say.
contract ChainHandler is L1System {
    struct Deposited {
        uint64 l1Block;
        bytes record;
    }

    struct Appended {
        bool forced;
        uint64 origin;
        bytes32 originHash;
        bytes32[] blobs;
        bytes header;
    }

    Deposited[] internal _deposits;
    Appended[] internal _batches;
    uint64 internal _sequenced;
    uint64 internal _lastOrigin = 990;
    uint256 internal _silentFrom;
    uint256 public forcedCount;
    uint256 public refused;

    constructor() {
        _deployL1();
        vm.fee(1 gwei);
        _silentFrom = block.timestamp + SILENCE;
    }

    function deposit(address to, uint64 value, uint8 length, bytes32 seed) external {
        bytes memory data = abi.encodePacked(seed, new bytes(length));
        uint64 gas = 100_000;
        vm.deal(address(this), value);
        portal.depositTransaction{value: value}(to, value / 2, gas, false, data);
        address from = L1Alias.apply_(address(this));
        bytes memory opaque =
            abi.encodePacked(uint256(value), uint256(value / 2), gas, bytes1(0), seed, new bytes(length));
        _deposits.push(
            Deposited(
                uint64(block.number),
                bytes.concat(bytes8(uint64(block.number)), bytes20(from), bytes20(to), bytes32(0), opaque)
            )
        );
    }

    function mine(uint8 blocks) external {
        vm.roll(block.number + 1 + blocks % 5);
        vm.warp(block.timestamp + 12);
    }

    function append(uint8 lag, uint8 blobs, uint8 late, bool stranger) external {
        bytes32[] memory hashes = new bytes32[](blobs % 10);
        for (uint256 i; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(i, block.number));
        }
        uint64 origin = uint64(block.number - 1 - lag % 10);
        uint64 sequence = late % 4 == 0 ? _sequenced + late % 3 : _sequenced;
        vm.blobhashes(hashes);
        vm.recordLogs();
        vm.prank(stranger ? address(0xBAD) : sequencer);
        try inbox.appendBatch(sequence, origin) {
            vm.assertTrue(hashes.length != 0 && sequence == _sequenced && origin >= _lastOrigin && !stranger);
            _silentFrom = block.timestamp + SILENCE;
            ++_sequenced;
            _keep(false, origin, hashes);
        } catch {
            vm.assertTrue(hashes.length == 0 || sequence != _sequenced || origin < _lastOrigin || stranger);
            ++refused;
        }
    }

    function force(uint8 lag, bool silent, address caller) external {
        if (silent && block.timestamp < _silentFrom) vm.warp(_silentFrom);
        uint64 origin = uint64(block.number - 1 - lag % 10);
        vm.recordLogs();
        vm.prank(caller);
        try inbox.forceInclude(origin) {
            vm.assertTrue(block.timestamp >= _silentFrom && origin > _lastOrigin);
            ++forcedCount;
            _keep(true, origin, new bytes32[](0));
        } catch {
            vm.assertTrue(block.timestamp < _silentFrom || origin <= _lastOrigin);
            ++refused;
        }
    }

    /// @dev Deposits and headers hashed again from what was asked for; each header's deposits counted again.
    function check() external view {
        (uint256 count, bytes32 queue) = _depositsTo(type(uint64).max);
        vm.assertEq(portal.depositAccumulator(), queue);
        vm.assertEq(portal.depositCount(), count);
        bytes32 accumulator;
        for (uint256 i; i < _batches.length; ++i) {
            bytes memory header = _headerOf(i);
            vm.assertEq(_batches[i].header, header);
            accumulator = _chained(accumulator, header);
            vm.assertEq(inbox.accumulatorAt(uint64(i + 1)), accumulator);
        }
        vm.assertEq(inbox.accumulator(), accumulator);
        vm.assertEq(inbox.batchCount(), _batches.length);
        vm.assertEq(inbox.sequencedCount(), _sequenced);
        vm.assertEq(inbox.lastOrigin(), _lastOrigin);
    }

    function batchCount() external view returns (uint256) {
        return _batches.length;
    }

    function depositCount() external view returns (uint256) {
        return _deposits.length;
    }

    function _keep(bool forced, uint64 origin, bytes32[] memory hashes) private {
        _lastOrigin = origin;
        bytes memory header = abi.decode(vm.getRecordedLogs()[0].data, (bytes));
        _batches.push(Appended(forced, origin, blockhash(origin), hashes, header));
    }

    /// @dev INB-001, field by field.
    function _headerOf(uint256 index) private view returns (bytes memory header) {
        Appended storage batch = _batches[index];
        (uint256 count, bytes32 queue) = _depositsTo(batch.origin);
        header = bytes.concat(bytes1(0), bytes8(uint64(index)), bytes1(batch.forced ? 0 : 1));
        header = bytes.concat(header, bytes8(batch.origin), batch.originHash, bytes8(uint64(count)), queue);
        header = bytes.concat(header, bytes32(uint256(batch.forced ? 0 : uint160(sequencer))));
        header = bytes.concat(header, bytes1(uint8(batch.blobs.length)));
        for (uint256 i; i < batch.blobs.length; ++i) {
            header = bytes.concat(header, batch.blobs[i]);
        }
    }

    /// @dev PTL-001..003: walks all deposits, where the contract keeps checkpoints.
    function _depositsTo(uint64 l1Block) private view returns (uint256 count, bytes32 queue) {
        while (count < _deposits.length && _deposits[count].l1Block <= l1Block) {
            queue = _chained(queue, _deposits[count].record);
            ++count;
        }
    }

    function _chained(bytes32 accumulator, bytes memory item) private pure returns (bytes32) {
        return keccak256(bytes.concat(accumulator, keccak256(item)));
    }
}

/// @dev INB-001, INB-002, INB-004..006, INB-010, INB-013, INB-020..023, PTL-001..003: whatever is called in whatever order.
contract AccumulatorsAreRecomputedTest {
    ChainHandler internal handler;

    function setUp() external {
        handler = new ChainHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// forge-config: default.invariant.runs = 8
    /// forge-config: default.invariant.depth = 60
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_accumulators_are_what_was_asked_for_hashes_to() external view {
        handler.check();
    }

    /// @dev The handler reaches what it is to reach; else the invariant would hold of nothing.
    function test_handler_reaches_every_part() external {
        handler.deposit(address(1), 7, 9, "seed");
        handler.mine(3);
        handler.append(0, 2, 1, false);
        handler.append(0, 2, 4, false); // not its turn
        handler.append(0, 0, 1, false);
        handler.append(9, 1, 1, false);
        handler.append(0, 1, 1, true);
        handler.force(0, false, address(5));
        handler.deposit(address(2), 8, 0, "more");
        handler.mine(0);
        handler.force(0, true, address(5));
        handler.force(0, true, address(5));
        vm.assertEq(handler.batchCount(), 2);
        vm.assertEq(handler.forcedCount(), 1);
        vm.assertEq(handler.refused(), 6);
        vm.assertEq(handler.depositCount(), 2);
        handler.check();
    }
}
