// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IFeeVault} from "../../src/interfaces/IFeeVault.sol";
import {FeeVault} from "../../src/predeploys/FeeVault.sol";
import {vm} from "../utils/Vm.sol";

contract Refuser {}

contract Reenterer {
    receive() external payable {
        FeeVault(payable(msg.sender)).withdraw();
    }
}

contract FeeVaultTest {
    address internal recipient = address(0xFEE);
    FeeVault internal vault = new FeeVault(recipient, 1 ether);

    /// @dev FEE-031.
    function testFuzz_withdraw_by_anyone_sends_all_to_the_recipient(
        address caller,
        uint96 first,
        uint96 second
    ) external {
        vm.assume(caller != address(vault));
        uint256 total;
        for (uint256 i; i < 2; ++i) {
            uint256 value = 1 ether + uint256(i == 0 ? first : second);
            total += value;
            vm.deal(address(vault), value);
            vm.expectEmit(address(vault));
            emit IFeeVault.Withdrawal(value, recipient, caller);
            vm.prank(caller);
            vault.withdraw();
            vm.assertEq(address(vault).balance, 0);
            vm.assertEq(recipient.balance, total);
            vm.assertEq(vault.totalProcessed(), total);
        }
    }

    /// @dev FEE-032.
    function testFuzz_withdraw_below_minimum_reverts(uint256 balance) external {
        balance %= 1 ether;
        vm.deal(address(vault), balance);
        vm.expectRevert(abi.encodeWithSelector(IFeeVault.FeeVault_BelowMinimum.selector, balance, 1 ether));
        vault.withdraw();
    }

    function test_withdraw_refused_by_recipient_reverts() external {
        address refuser = address(new Refuser());
        FeeVault other = new FeeVault(refuser, 0);
        vm.deal(address(other), 1);
        vm.expectRevert(abi.encodeWithSelector(IFeeVault.FeeVault_TransferFailed.selector, refuser));
        other.withdraw();
        vm.assertEq(address(other).balance, 1);
    }

    function test_withdraw_reentered_by_recipient_counts_once() external {
        address reenterer = address(new Reenterer());
        FeeVault other = new FeeVault(reenterer, 1);
        vm.deal(address(other), 5);
        vm.expectRevert(abi.encodeWithSelector(IFeeVault.FeeVault_TransferFailed.selector, reenterer));
        other.withdraw();
        vm.assertEq(other.totalProcessed(), 0);
    }

    function test_receive_takes_ether_from_anyone() external {
        vm.deal(address(this), 3);
        (bool sent,) = address(vault).call{value: 3}("");
        vm.assertTrue(sent);
        vm.assertEq(address(vault).balance, 3);
    }

    /// @dev FEE-030.
    function test_getters_tell_what_genesis_fixed() external view {
        vm.assertEq(vault.RECIPIENT(), recipient);
        vm.assertEq(vault.MIN_WITHDRAWAL_AMOUNT(), 1 ether);
        vm.assertEq(uint256(vault.WITHDRAWAL_NETWORK()), 1);
    }

    function test_constructor_zero_recipient_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IFeeVault.FeeVault_ZeroRecipient.selector));
        new FeeVault(address(0), 0);
    }

    function test_withdraw_gas() external {
        vm.deal(address(vault), 1 ether);
        vault.withdraw();
        vm.snapshotGasLastCall("FeeVault", "withdraw");
    }
}
