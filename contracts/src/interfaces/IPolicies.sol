// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @dev Evidence classes (BDG-003).
uint8 constant EVIDENCE_PUBLIC = 1;
uint8 constant EVIDENCE_PRIVATE = 2;

/// @notice What the chain knows of a policy.
/// @param publisher Who published it and may close it.
/// @param maxLevel Highest level it gives.
/// @param evidenceClass EVIDENCE_PUBLIC or EVIDENCE_PRIVATE.
/// @param active Whether it grants.
/// @param document Hash of the policy's file.
/// @param name Shown on badges.
/// @param uri Where the file is.
struct Policy {
    address publisher;
    uint16 maxLevel;
    uint8 evidenceClass;
    bool active;
    bytes32 document;
    string name;
    string uri;
}

/// @title Policies that badges are granted under
/// @notice Rules BDG-001 to BDG-003 of specs/badges.md.
interface IPolicies {
    /// @notice A policy is there.
    event PolicyPublished(
        bytes32 indexed policy,
        address indexed publisher,
        bytes32 indexed document,
        uint16 maxLevel,
        uint8 evidenceClass,
        string name,
        string uri
    );
    /// @notice A policy was closed or opened.
    event PolicyActive(bytes32 indexed policy, bool active);

    /// @notice The publisher has published that document already.
    error Policies_Known(bytes32 policy);
    /// @notice Nobody has published it.
    error Policies_Unknown(bytes32 policy);
    /// @notice Only its publisher.
    error Policies_NotPublisher(bytes32 policy, address sender);
    /// @notice The highest level is zero, or the evidence class none.
    error Policies_BadShape(uint16 maxLevel, uint8 evidenceClass);
    /// @notice Name or URI is longer than it may be.
    error Policies_TooLong(uint256 length, uint256 maximum);

    /// @notice Publishes a policy of the sender's. Name: up to 64 bytes; URI: up to 256.
    function publish(
        bytes32 document,
        uint16 maxLevel,
        uint8 evidenceClass,
        string calldata name,
        string calldata uri
    ) external returns (bytes32 policy);

    /// @notice Closes or opens a policy.
    function setActive(bytes32 policy, bool active) external;

    /// @notice A policy; reverts when unknown.
    function policyOf(bytes32 policy) external view returns (Policy memory);

    /// @notice What a grant has to know of a policy; zeros when unknown.
    function termsOf(bytes32 policy) external view returns (bool active, uint16 maxLevel, uint8 evidenceClass);
}
