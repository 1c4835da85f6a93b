// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IDepositMeter} from "../../src/interfaces/IDepositMeter.sol";
import {IPortal} from "../../src/interfaces/IPortal.sol";
import {DepositQueue} from "../../src/portal/DepositQueue.sol";
import {L1Alias} from "../../src/portal/L1Alias.sol";
import {Portal} from "../../src/portal/Portal.sol";
import {L1System} from "../utils/L1System.sol";
import {Vm, vm} from "../utils/Vm.sol";

/// @dev The queue itself, without a portal around it.
contract OpenDepositQueue is DepositQueue {
    function enqueue(address from, address to, bytes calldata opaqueData) external {
        _enqueue(from, to, 0, opaqueData);
    }
}

/// @dev A contract of L1 that deposits.
contract Depositor {
    function deposit(Portal portal) external payable {
        portal.depositTransaction{value: msg.value}(address(1), 0, 21_000, false, "");
    }
}

contract DepositsTest is L1System {
    struct DepositCase {
        uint256 l1BlockNumber;
        bytes32 l1BlockHash;
        uint256 logIndex;
        address from;
        address to;
        uint256 mint;
        uint256 value;
        uint256 gasLimit;
        bool isCreation;
        bytes data;
        bytes opaqueData;
        bytes record;
        uint256 count;
        bytes32 accumulator;
        bytes32 sourceHash;
        bytes transaction;
        bytes32 transactionHash;
    }

    struct AliasCase {
        address l1;
        address l2;
    }

    address internal alice = address(0xA11CE);

    function setUp() external {
        _deployL1();
        vm.deal(alice, 1e30);
        vm.fee(1 gwei);
    }

    /// @dev PTL-001..003, PTL-010, PTL-012: records, accumulators, source hashes of the golden cases.
    function test_enqueue_golden_deposits_agree() external {
        OpenDepositQueue queue = new OpenDepositQueue();
        DepositCase[] memory cases = _cases();
        for (uint256 i; i < cases.length; ++i) {
            DepositCase memory c = cases[i];
            vm.roll(c.l1BlockNumber);
            queue.enqueue(c.from, c.to, c.opaqueData);
            vm.assertEq(queue.depositAccumulator(), c.accumulator);
            vm.assertEq(queue.depositCount(), c.count);
            vm.assertEq(
                abi.encodePacked(c.mint, c.value, uint64(c.gasLimit), c.isCreation, c.data), c.opaqueData
            );
            bytes32 inner = keccak256(abi.encode(c.l1BlockHash, c.logIndex));
            vm.assertEq(keccak256(abi.encode(bytes32(0), inner)), c.sourceHash);
        }
        for (uint256 i; i < cases.length; ++i) {
            if (i + 1 < cases.length && cases[i + 1].l1BlockNumber == cases[i].l1BlockNumber) continue;
            (uint64 count, bytes32 accumulator) = queue.depositsAt(uint64(cases[i].l1BlockNumber));
            vm.assertEq(count, cases[i].count);
            vm.assertEq(accumulator, cases[i].accumulator);
        }
    }

    /// @dev PTL-010, PTL-014: what the portal emits is what the golden cases say.
    function test_depositTransaction_golden_deposits_agree() external {
        DepositCase[] memory cases = _cases();
        uint256 met;
        for (uint256 i; i < cases.length; ++i) {
            DepositCase memory c = cases[i];
            if (c.gasLimit > 1 << 24 || c.gasLimit < portal.minimumGasLimit(uint64(c.data.length))) continue;
            vm.roll(1_001 + i);
            vm.deal(c.from, c.mint);
            vm.recordLogs();
            vm.prank(c.from, c.from);
            portal.depositTransaction{value: c.mint}(c.to, c.value, uint64(c.gasLimit), c.isCreation, c.data);
            Vm.Log memory log = vm.getRecordedLogs()[0];
            vm.assertEq(log.topics[0], IPortal.TransactionDeposited.selector);
            vm.assertEq(log.topics[0], keccak256("TransactionDeposited(address,address,uint256,bytes)"));
            vm.assertEq(log.topics[1], bytes32(uint256(uint160(c.from))));
            vm.assertEq(log.topics[2], bytes32(uint256(uint160(c.to))));
            vm.assertEq(uint256(log.topics[3]), 0);
            vm.assertEq(abi.decode(log.data, (bytes)), c.opaqueData);
            ++met;
        }
        vm.assertGe(met, 5);
    }

    /// @dev PTL-011.
    function test_aliases_golden_cases_agree() external view {
        bytes memory encoded = vm.parseJsonTypeArray(
            vm.readFile("vectors/deposits.json"), ".aliases", "AliasCase(address l1,address l2)"
        );
        AliasCase[] memory cases = abi.decode(encoded, (AliasCase[]));
        for (uint256 i; i < cases.length; ++i) {
            vm.assertEq(L1Alias.apply_(cases[i].l1), cases[i].l2);
            vm.assertEq(L1Alias.undo(cases[i].l2), cases[i].l1);
        }
        vm.assertGe(cases.length, 4);
    }

    /// @dev PTL-011: contracts are aliased, also one whose constructor deposits; keys are not, delegated or not.
    function test_depositTransaction_sender_is_aliased_unless_it_has_a_key() external {
        Depositor contract_ = new Depositor();
        vm.assertEq(_senderOf(address(contract_), alice), L1Alias.apply_(address(contract_)));
        vm.assertEq(_senderOf(alice, alice), alice);
        vm.etch(alice, bytes.concat(hex"ef0100", bytes20(address(contract_))));
        vm.assertEq(_senderOf(alice, address(0xB0B)), alice);
        vm.etch(alice, bytes.concat(hex"600100", bytes20(address(contract_))));
        vm.assertEq(_senderOf(alice, address(0xB0B)), L1Alias.apply_(alice));
    }

    /// @dev PTL-004, PTL-010: ether alone is a deposit to oneself; from a contract, to its alias' balance.
    function test_receive_deposits_to_the_sender() external {
        vm.recordLogs();
        vm.prank(alice, alice);
        (bool sent,) = address(portal).call{value: 3 ether}("");
        vm.assertTrue(sent);
        Vm.Log memory log = vm.getRecordedLogs()[0];
        vm.assertEq(log.topics[2], bytes32(uint256(uint160(alice))));
        bytes memory opaqueData = abi.encodePacked(uint256(3 ether), uint256(3 ether), uint64(100_000), false);
        vm.assertEq(abi.decode(log.data, (bytes)), opaqueData);
        vm.assertEq(address(portal).balance, 3 ether);
    }

    function test_donateETH_is_no_deposit() external {
        vm.prank(alice);
        portal.donateETH{value: 1 ether}();
        vm.assertEq(portal.depositCount(), 0);
    }

    /// @dev PTL-014.
    function test_depositTransaction_creation_to_someone_reverts() external {
        vm.expectRevert(IPortal.OptimismPortal_BadTarget.selector);
        portal.depositTransaction(address(1), 0, 100_000, true, "");
    }

    /// @dev PTL-013.
    function testFuzz_depositTransaction_too_little_gas_reverts(uint8 length) external {
        uint64 least = portal.minimumGasLimit(length);
        vm.assertEq(least, 21_000 + 40 * uint256(length));
        bytes memory data = new bytes(length);
        vm.expectRevert(IPortal.OptimismPortal_GasLimitTooLow.selector);
        portal.depositTransaction(address(1), 0, least - 1, false, data);
        portal.depositTransaction(address(1), 0, least, false, data);
    }

    /// @dev PTL-013.
    function test_depositTransaction_too_much_calldata_reverts() external {
        portal.depositTransaction(address(1), 0, 1 << 24, false, new bytes(120_000));
        vm.expectRevert(IPortal.OptimismPortal_CalldataTooLarge.selector);
        portal.depositTransaction(address(1), 0, 1 << 24, false, new bytes(120_001));
    }

    /// @dev PTL-021, PTL-022: 2^24 gas each, 2^25 a block, and the next block sells again.
    function test_depositTransaction_gas_is_capped_each_and_each_block() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IDepositMeter.OptimismPortal_GasLimitTooHigh.selector, (1 << 24) + 1, 1 << 24
            )
        );
        portal.depositTransaction(address(1), 0, (1 << 24) + 1, false, "");
        portal.depositTransaction(address(1), 0, 1 << 24, false, "");
        portal.depositTransaction(address(1), 0, (1 << 24) - 21_000, false, "");
        vm.expectRevert(
            abi.encodeWithSelector(IDepositMeter.OptimismPortal_DepositGasSoldOut.selector, 21_001, 21_000)
        );
        portal.depositTransaction(address(1), 0, 21_001, false, "");
        portal.depositTransaction(address(1), 0, 21_000, false, "");
        vm.roll(1_002);
        portal.depositTransaction(address(1), 0, 21_001, false, "");
        (, uint64 bought, uint64 number) = portal.params();
        vm.assertEq(bought, 21_001);
        vm.assertEq(number, 1_002);
    }

    /// @dev PTL-023: 8 times the target raises the price by 7/8; below it falls, an eighth a block, to the floor.
    function test_depositBaseFee_follows_demand() external {
        uint256 price = 0.01 gwei;
        for (uint256 i; i < 10; ++i) {
            portal.depositTransaction(address(1), 0, 1 << 24, false, "");
            portal.depositTransaction(address(1), 0, 1 << 24, false, "");
            vm.roll(1_002 + i);
            price += price * 7 / 8;
            vm.assertEq(portal.depositBaseFee(), price);
            vm.fee(1_000 gwei); // the price is paid in gas: keep it payable
        }
        portal.depositTransaction(address(1), 0, 1 << 22, false, ""); // the target: no change, then two empty blocks
        vm.roll(1_014);
        uint256 twice = price * 765_625_000_000_000_000 / 1e18;
        vm.assertEq(portal.depositBaseFee(), twice);
        vm.roll(1_000_000);
        vm.assertEq(portal.depositBaseFee(), 0.01 gwei);
        vm.roll(type(uint64).max);
        vm.assertEq(portal.depositBaseFee(), 0.01 gwei);
    }

    /// @dev PTL-020, PTL-024: the price is burned as gas, at L1's base fee but no less than 1 gwei.
    function test_depositTransaction_burns_the_price() external {
        _burned(21_000, 1 gwei); // the first one writes new storage
        uint256 cheap = _burned(21_000, 1 gwei);
        uint256 dear = _burned(1 << 24, 1 gwei);
        vm.assertLe(cheap, 60_000);
        uint256 price = uint256(1 << 24) / 100; // 0.01 gwei at 1 gwei
        vm.assertGe(dear, price);
        vm.assertLe(dear, price + 30_000);
        vm.roll(1_002);
        uint256 base = portal.depositBaseFee();
        vm.assertGe(_burned(1 << 24, 0.001 gwei), (1 << 24) * base / 1 gwei);
        vm.roll(2_000);
        vm.assertLe(_burned(1 << 24, 100 gwei), 60_000);
    }

    /// @dev PTL-003: any block, before, between and after those with deposits, near or far back.
    function testFuzz_depositsAt_every_block(uint8[40] calldata gaps, uint8[8] calldata asked) external {
        uint64[41] memory blocks;
        bytes32[41] memory accumulators;
        blocks[0] = 1_000;
        for (uint256 i; i < 40; ++i) {
            blocks[i + 1] = blocks[i] + 1 + gaps[i] % 5;
            vm.roll(blocks[i + 1]);
            portal.depositTransaction(address(uint160(i)), 0, 21_000, false, "");
            accumulators[i + 1] = portal.depositAccumulator();
        }
        vm.roll(blocks[40] + 10);
        for (uint256 i; i < 8; ++i) {
            uint64 l1Block = 995 + asked[i];
            uint256 last;
            while (last < 40 && blocks[last + 1] <= l1Block) ++last;
            (uint64 count, bytes32 accumulator) = portal.depositsAt(l1Block);
            vm.assertEq(count, last);
            vm.assertEq(accumulator, accumulators[last]);
        }
    }

    /// @dev PTL-002: any deposits, recomputed from their events alone.
    function testFuzz_accumulator_is_recomputed_from_events(bytes[5] calldata data, uint64[5] calldata values)
        external
    {
        vm.recordLogs();
        for (uint256 i; i < 5; ++i) {
            vm.roll(1_001 + i / 2);
            vm.prank(alice, alice);
            portal.depositTransaction{value: values[i]}(
                address(0xB0B), values[i] / 2, 5_000_000, false, data[i]
            );
        }
        Vm.Log[] memory logs = vm.getRecordedLogs();
        bytes32 accumulator;
        for (uint256 i; i < 5; ++i) {
            bytes memory record = abi.encodePacked(
                uint64(1_001 + i / 2), alice, address(0xB0B), uint256(0), abi.decode(logs[i].data, (bytes))
            );
            accumulator = keccak256(abi.encodePacked(accumulator, keccak256(record)));
        }
        vm.assertEq(portal.depositAccumulator(), accumulator);
        vm.assertEq(portal.depositCount(), 5);
    }

    function test_gas() external {
        vm.prank(alice, alice);
        portal.depositTransaction{value: 1 ether}(alice, 1 ether, 100_000, false, "");
        vm.snapshotGasLastCall("Portal", "depositTransaction first ever");
        vm.prank(alice, alice);
        portal.depositTransaction{value: 1 ether}(alice, 1 ether, 100_000, false, "");
        vm.snapshotGasLastCall("Portal", "depositTransaction same L1 block");
        vm.roll(1_002);
        vm.prank(alice, alice);
        portal.depositTransaction{value: 1 ether}(alice, 1 ether, 100_000, false, new bytes(1_000));
        vm.snapshotGasLastCall("Portal", "depositTransaction next L1 block, 1000 bytes");
    }

    function _burned(uint64 gasLimit, uint256 l1Fee) private returns (uint256 gas) {
        vm.fee(l1Fee);
        gas = gasleft();
        portal.depositTransaction(address(1), 0, gasLimit, false, "");
        gas -= gasleft();
        vm.fee(1 gwei);
    }

    function _senderOf(address caller, address origin) private returns (address) {
        vm.recordLogs();
        vm.prank(caller, origin);
        portal.depositTransaction(address(1), 0, 21_000, false, "");
        return address(uint160(uint256(vm.getRecordedLogs()[0].topics[1])));
    }

    function _cases() private view returns (DepositCase[] memory) {
        string memory description = string.concat(
            "DepositCase(uint256 l1BlockNumber,bytes32 l1BlockHash,uint256 logIndex,address from,address to,uint256 mint,",
            "uint256 value,uint256 gasLimit,bool isCreation,bytes data,bytes opaqueData,bytes record,uint256 count,",
            "bytes32 accumulator,bytes32 sourceHash,bytes transaction,bytes32 transactionHash)"
        );
        bytes memory encoded =
            vm.parseJsonTypeArray(vm.readFile("vectors/deposits.json"), ".deposits", description);
        return abi.decode(encoded, (DepositCase[]));
    }
}
