// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {Key, Proof} from "./IKeyVerifier.sol";

/// @dev Roles of a key in a passport (PAS-003).
uint8 constant ROLE_NONE = 0;
uint8 constant ROLE_ACTING = 1;
uint8 constant ROLE_LINKED = 2;

/// @dev What a veto is against (PAS-020 to PAS-023).
uint8 constant SUBJECT_REMOVAL = 1;
uint8 constant SUBJECT_GUARDIANS = 2;
uint8 constant SUBJECT_RECOVERY = 3;

/// @dev What guardians approve (PAS-027).
uint8 constant PURPOSE_OPEN = 1;
uint8 constant PURPOSE_CONFIRM = 2;
uint8 constant PURPOSE_WITHDRAW = 3;
uint8 constant PURPOSE_VETO_GUARDIANS = 4;

/// @notice A guardian's signature.
/// @param key Guardian.
/// @param proof Over the approval.
struct Approval {
    Key key;
    Proof proof;
}

/// @notice Keys that may together recover a passport.
/// @param keyIds Ascending.
/// @param quorum Needed to open, withdraw and to veto a change of guardians.
/// @param overrideQuorum Needed to confirm after a veto.
struct Guardians {
    bytes32[] keyIds;
    uint8 quorum;
    uint8 overrideQuorum;
}

/// @notice An open recovery.
/// @param newKeyId Key that will act; zero when none is open.
/// @param readyAt From when it executes; zero while stopped by a veto.
/// @param vetoedAt When it was stopped; zero when it was not.
/// @param confirmed Whether the override quorum has spoken.
struct Recovery {
    bytes32 newKeyId;
    uint64 readyAt;
    uint64 vetoedAt;
    bool confirmed;
}

/// @title The passport: keys that act for one persona
/// @notice Rules PAS-001 to PAS-027 of specs/passport.md. An act is proved by the signature of a living acting key, or by being sent by
///         that account. EIP-712 types stand beside the functions; the domain is told by EIP-5267.
interface IPassport {
    /// @notice A passport was made by its first key.
    event PassportCreated(uint256 indexed passport, bytes32 indexed keyId, uint8 kind, bytes data);
    /// @notice A key came in.
    event KeyAdded(uint256 indexed passport, bytes32 indexed keyId, uint8 role, uint8 kind, bytes data);
    /// @notice A key left.
    event KeyRemoved(uint256 indexed passport, bytes32 indexed keyId, uint8 role);
    /// @notice The removal of another key was asked for; it can be vetoed until then.
    event RemovalProposed(
        uint256 indexed passport, bytes32 indexed keyId, bytes32 indexed byKeyId, uint64 readyAt
    );
    /// @notice Something pending was stopped. `byKeyId` is zero when guardians did.
    event Vetoed(uint256 indexed passport, uint8 subject, bytes32 byKeyId);
    /// @notice New guardians were asked for; it can be vetoed until then.
    event GuardiansProposed(uint256 indexed passport, Guardians guardians, uint64 readyAt);
    /// @notice Guardians are in place.
    event GuardiansChanged(uint256 indexed passport, Guardians guardians);
    /// @notice The quorum opened a recovery.
    event RecoveryOpened(uint256 indexed passport, bytes32 indexed newKeyId, uint64 readyAt);
    /// @notice The override quorum confirmed a stopped recovery.
    event RecoveryConfirmed(uint256 indexed passport, bytes32 indexed newKeyId, uint64 readyAt);
    /// @notice The quorum withdrew a recovery.
    event RecoveryWithdrawn(uint256 indexed passport, bytes32 indexed newKeyId);
    /// @notice All acting keys fell; one new key acts.
    event Recovered(uint256 indexed passport, bytes32 indexed newKeyId, uint64 generation);
    /// @notice Where rewards go.
    event PayoutChanged(uint256 indexed passport, address payout);

    /// @notice There is no such passport.
    error Passport_Unknown(uint256 passport);
    /// @notice The key does not act for that passport.
    error Passport_NotActing(uint256 passport, bytes32 keyId);
    /// @notice The key is not in that passport.
    error Passport_NotInPassport(uint256 passport, bytes32 keyId);
    /// @notice The key is in a passport already.
    error Passport_KeyTaken(bytes32 keyId, uint256 passport);
    /// @notice The key left another passport too recently.
    error Passport_KeyCooling(bytes32 keyId, uint256 untilTime);
    /// @notice Not signed by that key.
    error Passport_BadSignature(bytes32 keyId);
    /// @notice The signature's last second has passed.
    error Passport_Expired(uint256 deadline);
    /// @notice A sign-in text says it was issued in the future.
    error Passport_IssuedInFuture(uint256 issuedAt);
    /// @notice No such role.
    error Passport_BadRole(uint8 role);
    /// @notice The only acting key cannot leave.
    error Passport_LastKey(uint256 passport);
    /// @notice There are as many acting keys as there may be.
    error Passport_TooManyKeys(uint256 passport);
    /// @notice Nothing of the kind is pending.
    error Passport_NothingPending(uint256 passport, uint8 subject);
    /// @notice It waits until then.
    error Passport_TooEarly(uint256 readyAt);
    /// @notice It could have been done until then.
    error Passport_TooLate(uint256 untilTime);
    /// @notice It cannot be vetoed any more.
    error Passport_VetoOver(uint256 passport);
    /// @notice Guardians are not ascending, or quorums out of bounds.
    error Passport_BadGuardians();
    /// @notice Fewer approvals than needed.
    error Passport_NoQuorum(uint256 approvals, uint256 needed);
    /// @notice Approvals are not ascending by keyId, or one is not a guardian's.
    error Passport_NotGuardian(bytes32 keyId);
    /// @notice Guardians do not change while a recovery is open.
    error Passport_RecoveryOpen(uint256 passport);
    /// @notice The payout address is no EVM key of the passport.
    error Passport_BadPayout(address payout);

