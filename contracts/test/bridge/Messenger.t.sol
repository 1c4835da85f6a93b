// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {CrossDomainMessenger} from "../../src/bridge/CrossDomainMessenger.sol";
import {ICrossDomainMessenger} from "../../src/interfaces/ICrossDomainMessenger.sol";
import {L1Alias} from "../../src/portal/L1Alias.sol";
import {WithdrawalTransaction} from "../../src/portal/Withdrawals.sol";
import {TwoLayers} from "../utils/TwoLayers.sol";
import {vm} from "../utils/Vm.sol";

/// @dev Hears messages, or refuses to, or tries things while it hears one.
contract Hearer {
    bool public refuses;
    address public sender;
    uint256 public heard;
    uint256 public gasSeen;
    bytes internal inner;
    bool public innerDone;

    function refuse(bool yes) external {
        refuses = yes;
    }

    function prepare(bytes calldata call) external {
        inner = call;
    }

    function hear(uint256 number) external payable {
        gasSeen = gasleft();
        require(!refuses);
        sender = ICrossDomainMessenger(msg.sender).xDomainMessageSender();
        heard += number;
        if (inner.length != 0) (innerDone,) = msg.sender.call(inner);
    }
}

contract MessengerTest is TwoLayers {
    address internal alice = address(0xA11CE);
    Hearer internal hearer = new Hearer();

    function setUp() external {
        _deployBoth();
        vm.deal(alice, 100 ether);
    }

    /// @dev BRG-001, BRG-002: with its value, its sender, once.
    function test_message_to_L2_is_delivered() external {
        _tell(l1Messenger, 5, 1 ether);
        vm.assertEq(_toL2(), 1);
        vm.assertTrue(hearer.heard() == 5 && hearer.sender() == alice && address(hearer).balance == 1 ether);
        vm.assertEq(address(portal).balance, 1 ether);
        bytes32 hash = _hash(0, 1 ether, 5);
        vm.assertTrue(l2Messenger.successfulMessages(hash) && !l2Messenger.failedMessages(hash));
        vm.assertEq(l1Messenger.messageNonce(), uint256(1) << 240 | 1);
    }

    function test_message_to_L1_is_delivered() external {
        vm.deal(address(portal), 1 ether);
        _tell(l2Messenger, 5, 1 ether);
        _toL1();
        vm.assertTrue(hearer.heard() == 5 && hearer.sender() == alice && address(hearer).balance == 1 ether);
        vm.assertTrue(l1Messenger.successfulMessages(_hash(0, 1 ether, 5)));
        vm.assertEq(address(portal).balance, 0);
        passer.burn();
        vm.assertEq(address(passer).balance, 0);
    }

    /// @dev BRG-004: a refused message keeps its ether, anyone relays it again, it is delivered once. Both ways.
    function test_failed_message_is_relayed_again_until_delivered() external {
        vm.deal(address(portal), 1 ether);
        CrossDomainMessenger[2] memory from = [CrossDomainMessenger(l1Messenger), l2Messenger];
        CrossDomainMessenger[2] memory to = [CrossDomainMessenger(l2Messenger), l1Messenger];
        for (uint256 i; i < 2; ++i) {
            hearer.refuse(true);
            _tell(from[i], 7, 1 ether);
            if (i == 0) _toL2();
            else _toL1();
            bytes32 hash = _hash(0, 1 ether, 7);
            vm.assertTrue(to[i].failedMessages(hash) && !to[i].successfulMessages(hash));
            vm.assertEq(address(to[i]).balance, 1 ether);
            _replay(to[i], 1 ether, 7);
            vm.assertFalse(to[i].successfulMessages(hash));
            hearer.refuse(false);
            uint256 before = address(hearer).balance;
            _replay(to[i], 1 ether, 7);
            vm.assertTrue(to[i].successfulMessages(hash));
            vm.assertEq(address(hearer).balance, before + 1 ether);
            vm.expectRevert(
                abi.encodeWithSelector(
                    ICrossDomainMessenger.CrossDomainMessenger_AlreadyRelayed.selector, hash
                )
            );
            _replay(to[i], 1 ether, 7);
        }
        vm.assertEq(hearer.heard(), 14);
    }

    /// @dev BRG-004: with too little gas it is not tried at all, so that wallets find out how much it takes.
    function testFuzz_relayMessage_again_with_little_gas_reverts(uint24 given) external {
        hearer.refuse(true);
        _tell(l1Messenger, 7, 1 ether);
        _toL2();
        hearer.refuse(false);
        bytes memory again = abi.encodeCall(
            l2Messenger.relayMessage,
            (uint256(1) << 240, alice, address(hearer), 1 ether, 500_000, abi.encodeCall(Hearer.hear, (7)))
        );
        (bool done,) = address(l2Messenger).call{gas: uint256(given) % 1_000_000}(again);
        vm.assertEq(hearer.heard(), done ? 7 : 0);
        vm.assertTrue(!done || hearer.gasSeen() + 1_000 >= 500_000);
        vm.assertTrue(l2Messenger.successfulMessages(_hash(0, 1 ether, 7)) == done);
    }

    /// @dev BRG-003: nobody but the other messenger brings a message first, and nobody pays for it again.
    function testFuzz_relayMessage_by_anyone_else_reverts(address caller, uint64 value) external {
        vm.assume(caller != L1Alias.apply_(address(l1Messenger)) && caller != address(portal));
        vm.deal(caller, value);
        bytes32 hash = _hash(0, value, 1);
        bytes memory message = abi.encodeCall(Hearer.hear, (1));
        CrossDomainMessenger[2] memory both = [CrossDomainMessenger(l2Messenger), l1Messenger];
        for (uint256 i; i < 2; ++i) {
            vm.prank(caller);
            vm.expectRevert(
                value == 0
                    ? abi.encodeWithSelector(
                        ICrossDomainMessenger.CrossDomainMessenger_NotFailed.selector, hash
                    )
                    : abi.encodeWithSelector(
                        ICrossDomainMessenger.CrossDomainMessenger_WrongValue.selector, value, 0
                    )
            );
            both[i].relayMessage{value: value}(
                uint256(1) << 240, alice, address(hearer), value, 100_000, message
            );
        }
    }

    /// @dev BRG-003: a withdrawal of anyone else's to the L1 messenger says nothing.
    function test_withdrawal_by_another_sender_is_not_the_messenger() external {
        bytes memory message = abi.encodeCall(Hearer.hear, (1));
        bytes memory data = abi.encodeCall(
            l1Messenger.relayMessage, (uint256(1) << 240, alice, address(hearer), 0, 100_000, message)
        );
        vm.prank(alice);
        passer.initiateWithdrawal(address(l1Messenger), 500_000, data);
        _toL1();
        vm.assertEq(hearer.heard(), 0);
        vm.assertFalse(l1Messenger.failedMessages(_hash(0, 0, 1)));
    }

    /// @dev BRG-014, PTL-037: known, as on the OP Stack: what is withdrawn by hand to who takes no ether stays where it is.
    function test_ether_withdrawn_by_hand_to_messenger_or_bridge_stays_in_the_portal() external {
        vm.deal(address(portal), 3 ether);
        address[3] memory targets = [address(l1Messenger), address(l1Bridge), address(l1NftBridge)];
        for (uint256 i; i < 3; ++i) {
            vm.prank(alice);
            passer.initiateWithdrawal{value: 1 ether}(targets[i], 200_000, "");
            WithdrawalTransaction memory withdrawal = _toL1();
            vm.assertTrue(portal.failedWithdrawals(_hashOf(withdrawal)));
            portal.replayWithdrawal(withdrawal);
            vm.assertTrue(portal.failedWithdrawals(_hashOf(withdrawal)) && targets[i].balance == 0);
        }
        vm.assertEq(address(portal).balance, 3 ether);
    }

    function test_gas() external {
        vm.deal(address(portal), 1 ether);
        hearer.refuse(true);
        _tell(l1Messenger, 7, 1 ether);
        vm.snapshotGasLastCall("CrossDomainMessenger", "sendMessage from L1");
        _toL2();
        hearer.refuse(false);
        _replay(l2Messenger, 1 ether, 7);
        vm.snapshotGasLastCall("CrossDomainMessenger", "relayMessage of a failed one on L2");
        hearer.refuse(true);
        _tell(l2Messenger, 7, 1 ether);
        vm.snapshotGasLastCall("CrossDomainMessenger", "sendMessage from L2");
        _toL1();
        vm.snapshotGasLastCall(
            "CrossDomainMessenger", "finalizeWithdrawalTransaction of a message that is refused"
        );
        hearer.refuse(false);
        _replay(l1Messenger, 1 ether, 7);
        vm.snapshotGasLastCall("CrossDomainMessenger", "relayMessage of a failed one on L1");
    }

    /// @dev BRG-005: no message speaks with the voice of the messengers, the portal or the passer.
    function test_relayMessage_blocked_targets_revert() external {
        address[2] memory l2 = [address(l2Messenger), address(passer)];
        for (uint256 i; i < 2; ++i) {
            vm.prank(L1Alias.apply_(address(l1Messenger)));
            vm.expectRevert(
                abi.encodeWithSelector(
                    ICrossDomainMessenger.CrossDomainMessenger_BlockedTarget.selector, l2[i]
                )
            );
            l2Messenger.relayMessage(uint256(1) << 240, alice, l2[i], 0, 0, "");
        }
        address[2] memory l1 = [address(l1Messenger), address(portal)];
        for (uint256 i; i < 2; ++i) {
            bytes memory relay =
                abi.encodeCall(l1Messenger.relayMessage, (uint256(1) << 240, alice, l1[i], 0, 0, ""));
            vm.prank(address(l2Messenger)); // which itself would not send it (BRG-008)
            passer.initiateWithdrawal(address(l1Messenger), 500_000, relay);
            vm.assertTrue(portal.failedWithdrawals(_hashOf(_toL1())));
        }
    }

    /// @dev BRG-008: what the other layer would refuse for ever is not sent, and its ether stays with its owner.
    function test_sendMessage_to_what_is_blocked_there_reverts() external {
        address[2] memory l2 = [address(l2Messenger), address(passer)];
        address[2] memory l1 = [address(l1Messenger), address(portal)];
        for (uint256 i; i < 2; ++i) {
            _refused(l1Messenger, l2[i]);
            _refused(l2Messenger, l1[i]);
            // The same addresses of one's own layer are anybody's on the other.
            vm.assertFalse(l1Messenger.isBlockedThere(l1[i]) || l2Messenger.isBlockedThere(l2[i]));
        }
        vm.assertEq(alice.balance, 100 ether);
        vm.assertEq(l1Messenger.messageNonce() + l2Messenger.messageNonce(), uint256(2) << 240);
    }

    function test_relayMessage_wrong_version_or_value_reverts() external {
        vm.expectRevert(
            abi.encodeWithSelector(ICrossDomainMessenger.CrossDomainMessenger_UnknownVersion.selector, 0)
        );
        l2Messenger.relayMessage(0, alice, address(hearer), 0, 0, "");
        address other = L1Alias.apply_(address(l1Messenger));
        vm.deal(other, 2);
        vm.prank(other);
        vm.expectRevert(
            abi.encodeWithSelector(ICrossDomainMessenger.CrossDomainMessenger_WrongValue.selector, 2, 1)
        );
        l2Messenger.relayMessage{value: 2}(uint256(1) << 240, alice, address(hearer), 1, 0, "");
    }

    /// @dev BRG-006: from inside a message, another failed one is not delivered, nor the same one twice.
    function test_relayMessage_from_inside_a_message_fails() external {
        hearer.refuse(true);
        _tell(l1Messenger, 1, 1 ether);
        _toL2();
        hearer.refuse(false);
        bytes memory message = abi.encodeCall(Hearer.hear, (1));
        bytes memory again = abi.encodeCall(
            l2Messenger.relayMessage, (uint256(1) << 240, alice, address(hearer), 1 ether, 500_000, message)
        );
        hearer.prepare(again);
        (bool done,) = address(l2Messenger).call(again);
        vm.assertTrue(done && hearer.innerDone());
        vm.assertTrue(hearer.heard() == 1 && address(hearer).balance == 1 ether);
    }

    /// @dev BRG-007: the gas that is asked for is there, for any size; never a message lost to its own overhead.
    function testFuzz_message_to_L2_gets_its_gas(uint24 gasLimit, uint16 size) external {
        uint32 wanted = uint32(uint256(gasLimit) % 4_000_000 + 100_000);
        bytes memory message = bytes.concat(abi.encodeCall(Hearer.hear, (1)), new bytes(size % 20_000));
        for (uint256 i = 36; i < message.length; ++i) {
            message[i] = 0xff;
        }
        vm.prank(alice);
        l1Messenger.sendMessage(address(hearer), message, wanted);
        vm.assertEq(_toL2(), 1);
        vm.assertEq(hearer.heard(), 1);
        vm.assertGe(hearer.gasSeen() + 1_000, wanted);
    }

    /// @dev Whoever estimates gas sees the failure.
    function test_relayMessage_estimation_of_a_failing_call_reverts() external {
        hearer.refuse(true);
        vm.prank(L1Alias.apply_(address(l1Messenger)), address(1));
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_EstimationFailed.selector);
        l2Messenger.relayMessage(
            uint256(1) << 240, alice, address(hearer), 0, 100_000, abi.encodeCall(Hearer.hear, (1))
        );
    }

    function test_xDomainMessageSender_outside_a_message_reverts() external {
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_NoSender.selector);
        l2Messenger.xDomainMessageSender();
    }

    function test_names_clients_ask_for() external view {
        vm.assertEq(l2Messenger.otherMessenger(), address(l1Messenger));
        vm.assertEq(l2Messenger.l1CrossDomainMessenger(), address(l1Messenger));
        vm.assertEq(l1Messenger.otherMessenger(), address(l2Messenger));
        vm.assertEq(address(l1Messenger.portal()), address(portal));
        vm.assertFalse(l1Messenger.paused());
    }

    function _refused(CrossDomainMessenger messenger, address target) private {
        vm.assertTrue(messenger.isBlockedThere(target));
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(ICrossDomainMessenger.CrossDomainMessenger_BlockedTarget.selector, target)
        );
        messenger.sendMessage{value: 1 ether}(target, "", 0);
    }

    function _tell(CrossDomainMessenger messenger, uint256 number, uint256 value) private {
        vm.prank(alice);
        messenger.sendMessage{value: value}(address(hearer), abi.encodeCall(Hearer.hear, (number)), 500_000);
    }

    function _replay(CrossDomainMessenger messenger, uint256 value, uint256 number) private {
        messenger.relayMessage(
            uint256(1) << 240, alice, address(hearer), value, 500_000, abi.encodeCall(Hearer.hear, (number))
        );
    }

    function _hash(uint256 nonce, uint256 value, uint256 number) private view returns (bytes32) {
        bytes memory message = abi.encodeCall(Hearer.hear, (number));
        uint256 gas = value == 1 ether ? 500_000 : 100_000;
        return keccak256(
            abi.encodeWithSignature(
                "relayMessage(uint256,address,address,uint256,uint256,bytes)",
                uint256(1) << 240 | nonce,
                alice,
                address(hearer),
                value,
                gas,
                message
            )
        );
    }

    function _hashOf(WithdrawalTransaction memory w) private pure returns (bytes32) {
        return keccak256(abi.encode(w.nonce, w.sender, w.target, w.value, w.gasLimit, w.data));
    }
}
