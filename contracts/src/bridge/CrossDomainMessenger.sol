// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {AssuredCall} from "./AssuredCall.sol";

/// @title CrossDomainMessenger
/// @notice What the messengers of both layers have in common; see {ICrossDomainMessenger}.
abstract contract CrossDomainMessenger is ICrossDomainMessenger {
    /// @inheritdoc ICrossDomainMessenger
    uint16 public constant MESSAGE_VERSION = 1;

    /// @dev Gas for what relaying does itself, on a generous count: two cold writes, cold reads, hashing, the event.
    uint256 private constant RELAY_GAS = 200_000;
    /// @dev Calldata of relaying beside the message itself.
    uint256 private constant ENVELOPE = 292;
    /// @dev Gas of a byte of calldata that is not zero, and what a transaction pays at least for one (EIP-7623).
    uint256 private constant BYTE_GAS = 16;
    uint256 private constant FLOOR_BYTE_GAS = 40;
    uint256 private constant TRANSACTION_GAS = 21_000;
    /// @dev Clients that estimate gas send from here and want failures to show.
    address private constant ESTIMATOR = address(1);

    /// @inheritdoc ICrossDomainMessenger
    address public immutable OTHER_MESSENGER;
    /// @dev Where messages leave the other layer for this one: its portal or its message passer.
    address private immutable _OTHER_DOOR;

    /// @inheritdoc ICrossDomainMessenger
    mapping(bytes32 msgHash => bool) public successfulMessages;
    /// @inheritdoc ICrossDomainMessenger
    mapping(bytes32 msgHash => bool) public failedMessages;
    /// @dev Messages sent.
    uint240 private _sent;
    /// @dev Who sent the message that is being delivered, zero outside of one.
    address private transient _sender;

    /// @param other The messenger of the other layer.
    /// @param otherDoor Its portal or its message passer.
    constructor(address other, address otherDoor) {
        OTHER_MESSENGER = other;
        _OTHER_DOOR = otherDoor;
    }

    /// @inheritdoc ICrossDomainMessenger
    function sendMessage(address target, bytes calldata message, uint32 minGasLimit) external payable {
        if (isBlockedThere(target)) revert CrossDomainMessenger_BlockedTarget(target); // BRG-008
        uint256 nonce = messageNonce();
        ++_sent;
        _send(
            baseGas(message, minGasLimit),
            abi.encodeCall(this.relayMessage, (nonce, msg.sender, target, msg.value, minGasLimit, message))
        );
        emit SentMessage(target, msg.sender, message, nonce, minGasLimit);
        emit SentMessageExtension1(msg.sender, msg.value);
    }

    /// @inheritdoc ICrossDomainMessenger
    function relayMessage(
        uint256 nonce,
        address sender,
        address target,
        uint256 value,
        uint256 minGasLimit,
        bytes calldata message
    ) external payable {
        if (nonce >> 240 != MESSAGE_VERSION) {
            revert CrossDomainMessenger_UnknownVersion(uint16(nonce >> 240));
        }
        // BRG-002: the message is what relaying was called with
        bytes32 msgHash = keccak256(
            abi.encodeCall(this.relayMessage, (nonce, sender, target, value, minGasLimit, message))
        );
        bool first = _admit(msgHash, target, value);
        bool success = _deliver(first, sender, target, value, minGasLimit, message);
        if (success) {
            successfulMessages[msgHash] = true;
            emit RelayedMessage(msgHash);
        } else {
            failedMessages[msgHash] = true; // BRG-004
            emit FailedRelayedMessage(msgHash);
            if (tx.origin == ESTIMATOR) revert CrossDomainMessenger_EstimationFailed();
        }
    }

    /// @inheritdoc ICrossDomainMessenger
    function xDomainMessageSender() external view returns (address) {
        if (_sender == address(0)) revert CrossDomainMessenger_NoSender();
        return _sender;
    }

    /// @inheritdoc ICrossDomainMessenger
    function isBlockedThere(address target) public view returns (bool) {
        return target == OTHER_MESSENGER || target == _OTHER_DOOR;
    }

    /// @inheritdoc ICrossDomainMessenger
    function messageNonce() public view returns (uint256) {
        return uint256(MESSAGE_VERSION) << 240 | _sent;
    }

    /// @inheritdoc ICrossDomainMessenger
    function baseGas(bytes calldata message, uint32 minGasLimit) public pure returns (uint64) {
        uint256 size = message.length + ENVELOPE;
        uint256 run = RELAY_GAS + AssuredCall.least(minGasLimit) + BYTE_GAS * size;
        uint256 floor = FLOOR_BYTE_GAS * size;
        return uint64(TRANSACTION_GAS + (run > floor ? run : floor)); // BRG-007
    }

    /// @inheritdoc ICrossDomainMessenger
    function otherMessenger() external view returns (address) {
        return OTHER_MESSENGER;
    }

    /// @inheritdoc ICrossDomainMessenger
    function paused() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc ICrossDomainMessenger
    function version() external pure returns (string memory) {
        return "2.0.0";
    }

    /// @dev Bring calldata for the other messenger on its way, with the wei sent along.
    function _send(uint64 gasLimit, bytes memory data) internal virtual;

    /// @dev Whether the caller speaks for the other messenger.
    function _isOther() internal view virtual returns (bool);

    /// @dev Whether messages to an address are refused.
    function _isBlocked(address target) internal view virtual returns (bool);

    /// @dev Whether a message may be delivered now, by whom it is brought (BRG-003..005); whether it is the first time.
    function _admit(bytes32 msgHash, address target, uint256 value) private view returns (bool first) {
        first = _isOther();
        if (first) {
            if (msg.value != value) revert CrossDomainMessenger_WrongValue(msg.value, value);
            if (failedMessages[msgHash]) revert CrossDomainMessenger_AlreadyFailed(msgHash);
        } else {
            if (msg.value != 0) revert CrossDomainMessenger_WrongValue(msg.value, 0);
            if (!failedMessages[msgHash]) revert CrossDomainMessenger_NotFailed(msgHash);
        }
        if (target == address(this) || _isBlocked(target)) revert CrossDomainMessenger_BlockedTarget(target);
        if (successfulMessages[msgHash]) revert CrossDomainMessenger_AlreadyRelayed(msgHash);
    }

    /// @dev Make the call; false when it fails, when the gas does not suffice, or from inside another message (BRG-006).
    function _deliver(
        bool first,
        address sender,
        address target,
        uint256 value,
        uint256 minGasLimit,
        bytes memory message
    ) private returns (bool success) {
        if (_sender != address(0)) return false;
        // A gas limit that no transaction has: it would overflow below.
        if (minGasLimit > type(uint64).max) return false;
        uint256 least = AssuredCall.least(minGasLimit);
        if (gasleft() < least) {
            if (first) return false;
            revert CrossDomainMessenger_OutOfGas(least); // it has failed already, and stays so
        }
        _sender = sender;
        success = AssuredCall.make(target, value, message);
        _sender = address(0);
    }
}