    /// @notice Makes a passport whose only key is `key`. `CreatePassport(bytes32 keyId,uint256 keyNonce,uint256 deadline)`.
    /// @return passport Its number.
    function create(Key calldata key, Proof calldata proof) external returns (uint256 passport);

    /// @notice Takes a key in. The acting key signs `TakeKey(uint256 passport,bytes32 keyId,uint8 role,uint256 nonce,uint256 deadline)`,
    ///         the one that comes `EnterPassport(uint256 passport,bytes32 keyId,uint8 role,uint256 keyNonce,uint256 deadline)`.
    /// @param role ROLE_ACTING or ROLE_LINKED.
    function addKey(
        uint256 passport,
        Key calldata actor,
        Proof calldata actorProof,
        Key calldata key,
        uint8 role,
        Proof calldata keyProof
    ) external;

    /// @notice Takes a key out: itself, or a linked one, at once; another acting one after a delay.
    ///         `RemoveKey(uint256 passport,bytes32 keyId,uint256 nonce,uint256 deadline)`.
    function removeKey(uint256 passport, Key calldata actor, Proof calldata proof, bytes32 keyId) external;

    /// @notice Carries out a removal whose delay is over. Anyone may call.
    function executeRemoval(uint256 passport) external;

    /// @notice Stops what is pending. `Veto(uint256 passport,uint8 subject,uint256 nonce,uint256 deadline)`.
    function veto(uint256 passport, Key calldata actor, Proof calldata proof, uint8 subject) external;

    /// @notice Asks for other guardians. `SetGuardians(uint256 passport,bytes32[] keyIds,uint8 quorum,uint8 overrideQuorum,uint256
    ///         nonce,uint256 deadline)`. No keyIds and quorums of zero mean none.
    function setGuardians(uint256 passport, Key calldata actor, Proof calldata proof, Guardians calldata next)
        external;

    /// @notice Puts guardians in place whose delay is over. Anyone may call.
    function executeGuardians(uint256 passport) external;

    /// @notice Guardians in place stop a change of guardians. `ApproveRecovery`, purpose PURPOSE_VETO_GUARDIANS, new key zero.
    function vetoGuardians(uint256 passport, Approval[] calldata approvals) external;

    /// @notice Opens a recovery, or opens it anew for another key. Guardians sign `ApproveRecovery(uint256 passport,uint8
    ///         purpose,bytes32 newKeyId,uint256 round,uint256 deadline)`; the new key signs `EnterPassport`.
    function openRecovery(
        uint256 passport,
        Key calldata newKey,
        Proof calldata keyProof,
        Approval[] calldata approvals
    ) external;

    /// @notice Confirms a recovery that was stopped. Approvals as for {openRecovery}, of the override quorum.
    function confirmRecovery(uint256 passport, Approval[] calldata approvals) external;

    /// @notice Withdraws a recovery. Approvals as for {openRecovery}.
    function withdrawRecovery(uint256 passport, Approval[] calldata approvals) external;

    /// @notice Carries out a recovery whose delay is over. Anyone may call.
    /// @param newKey The key it was opened for.
    function executeRecovery(uint256 passport, Key calldata newKey) external;

    /// @notice Names where rewards go: an EVM key of the passport, or zero. `SetPayout(uint256 passport,address payout,uint256 nonce,uint256
    ///         deadline)`.
    function setPayout(uint256 passport, Key calldata actor, Proof calldata proof, address payout) external;

    /// @notice Passports made so far; their numbers are 1 to this.
    function count() external view returns (uint256);
    /// @notice Where a key is; (0, ROLE_NONE) when nowhere.
    function passportOf(bytes32 keyId) external view returns (uint256 passport, uint8 role);
    /// @notice Where an EVM account is.
    function passportOfAccount(address account) external view returns (uint256 passport, uint8 role);
    /// @notice Whether a key acts for a passport.
    function isActing(uint256 passport, bytes32 keyId) external view returns (bool);
    /// @notice Raised by each recovery; zero for no passport.
    function generationOf(uint256 passport) external view returns (uint64);
    /// @notice Number that the next act signs.
    function nonceOf(uint256 passport) external view returns (uint64);
    /// @notice Number that a key's next entry signs.
    function keyNonceOf(bytes32 keyId) external view returns (uint256);
    /// @notice Number of acting keys.
    function keyCountOf(uint256 passport) external view returns (uint256);
    /// @notice Where rewards go; zero for nowhere.
    function payoutOf(uint256 passport) external view returns (address);
    /// @notice Guardians in place.
    function guardiansOf(uint256 passport) external view returns (Guardians memory);
    /// @notice Guardians asked for and from when they can be put in place; zero when none are.
    function pendingGuardiansOf(uint256 passport) external view returns (Guardians memory, uint64 readyAt);
    /// @notice Removal asked for.
    function pendingRemovalOf(uint256 passport) external view returns (bytes32 keyId, uint64 readyAt);
    /// @notice Recovery that is open, and the round that approvals name.
    function recoveryOf(uint256 passport) external view returns (Recovery memory, uint256 round);
    /// @notice EIP-7572: a document about this contract.
    function contractURI() external view returns (string memory);
    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
}
