// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Key, Proof} from "../interfaces/IKeyVerifier.sol";
import {
    Approval,
    Guardians,
    IPassport,
    PURPOSE_CONFIRM,
    PURPOSE_OPEN,
    PURPOSE_VETO_GUARDIANS,
    PURPOSE_WITHDRAW,
    ROLE_ACTING,
    Recovery,
    SUBJECT_GUARDIANS,
    SUBJECT_RECOVERY,
    SUBJECT_REMOVAL
} from "../interfaces/IPassport.sol";
import {PassportKeys} from "./PassportKeys.sol";

/// @title PassportRecovery
/// @notice Guardians, vetoes and recovery of a passport; see {IPassport}.
abstract contract PassportRecovery is PassportKeys {
    /// @dev PAS-021.
    uint64 internal constant GUARDIAN_DELAY = 14 days;
    uint256 internal constant MAX_GUARDIANS = 16;
    /// @dev PAS-023.
    uint64 internal constant RECOVERY_DELAY = 7 days;
    /// @dev PAS-024.
    uint64 internal constant CONFIRM_WINDOW = 14 days;
    uint64 internal constant SECOND_DELAY = 21 days;

    bytes32 private constant VETO_TYPE =
        keccak256("Veto(uint256 passport,uint8 subject,uint256 nonce,uint256 deadline)");
    bytes32 private constant GUARDIANS_TYPE = keccak256(
        "SetGuardians(uint256 passport,bytes32[] keyIds,uint8 quorum,uint8 overrideQuorum,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant APPROVE_TYPE = keccak256(
        "ApproveRecovery(uint256 passport,uint8 purpose,bytes32 newKeyId,uint256 round,uint256 deadline)"
    );

    mapping(uint256 passport => Guardians) internal _guardians;
    mapping(uint256 passport => Guardians) internal _nextGuardians;
    /// @dev From when the next guardians can be put in place; zero when none are asked for.
    mapping(uint256 passport => uint64) internal _guardiansReadyAt;
    mapping(uint256 passport => Recovery) internal _recoveries;
    /// @dev Counts what guardians approve, so that an approval serves once.
    mapping(uint256 passport => uint256) internal _rounds;

    /// @inheritdoc IPassport
    function veto(uint256 passport, Key calldata actor, Proof calldata proof, uint8 subject)
        external
        nonReentrant
    {
        uint64 nonce = _states[passport].nonce++;
        bytes32 structHash = keccak256(abi.encode(VETO_TYPE, passport, subject, nonce, proof.deadline));
        bytes32 actorId = _requireAct(passport, actor, structHash, proof, "Veto");
        if (subject == SUBJECT_REMOVAL && _removals[passport].readyAt != 0) {
            delete _removals[passport];
        } else if (subject == SUBJECT_GUARDIANS && _guardiansReadyAt[passport] != 0) {
            _dropNextGuardians(passport);
        } else if (subject == SUBJECT_RECOVERY && _recoveries[passport].newKeyId != 0) {
            Recovery storage recovery = _recoveries[passport];
            // A quorum that has been contradicted once and insists cannot be contradicted again (PAS-024).
            if (recovery.vetoedAt != 0 || block.timestamp >= recovery.readyAt) {
                revert Passport_VetoOver(passport);
            }
            (recovery.vetoedAt, recovery.readyAt) = (uint64(block.timestamp), 0);
        } else {
            revert Passport_NothingPending(passport, subject);
        }
        emit Vetoed(passport, subject, actorId);
    }

    /// @inheritdoc IPassport
    function setGuardians(uint256 passport, Key calldata actor, Proof calldata proof, Guardians calldata next)
        external
        nonReentrant
    {
        uint64 nonce = _states[passport].nonce++;
        bytes32 packed = keccak256(abi.encodePacked(next.keyIds));
        bytes32 structHash = keccak256(
            abi.encode(
                GUARDIANS_TYPE, passport, packed, next.quorum, next.overrideQuorum, nonce, proof.deadline
            )
        );
        _requireAct(passport, actor, structHash, proof, "Change guardians");
        _requireSound(next);
        uint64 readyAt = uint64(block.timestamp) + GUARDIAN_DELAY;
        _nextGuardians[passport] = next;
        _guardiansReadyAt[passport] = readyAt;
        emit GuardiansProposed(passport, next, readyAt);
    }

    /// @inheritdoc IPassport
    function executeGuardians(uint256 passport) external nonReentrant {
        uint64 readyAt = _guardiansReadyAt[passport];
        if (readyAt == 0) revert Passport_NothingPending(passport, SUBJECT_GUARDIANS);
        if (block.timestamp < readyAt) revert Passport_TooEarly(readyAt);
        if (_isOpen(_recoveries[passport])) revert Passport_RecoveryOpen(passport); // PAS-026
        Guardians memory next = _nextGuardians[passport];
        _guardians[passport] = next;
        _dropNextGuardians(passport);
        ++_rounds[passport];
        emit GuardiansChanged(passport, next);
    }

    /// @inheritdoc IPassport
    function vetoGuardians(uint256 passport, Approval[] calldata approvals) external nonReentrant {
        if (_guardiansReadyAt[passport] == 0) revert Passport_NothingPending(passport, SUBJECT_GUARDIANS);
        _requireQuorum(passport, PURPOSE_VETO_GUARDIANS, 0, approvals);
        _dropNextGuardians(passport);
        emit Vetoed(passport, SUBJECT_GUARDIANS, 0);
    }

    /// @inheritdoc IPassport
    function openRecovery(
        uint256 passport,
        Key calldata newKey,
        Proof calldata keyProof,
        Approval[] calldata approvals
    ) external nonReentrant {
        bytes32 newKeyId = VERIFIER.keyId(newKey);
        _requireQuorum(passport, PURPOSE_OPEN, newKeyId, approvals); // PAS-022
        _requireEntry(passport, newKey, newKeyId, ROLE_ACTING, keyProof);
        uint64 readyAt = uint64(block.timestamp) + RECOVERY_DELAY;
        _recoveries[passport] = Recovery(newKeyId, readyAt, 0, false);
        emit RecoveryOpened(passport, newKeyId, readyAt);
    }

    /// @inheritdoc IPassport
    function confirmRecovery(uint256 passport, Approval[] calldata approvals) external nonReentrant {
        Recovery storage recovery = _recoveries[passport];
        if (recovery.vetoedAt == 0 || recovery.confirmed) {
            revert Passport_NothingPending(passport, SUBJECT_RECOVERY);
        }
        uint64 until = recovery.vetoedAt + CONFIRM_WINDOW;
        if (block.timestamp > until) revert Passport_TooLate(until);
        _requireQuorum(passport, PURPOSE_CONFIRM, recovery.newKeyId, approvals);
        recovery.confirmed = true;
        recovery.readyAt = uint64(block.timestamp) + SECOND_DELAY; // PAS-024
        emit RecoveryConfirmed(passport, recovery.newKeyId, recovery.readyAt);
    }

    /// @inheritdoc IPassport
    function withdrawRecovery(uint256 passport, Approval[] calldata approvals) external nonReentrant {
        bytes32 newKeyId = _recoveries[passport].newKeyId;
        if (newKeyId == 0) revert Passport_NothingPending(passport, SUBJECT_RECOVERY);
        _requireQuorum(passport, PURPOSE_WITHDRAW, newKeyId, approvals);
        delete _recoveries[passport];
        emit RecoveryWithdrawn(passport, newKeyId);
    }

    /// @inheritdoc IPassport
    function executeRecovery(uint256 passport, Key calldata newKey) external nonReentrant {
        Recovery memory recovery = _recoveries[passport];
        bytes32 newKeyId = VERIFIER.keyId(newKey);
        if (recovery.newKeyId == 0 || recovery.newKeyId != newKeyId || recovery.readyAt == 0) {
            revert Passport_NothingPending(passport, SUBJECT_RECOVERY);
        }
        if (block.timestamp < recovery.readyAt) revert Passport_TooEarly(recovery.readyAt);
        State storage state = _states[passport];
        uint64 generation = ++state.generation; // PAS-025
        ++state.nonce;
        state.recoveredAt = uint64(block.timestamp);
        (state.keyCount, state.payout) = (0, address(0));
        delete _recoveries[passport];
        delete _removals[passport];
        _dropNextGuardians(passport);
        ++_rounds[passport];
        _enter(passport, newKeyId, ROLE_ACTING);
        emit KeyAdded(passport, newKeyId, ROLE_ACTING, newKey.kind, newKey.data);
        emit Recovered(passport, newKeyId, generation);
    }

    /// @inheritdoc IPassport
    function guardiansOf(uint256 passport) external view returns (Guardians memory) {
        return _guardians[passport];
    }

    /// @inheritdoc IPassport
    function pendingGuardiansOf(uint256 passport) external view returns (Guardians memory, uint64 readyAt) {
        return (_nextGuardians[passport], _guardiansReadyAt[passport]);
    }

    /// @inheritdoc IPassport
    function pendingRemovalOf(uint256 passport) external view returns (bytes32 keyId, uint64 readyAt) {
        return (_removals[passport].keyId, _removals[passport].readyAt);
    }

    /// @inheritdoc IPassport
    function recoveryOf(uint256 passport) external view returns (Recovery memory, uint256 round) {
        return (_recoveries[passport], _rounds[passport]);
    }

    /// @dev PAS-021.
    function _requireSound(Guardians calldata next) private pure {
        uint256 size = next.keyIds.length;
        bool sound = size == 0
            ? next.quorum == 0 && next.overrideQuorum == 0
            : size <= MAX_GUARDIANS && next.quorum != 0 && next.quorum <= next.overrideQuorum
                && next.overrideQuorum <= size;
        bytes32 last;
        for (uint256 i; i < size; ++i) {
            sound = sound && next.keyIds[i] > last;
            last = next.keyIds[i];
        }
        if (!sound) revert Passport_BadGuardians();
    }

    /// @dev PAS-027: enough guardians in place have signed for this purpose in this round.
    function _requireQuorum(uint256 passport, uint8 purpose, bytes32 newKeyId, Approval[] calldata approvals)
        private
    {
        Guardians memory guardians = _guardians[passport];
        // What the override quorum has confirmed, a smaller one does not undo.
        bool overriding = purpose == PURPOSE_CONFIRM
            || (purpose != PURPOSE_VETO_GUARDIANS && _recoveries[passport].confirmed);
        uint256 needed = overriding ? guardians.overrideQuorum : guardians.quorum;
        if (needed == 0 || approvals.length < needed) revert Passport_NoQuorum(approvals.length, needed);
        uint256 round = _rounds[passport]++;
        string memory statement = _statement("Approve as guardian", passport);
        uint256 place;
        for (uint256 i; i < approvals.length; ++i) {
            bytes32 keyId = VERIFIER.keyId(approvals[i].key);
            // Both lists ascend: each guardian is found once.
            while (place < guardians.keyIds.length && guardians.keyIds[place] < keyId) ++place;
            if (place == guardians.keyIds.length || guardians.keyIds[place] != keyId) {
                revert Passport_NotGuardian(keyId);
            }
            ++place;
            uint64 deadline = approvals[i].proof.deadline;
            bytes32 structHash =
                keccak256(abi.encode(APPROVE_TYPE, passport, purpose, newKeyId, round, deadline));
            _requireSigned(approvals[i].key, keyId, structHash, approvals[i].proof, statement);
        }
    }

    /// @dev Whether a recovery can still execute, as it is or by confirmation.
    function _isOpen(Recovery memory recovery) private view returns (bool) {
        if (recovery.newKeyId == 0) return false;
        return
            recovery.vetoedAt == 0 || recovery.confirmed
                || block.timestamp <= recovery.vetoedAt + CONFIRM_WINDOW;
    }

    /// @dev Forgets guardians that were asked for.
    function _dropNextGuardians(uint256 passport) private {
        delete _nextGuardians[passport];
        delete _guardiansReadyAt[passport];
    }
}
