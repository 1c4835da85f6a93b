// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IMessagePasser} from "../../src/interfaces/IMessagePasser.sol";
import {WithdrawalTransaction, Withdrawals} from "../../src/portal/Withdrawals.sol";
import {L2ToL1MessagePasser} from "../../src/predeploys/L2ToL1MessagePasser.sol";
import {vm} from "../utils/Vm.sol";

contract L2ToL1MessagePasserTest {
    address internal portal = address(0x9081A1);
    L2ToL1MessagePasser internal passer = new L2ToL1MessagePasser(portal);

    /// @dev BRG-010, BRG-011: the slot that proofs are made by, and the event that clients read.
    function testFuzz_initiateWithdrawal_records_the_hash(
        address sender,
        address target,
        uint128 value,
        uint24 gas,
        bytes calldata data
    ) external {
        vm.assume(gas <= passer.MAX_GAS_LIMIT() && target != portal);
        uint256 nonce = uint256(1) << 240;
        bytes32 hash = Withdrawals.hash(WithdrawalTransaction(nonce, sender, target, value, gas, data));
        vm.deal(sender, value);
        vm.expectEmit(address(passer));
        emit IMessagePasser.MessagePassed(nonce, sender, target, value, gas, data, hash);
        vm.prank(sender);
        passer.initiateWithdrawal{value: value}(target, gas, data);
        vm.assertTrue(passer.sentMessages(hash));
        vm.assertEq(vm.load(address(passer), keccak256(abi.encode(hash, uint256(0)))), bytes32(uint256(1)));
        vm.assertEq(passer.messageNonce(), nonce + 1);
    }

    /// @dev BRG-013: what no transaction of L1 could carry out would be lost.
    function test_initiateWithdrawal_beyond_what_L1_can_carry_out_reverts() external {
        passer.initiateWithdrawal(address(1), 14_000_000, new bytes(100_000));
        vm.expectRevert(
            abi.encodeWithSelector(
                IMessagePasser.MessagePasser_GasLimitTooHigh.selector, 14_000_001, 14_000_000
            )
        );
        passer.initiateWithdrawal(address(1), 14_000_001, "");
        vm.expectRevert(
            abi.encodeWithSelector(IMessagePasser.MessagePasser_DataTooLarge.selector, 100_001, 100_000)
        );
        passer.initiateWithdrawal(address(1), 0, new bytes(100_001));
    }

    /// @dev BRG-013: the portal would never carry it out.
    function test_initiateWithdrawal_to_the_portal_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IMessagePasser.MessagePasser_BadTarget.selector, portal));
        passer.initiateWithdrawal{value: 1}(portal, 100_000, "");
    }

    /// @dev BRG-011.
    function test_receive_withdraws_to_oneself() external {
        vm.deal(address(0xA11CE), 1 ether);
        vm.prank(address(0xA11CE));
        (bool sent,) = address(passer).call{value: 1 ether}("");
        bytes32 hash = Withdrawals.hash(
            WithdrawalTransaction(uint256(1) << 240, address(0xA11CE), address(0xA11CE), 1 ether, 100_000, "")
        );
        vm.assertTrue(sent && passer.sentMessages(hash));
    }

    /// @dev BRG-012.
    function test_burn_takes_all_ether_away() external {
        vm.deal(address(passer), 3 ether);
        vm.expectEmit(address(passer));
        emit IMessagePasser.WithdrawerBalanceBurnt(3 ether);
        passer.burn();
        vm.assertEq(address(passer).balance, 0);
    }

    function test_gas() external {
        passer.initiateWithdrawal(address(1), 100_000, "");
        vm.snapshotGasLastCall("L2ToL1MessagePasser", "initiateWithdrawal first");
        passer.initiateWithdrawal(address(1), 100_000, new bytes(100));
        vm.snapshotGasLastCall("L2ToL1MessagePasser", "initiateWithdrawal next");
    }
}
