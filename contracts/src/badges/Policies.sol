// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {EVIDENCE_PRIVATE, EVIDENCE_PUBLIC, IPolicies, Policy} from "../interfaces/IPolicies.sol";

/// @title Policies
/// @notice Registry of policies; see {IPolicies}.
contract Policies is IPolicies {
    uint256 private constant MAX_NAME = 64;
    uint256 private constant MAX_URI = 256;

    mapping(bytes32 policy => Policy) private _policies;

    /// @inheritdoc IPolicies
    function publish(
        bytes32 document,
        uint16 maxLevel,
        uint8 evidenceClass,
        string calldata name,
        string calldata uri
    ) external returns (bytes32 policy) {
        if (maxLevel == 0 || (evidenceClass != EVIDENCE_PUBLIC && evidenceClass != EVIDENCE_PRIVATE)) {
            revert Policies_BadShape(maxLevel, evidenceClass);
        }
        if (bytes(name).length > MAX_NAME) revert Policies_TooLong(bytes(name).length, MAX_NAME);
        if (bytes(uri).length > MAX_URI) revert Policies_TooLong(bytes(uri).length, MAX_URI);
        policy = keccak256(abi.encode(msg.sender, document)); // BDG-001
        if (_policies[policy].publisher != address(0)) revert Policies_Known(policy);
        _policies[policy] = Policy(msg.sender, maxLevel, evidenceClass, true, document, name, uri);
        emit PolicyPublished(policy, msg.sender, document, maxLevel, evidenceClass, name, uri);
    }

    /// @inheritdoc IPolicies
    function setActive(bytes32 policy, bool active) external {
        address publisher = _policies[policy].publisher;
        if (publisher == address(0)) revert Policies_Unknown(policy);
        if (publisher != msg.sender) revert Policies_NotPublisher(policy, msg.sender); // BDG-002
        _policies[policy].active = active;
        emit PolicyActive(policy, active);
    }

    /// @inheritdoc IPolicies
    function policyOf(bytes32 policy) external view returns (Policy memory) {
        if (_policies[policy].publisher == address(0)) revert Policies_Unknown(policy);
        return _policies[policy];
    }

    /// @inheritdoc IPolicies
    function termsOf(bytes32 policy)
        external
        view
        returns (bool active, uint16 maxLevel, uint8 evidenceClass)
    {
        Policy storage found = _policies[policy];
        return (found.active, found.maxLevel, found.evidenceClass);
    }
}
