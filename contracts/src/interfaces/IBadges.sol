// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {Key, Proof} from "./IKeyVerifier.sol";

/// @dev States of a badge (BDG-020).
uint8 constant STATE_NONE = 0;
uint8 constant STATE_GRANTED = 1;
uint8 constant STATE_SUSPENDED = 2;
uint8 constant STATE_EXPIRED = 3;
uint8 constant STATE_REVOKED = 4;

/// @notice What the validator set attests of a passport.
/// @param passport Who gets the badge.
/// @param policy Which badge.
/// @param nullifiers Accounts that the decision rests on, 1 to 8.
/// @param evidence Digest of the evidence; of salted evidence when private.
/// @param validatorVersion Hash that names the validators' code.
/// @param attestedAt When it was decided, seconds since 1970.
/// @param expiresAt First second at which it is expired; zero for never.
/// @param deadline Last second at which the attestation counts.
/// @param level 1 to the policy's highest.
/// @param points What the badge is worth.
/// @param evidenceClass As the policy has it.
struct Grant {
    uint256 passport;
    bytes32 policy;
    bytes32[] nullifiers;
    bytes32 evidence;
    bytes32 validatorVersion;
    uint64 attestedAt;
    uint64 expiresAt;
    uint64 deadline;
    uint16 level;
    uint32 points;
    uint8 evidenceClass;
}

/// @notice A change of states that the validator set attests.
/// @param tokenIds Which badges.
/// @param state STATE_GRANTED (end of a suspension), STATE_SUSPENDED or STATE_REVOKED.
/// @param free With STATE_REVOKED: whether the nullifiers may serve another badge.
/// @param reason Hash of the reason.
/// @param number Chosen by the attestors; serves once.
/// @param deadline Last second at which the attestation counts.
struct StateChange {
    uint256[] tokenIds;
    uint8 state;
    bool free;
    bytes32 reason;
    uint256 number;
    uint64 deadline;
}

/// @notice A badge as it is stored, with its state at the time of asking.
struct Badge {
    uint256 passport;
    bytes32 policy;
    bytes32[] nullifiers;
    bytes32 evidence;
    bytes32 validatorVersion;
    uint64 attestedAt;
    uint64 expiresAt;
    uint64 recordedAt;
    uint16 level;
    uint32 points;
    uint8 evidenceClass;
    uint8 state;
    uint64 setEpoch;
    uint256 signers;
}

/// @title Badges of passports
/// @notice ERC-721 that nobody transfers. Rules BDG-010 to BDG-042 of specs/badges.md.
interface IBadges {
    /// @notice A badge was granted or renewed.
    event BadgeGranted(
        uint256 indexed tokenId,
        uint256 indexed passport,
        bytes32 indexed policy,
        uint16 level,
        uint32 points,
        uint64 expiresAt,
        bytes32 evidence,
        bytes32 validatorVersion,
        uint256 attestation
    );
    /// @notice A batch was attested; its badges name it.
    event Attested(uint256 indexed attestation, uint64 indexed setEpoch, uint256 signers);
    /// @notice A stored state changed. The holder gave it up when `reason` is zero and `state` revoked.
    event BadgeState(uint256 indexed tokenId, uint8 state, bytes32 reason);
    /// @notice Badges do not change hands (EIP-5192).
    error Badges_Soulbound();
    /// @notice No such badge.
    error Badges_Unknown(uint256 tokenId);
    /// @notice No grants in the batch.
    error Badges_Empty();
    /// @notice The attestation's last second has passed.
    error Badges_Expired(uint256 deadline);
    /// @notice It was decided in the future, or no later than what it replaces.
    error Badges_Stale(uint256 attestedAt, uint256 newest);
    /// @notice The policy grants nothing.
    error Badges_PolicyClosed(bytes32 policy);
    /// @notice The policy gives no such level.
    error Badges_BadLevel(uint256 level, uint256 maximum);
    /// @notice The policy has the other evidence class.
    error Badges_WrongEvidenceClass(uint8 given, uint8 expected);
    /// @notice A grant names 1 to 8 nullifiers.
    error Badges_BadNullifiers(uint256 count);
    /// @notice The passport does not hold it.
    error Badges_NotHolder(uint256 passport, bytes32 nullifier);
    /// @notice It serves another badge of that policy.
    error Badges_NullifierUsed(bytes32 canonical, uint256 tokenId);
    /// @notice An open case would touch it.
    error Badges_Quarantined(uint256 caseId);
    /// @notice No such state, or none that can follow.
    error Badges_BadState(uint256 tokenId, uint8 state);
    /// @notice The attestation served already.
    error Badges_Used(bytes32 digest);

    /// @notice Grants and renews badges. Attested: `GrantBatch(Grant[] grants)`, `Grant` with this struct's fields and types.
    function grant(Grant[] calldata grants, uint64 setEpoch, bytes calldata signatures) external;
    /// @notice Suspends, restores or revokes. Attested: `StateChange(uint256[] tokenIds,uint8 state,bool free,bytes32 reason,uint256
    ///         number,uint64 deadline)`.
    function changeState(StateChange calldata change, uint64 setEpoch, bytes calldata signatures) external;
    /// @notice Gives a badge up. `RenounceBadge(uint256 passport,uint256 tokenId,uint256 nonce,uint256 deadline)`.
    function renounce(uint256 tokenId, Key calldata actor, Proof calldata proof) external;
    /// @notice Says by EIP-4906 that every badge may look different, as after a case opened or closed. Anyone may call.
    function refresh() external;

    /// @notice State at this time.
    function stateOf(uint256 tokenId) external view returns (uint8);
    /// @notice All of a badge.
    function badgeOf(uint256 tokenId) external view returns (Badge memory);
    /// @notice A passport's badge under a policy, zero for none.
    function tokenOf(bytes32 policy, uint256 passport) external view returns (uint256 tokenId);
    /// @notice Level that counts now: zero unless the badge is granted.
    function levelOf(bytes32 policy, uint256 passport) external view returns (uint16);
    /// @notice Badge that a canonical nullifier serves under a policy, zero for none.
    function usedBy(bytes32 policy, bytes32 canonical) external view returns (uint256 tokenId);
    /// @notice The first open case that touches a badge (BDG-031), zero for none.
    function touchedBy(uint256 tokenId) external view returns (uint256 caseId);
    /// @notice Address that owns a passport's badges.
    function addressOf(uint256 passport) external pure returns (address);
    /// @notice Badges that are not revoked.
    function totalSupply() external view returns (uint256);
    /// @notice Badges ever made; their numbers are 1 to this.
    function minted() external view returns (uint256);
    /// @notice EIP-712 digest of a batch.
    function grantDigest(Grant[] calldata grants) external view returns (bytes32);
    /// @notice EIP-712 digest of a change of states.
    function stateDigest(StateChange calldata change) external view returns (bytes32);
    /// @notice EIP-7572: a document about this contract.
    function contractURI() external view returns (string memory);
    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
}
