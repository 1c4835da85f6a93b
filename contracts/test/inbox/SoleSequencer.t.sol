// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ISoleSequencer} from "../../src/interfaces/ISoleSequencer.sol";
import {SoleSequencer} from "../../src/inbox/SoleSequencer.sol";
import {vm} from "../utils/Vm.sol";

contract SoleSequencerTest {
    address internal first = address(0xA1);
    SoleSequencer internal set = new SoleSequencer(first);

    function test_constructor_zero_reverts() external {
        vm.expectRevert(ISoleSequencer.SoleSequencer_ZeroSequencer.selector);
        new SoleSequencer(address(0));
    }

    /// @dev INB-030, INB-031.
    function testFuzz_mayAppend_only_the_sequencer(address account) external view {
        vm.assertTrue(set.mayAppend(account) == (account == first));
        vm.assertEq(set.id(), bytes32(uint256(0xA1)));
    }

    function testFuzz_handover_takes_both(address heir) external {
        vm.assume(heir != first && heir != address(0));
        vm.expectRevert(
            abi.encodeWithSelector(ISoleSequencer.SoleSequencer_NotSequencer.selector, address(this))
        );
        set.startHandover(heir);

        vm.prank(first);
        set.startHandover(heir);
        vm.assertTrue(set.mayAppend(first) && !set.mayAppend(heir));
        vm.prank(first);
        vm.expectRevert(abi.encodeWithSelector(ISoleSequencer.SoleSequencer_NotHeir.selector, first));
        set.takeOver();

        vm.prank(heir);
        set.takeOver();
        vm.assertTrue(set.mayAppend(heir) && !set.mayAppend(first));
        vm.assertEq(set.heir(), address(0));
        vm.prank(heir);
        vm.expectRevert(abi.encodeWithSelector(ISoleSequencer.SoleSequencer_NotHeir.selector, heir));
        set.takeOver();
    }

    function test_startHandover_zero_takes_it_back() external {
        vm.prank(first);
        set.startHandover(address(0xB2));
        vm.prank(first);
        set.startHandover(address(0));
        vm.prank(address(0xB2));
        vm.expectRevert(abi.encodeWithSelector(ISoleSequencer.SoleSequencer_NotHeir.selector, address(0xB2)));
        set.takeOver();
    }
}
