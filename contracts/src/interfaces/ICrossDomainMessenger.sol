// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Messages between contracts of L1 and L2
/// @notice One of two, each the other's counterpart. A message is relayed by the other layer's messenger; one whose call
///         fails can be relayed again by anyone, and is delivered once. Names are the OP Stack's
///         (specs/bridge.md BRG-001..008).
interface ICrossDomainMessenger {
    /// @notice A message was sent.
    event SentMessage(
        address indexed target, address sender, bytes message, uint256 messageNonce, uint256 gasLimit
    );

    /// @notice Wei it carries.
    event SentMessageExtension1(address indexed sender, uint256 value);

    /// @notice A message was delivered.
    event RelayedMessage(bytes32 indexed msgHash);

    /// @notice A message's call failed: it can be relayed again.
    event FailedRelayedMessage(bytes32 indexed msgHash);

    /// @notice Messages of this version are unknown.
    error CrossDomainMessenger_UnknownVersion(uint16 version);

    /// @notice Wei sent along are not those of the message, or some were sent with a replay.
    error CrossDomainMessenger_WrongValue(uint256 given, uint256 wanted);

    /// @notice Only the other messenger brings a message for the first time (BRG-003).
    error CrossDomainMessenger_NotFailed(bytes32 msgHash);

    /// @notice A message that is delivered again would not get the gas it asks for.
    error CrossDomainMessenger_OutOfGas(uint256 least);

    /// @notice The other messenger brings a message once.
    error CrossDomainMessenger_AlreadyFailed(bytes32 msgHash);

    /// @notice The message was delivered.
    error CrossDomainMessenger_AlreadyRelayed(bytes32 msgHash);

    /// @notice Messages to this contract would speak with its voice (BRG-005); none is sent (BRG-008) or delivered.
    error CrossDomainMessenger_BlockedTarget(address target);

    /// @notice No message is being delivered.
    error CrossDomainMessenger_NoSender();

    /// @notice Whoever estimates gas wants to see the failure.
    error CrossDomainMessenger_EstimationFailed();

    /// @notice Send a message to the other layer, with the wei sent along.
    /// @param target Whom to call there: none of those that {isBlockedThere} tells.
    /// @param message Calldata.
    /// @param minGasLimit Gas the call gets at least.
    function sendMessage(address target, bytes calldata message, uint32 minGasLimit) external payable;

    /// @notice Deliver a message: by the other messenger first, by anyone after its call has failed.
    /// @dev Returns also when the call fails; events tell.
    function relayMessage(
        uint256 nonce,
        address sender,
        address target,
        uint256 value,
        uint256 minGasLimit,
        bytes calldata message
    ) external payable;

    /// @notice Who sent the message that is being delivered. Reverts when there is none.
    function xDomainMessageSender() external view returns (address);

    /// @notice Whether a message was delivered.
    function successfulMessages(bytes32 msgHash) external view returns (bool);

    /// @notice Whether a message's call has failed, delivered since or not.
    function failedMessages(bytes32 msgHash) external view returns (bool);

    /// @notice Nonce of the next message, version in its top two bytes.
    function messageNonce() external view returns (uint256);

    /// @notice Whether the other layer refuses messages to one of its addresses, so that none is sent (BRG-008).
    function isBlockedThere(address target) external view returns (bool);

    /// @notice Gas that relaying takes on the other layer, so that the call gets what it asks for.
    function baseGas(bytes calldata message, uint32 minGasLimit) external pure returns (uint64);

    /// @notice The messenger of the other layer.
    function OTHER_MESSENGER() external view returns (address);

    /// @notice The same.
    function otherMessenger() external view returns (address);

    /// @notice No one can pause.
    function paused() external view returns (bool);

    /// @notice Version of messages.
    function MESSAGE_VERSION() external view returns (uint16);

    /// @notice Semantic version of this contract.
    function version() external view returns (string memory);
}
