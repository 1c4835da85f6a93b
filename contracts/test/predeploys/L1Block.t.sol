// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IL1Block} from "../../src/interfaces/IL1Block.sol";
import {L1Block} from "../../src/predeploys/L1Block.sol";
import {vm} from "../utils/Vm.sol";

/// @dev Attributes in the order of the packed calldata.
struct Attributes {
    uint32 baseFeeScalar;
    uint32 blobBaseFeeScalar;
    uint64 sequenceNumber;
    uint64 timestamp;
    uint64 number;
    uint256 basefee;
    uint256 blobBaseFee;
    bytes32 hash;
    bytes32 batcherHash;
}

function pack(Attributes memory a) pure returns (bytes memory) {
    return bytes.concat(
        abi.encodePacked(
            bytes4(0x440a5e20), a.baseFeeScalar, a.blobBaseFeeScalar, a.sequenceNumber, a.timestamp, a.number
        ),
        abi.encodePacked(a.basefee, a.blobBaseFee, a.hash, a.batcherHash)
    );
}

contract L1BlockTest {
    L1Block internal l1Block = new L1Block();
    address internal depositor = 0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001;

    function test_selector_is_the_one_clients_decode() external pure {
        vm.assertEq(bytes32(IL1Block.setL1BlockValuesEcotone.selector), bytes32(bytes4(0x440a5e20)));
    }

    /// @dev FEE-020.
    function testFuzz_setL1BlockValuesEcotone_depositor_sets_every_value(Attributes calldata a) external {
        vm.prank(depositor);
        (bool done,) = address(l1Block).call(pack(a));
        vm.assertTrue(done);
        vm.assertEq(l1Block.number(), a.number);
        vm.assertEq(l1Block.timestamp(), a.timestamp);
        vm.assertEq(l1Block.basefee(), a.basefee);
        vm.assertEq(l1Block.hash(), a.hash);
        vm.assertEq(l1Block.sequenceNumber(), a.sequenceNumber);
        vm.assertEq(l1Block.baseFeeScalar(), a.baseFeeScalar);
        vm.assertEq(l1Block.blobBaseFeeScalar(), a.blobBaseFeeScalar);
        vm.assertEq(l1Block.batcherHash(), a.batcherHash);
        vm.assertEq(l1Block.blobBaseFee(), a.blobBaseFee);
        vm.assertEq(l1Block.l1FeeOverhead(), 0);
        vm.assertEq(l1Block.l1FeeScalar(), 0);
    }

    /// @dev FEE-022: readers of storage find the OP Stack's slots.
    function testFuzz_setL1BlockValuesEcotone_keeps_the_known_storage_layout(Attributes calldata a) external {
        vm.prank(depositor);
        (bool done,) = address(l1Block).call(pack(a));
        vm.assertTrue(done);
        vm.assertEq(_slot(0), uint256(a.timestamp) << 64 | a.number);
        vm.assertEq(_slot(1), a.basefee);
        vm.assertEq(bytes32(_slot(2)), a.hash);
        vm.assertEq(
            _slot(3), uint256(a.baseFeeScalar) << 96 | uint256(a.blobBaseFeeScalar) << 64 | a.sequenceNumber
        );
        vm.assertEq(bytes32(_slot(4)), a.batcherHash);
        vm.assertEq(_slot(7), a.blobBaseFee);
    }

    /// @dev FEE-021.
    function testFuzz_setL1BlockValuesEcotone_anyone_else_reverts(address caller, Attributes calldata a)
        external
    {
        vm.assume(caller != depositor);
        vm.prank(caller);
        (bool done, bytes memory data) = address(l1Block).call(pack(a));
        vm.assertFalse(done);
        vm.assertEq(
            keccak256(data), keccak256(abi.encodeWithSelector(IL1Block.L1Block_NotDepositor.selector, caller))
        );
    }

    function testFuzz_setL1BlockValuesEcotone_wrong_length_reverts(bytes calldata rest) external {
        vm.assume(rest.length != 160);
        vm.prank(depositor);
        (bool done, bytes memory data) = address(l1Block).call(bytes.concat(bytes4(0x440a5e20), rest));
        vm.assertFalse(done);
        vm.assertEq(
            keccak256(data),
            keccak256(abi.encodeWithSelector(IL1Block.L1Block_BadLength.selector, rest.length + 4))
        );
    }

    function test_setL1BlockValuesEcotone_gas() external {
        Attributes memory a =
            Attributes(1368, 810_949, 0, 1_767_225_600, 24_000_000, 1e9, 1, keccak256("h"), 0);
        vm.prank(depositor);
        (bool done,) = address(l1Block).call(pack(a));
        vm.snapshotGasLastCall("L1Block", "setL1BlockValuesEcotone first");
        a.timestamp += 12;
        a.number += 1;
        a.hash = keccak256("i");
        vm.prank(depositor);
        (bool again,) = address(l1Block).call(pack(a));
        vm.snapshotGasLastCall("L1Block", "setL1BlockValuesEcotone next");
        vm.assertTrue(done && again);
    }

    function _slot(uint256 slot) private view returns (uint256) {
        return uint256(vm.load(address(l1Block), bytes32(slot)));
    }
}
