// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Deployer} from "../../src/deploy/Deployer.sol";
import {SoleSequencer} from "../../src/inbox/SoleSequencer.sol";
import {IDeployer} from "../../src/interfaces/IDeployer.sol";
import {ISoleSequencer} from "../../src/interfaces/ISoleSequencer.sol";
import {vm} from "../utils/Vm.sol";

contract DeployerTest {
    Deployer internal deployer = new Deployer(address(this));

    /// @dev PTL-082: addresses are known beforehand, whatever is created.
    function test_create_comes_to_the_address_foretold() external {
        for (uint64 place = 1; place < 12; ++place) {
            address foretold = deployer.addressOf(place);
            vm.assertEq(foretold, vm.computeCreateAddress(address(deployer), place));
            vm.assertEq(deployer.create(place, _code(address(uint160(place)))), foretold);
            vm.assertTrue(SoleSequencer(foretold).mayAppend(address(uint160(place))));
        }
        vm.assertEq(deployer.next(), 12);
    }

    /// @dev PTL-081.
    function testFuzz_create_by_anyone_else_reverts(address caller) external {
        vm.assume(caller != address(this));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IDeployer.Deployer_NotOperator.selector, caller));
        deployer.create(1, _code(address(1)));
    }

    /// @dev PTL-081: sent twice, or out of order, creates nothing.
    function test_create_out_of_order_reverts() external {
        deployer.create(1, _code(address(1)));
        uint64[3] memory places = [uint64(0), 1, 3];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDeployer.Deployer_WrongPlace.selector, places[i], 2));
            deployer.create(places[i], _code(address(1)));
        }
    }

    /// @dev What fails says why, and its place stays free.
    function test_create_failing_constructor_passes_the_reason_on() external {
        vm.expectRevert(ISoleSequencer.SoleSequencer_ZeroSequencer.selector);
        deployer.create(1, _code(address(0)));
        vm.expectRevert(abi.encodeWithSelector(IDeployer.Deployer_Failed.selector, 1));
        deployer.create(1, hex"fe");
        vm.assertEq(deployer.next(), 1);
        vm.assertEq(deployer.create(1, _code(address(1))), deployer.addressOf(1));
    }

    function _code(address sequencer) private pure returns (bytes memory) {
        return abi.encodePacked(type(SoleSequencer).creationCode, abi.encode(sequencer));
    }
}
