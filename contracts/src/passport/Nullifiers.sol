// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IKeyVerifier, Key, Proof} from "../interfaces/IKeyVerifier.sol";
import {Binding, Credential, INullifiers} from "../interfaces/INullifiers.sol";
import {IPassport} from "../interfaces/IPassport.sol";
import {IValidatorSet} from "../interfaces/IValidatorSet.sol";
import {PassportActs} from "./PassportActs.sol";

/// @title Nullifiers
/// @notice Accounts of humans by nullifier; see {INullifiers}.
contract Nullifiers is INullifiers, PassportActs, ReentrancyGuardTransient {
    /// @dev PAS-042, PAS-043. Longer than both delays of a recovery and the time to confirm it.
    uint64 private constant MOVE_COOLDOWN = 45 days;

    bytes32 private constant BIND_TYPE = keccak256(
        "BindNullifier(uint256 passport,bytes32 nullifier,bytes32 scope,bytes32 commitment,uint64 keyEpoch,uint64 attestedAt,uint64 deadline)"
    );
    bytes32 private constant RELEASE_TYPE =
        keccak256("ReleaseNullifier(uint256 passport,bytes32 canonical,uint256 nonce,uint256 deadline)");
    bytes32 private constant MAP_TYPE =
        keccak256("MapNullifiers(uint64 keyEpoch,bytes32[] from,bytes32[] to)");
    bytes32 private constant OPEN_TYPE = keccak256("OpenKeyEpoch(uint64 keyEpoch)");

    /// @notice Who attests.
    IValidatorSet public immutable VALIDATORS;

    /// @inheritdoc INullifiers
    mapping(bytes32 nullifier => bytes32) public canonicalOf;
    /// @inheritdoc INullifiers
    mapping(uint256 passport => uint256) public countOf;
    /// @inheritdoc INullifiers
    uint64 public keyEpoch = 1;
    /// @inheritdoc INullifiers
    uint256 public total;
    /// @inheritdoc INullifiers
    uint256 public mapped;
    mapping(bytes32 canonical => Credential) private _credentials;
    /// @dev Form under the newest epoch of k that the nullifier was mapped to.
    mapping(bytes32 canonical => bytes32) private _newestForm;

    /// @param passport Passports.
    /// @param verifier Checks signatures of passports' keys.
    /// @param validators Who attests.
    constructor(IPassport passport, IKeyVerifier verifier, IValidatorSet validators)
        PassportActs(passport, verifier)
    {
        VALIDATORS = validators;
    }

    /// @inheritdoc INullifiers
    function bind(Binding calldata binding, uint64 setEpoch, bytes calldata signatures) external {
        if (block.timestamp > binding.deadline) revert Nullifiers_Expired(binding.deadline); // PAS-041
        if (binding.keyEpoch != keyEpoch) revert Nullifiers_WrongKeyEpoch(binding.keyEpoch, keyEpoch); // PAS-044
        if (binding.nullifier == 0) revert Nullifiers_Zero();
        uint256 passport = binding.passport;
        if (PASSPORT.generationOf(passport) == 0) revert Nullifiers_UnknownPassport(passport);
        VALIDATORS.check(bindingDigest(binding), setEpoch, signatures);

        bytes32 canonical = canonicalOf[binding.nullifier];
        if (canonical == 0) {
            canonical = binding.nullifier; // PAS-040
            (canonicalOf[canonical], _newestForm[canonical]) = (canonical, canonical);
            ++total;
            ++countOf[passport];
            (_credentials[canonical].scope, _credentials[canonical].keyEpoch) = (binding.scope, keyEpoch);
            _renew(canonical, binding);
            return;
        }
        Credential storage credential = _credentials[canonical];
        if (binding.scope != credential.scope) revert Nullifiers_WrongScope(binding.scope, credential.scope);
        uint256 newest = credential.attestedAt > credential.moveAttestedAt
            ? credential.attestedAt
            : credential.moveAttestedAt;
        if (binding.attestedAt <= newest) revert Nullifiers_Stale(binding.attestedAt, newest);
        if (credential.passport == passport) {
            _renew(canonical, binding);
        } else if (_isFree(credential)) {
            _move(canonical, passport);
            _renew(canonical, binding);
        } else {
            if (credential.movingTo == passport) revert Nullifiers_MovePending(canonical);
            if (binding.attestedAt > block.timestamp) revert Nullifiers_Stale(binding.attestedAt, newest);
            uint64 readyAt = uint64(block.timestamp) + MOVE_COOLDOWN; // PAS-043
            (credential.movingTo, credential.moveReadyAt) = (uint96(passport), readyAt);
            credential.moveAttestedAt = binding.attestedAt;
            emit MoveStarted(canonical, credential.passport, passport, readyAt);
        }
    }

    /// @inheritdoc INullifiers
    function release(uint256 passport, Key calldata actor, Proof calldata proof, bytes32 nullifier)
        external
        nonReentrant
    {
        bytes32 canonical = _known(nullifier);
        Credential storage credential = _credentials[canonical];
        if (credential.passport != passport) revert Nullifiers_NotHolder(passport, canonical);
        bytes32 structHash =
            keccak256(abi.encode(RELEASE_TYPE, passport, canonical, actNonceOf[passport]++, proof.deadline));
        _requireAct(passport, actor, proof, structHash, "Let go of an account");
        credential.releasedAt = uint64(block.timestamp);
        credential.releaseGeneration = PASSPORT.generationOf(passport);
        emit Released(passport, canonical, uint64(block.timestamp) + MOVE_COOLDOWN);
    }

    /// @inheritdoc INullifiers
    function completeMove(bytes32 nullifier) external {
        bytes32 canonical = _known(nullifier);
        Credential storage credential = _credentials[canonical];
        uint256 to = credential.movingTo;
        if (to == 0) revert Nullifiers_NoMove(canonical);
        if (block.timestamp < credential.moveReadyAt) revert Nullifiers_TooEarly(credential.moveReadyAt);
        credential.attestedAt = credential.moveAttestedAt;
        _move(canonical, to);
        _settle(credential);
        credential.commitment = 0;
    }

    /// @inheritdoc INullifiers
    function map(bytes32[] calldata from, bytes32[] calldata to, uint64 setEpoch, bytes calldata signatures)
        external
    {
        if (from.length != to.length) revert Nullifiers_LengthMismatch(from.length, to.length);
        VALIDATORS.check(mappingDigest(from, to), setEpoch, signatures);
        uint64 next = keyEpoch + 1;
        for (uint256 i; i < from.length; ++i) {
            bytes32 canonical = _known(from[i]);
            Credential storage credential = _credentials[canonical];
            if (credential.keyEpoch == next || _newestForm[canonical] != from[i]) {
                revert Nullifiers_NotNewest(from[i]);
            }
            if (to[i] == 0) revert Nullifiers_Zero();
            if (canonicalOf[to[i]] != 0) revert Nullifiers_FormTaken(to[i]);
            (canonicalOf[to[i]], _newestForm[canonical]) = (canonical, to[i]);
            credential.keyEpoch = next;
            emit Mapped(canonical, from[i], to[i], next);
        }
        mapped += from.length;
    }

    /// @inheritdoc INullifiers
    function openKeyEpoch(uint64 setEpoch, bytes calldata signatures) external {
        VALIDATORS.check(openingDigest(), setEpoch, signatures);
        if (mapped != total) revert Nullifiers_Incomplete(mapped, total); // PAS-044
        mapped = 0;
        emit KeyEpochOpened(++keyEpoch);
    }

    /// @inheritdoc INullifiers
    function publish(bytes32 nullifier, bytes32 keyId, bytes32 salt) external {
        bytes32 canonical = _known(nullifier);
        Credential storage credential = _credentials[canonical];
        uint256 passport = credential.passport;
        if (keccak256(abi.encode(passport, keyId, salt)) != credential.commitment) {
            revert Nullifiers_WrongOpening(canonical); // PAS-045
        }
        (uint256 there,) = PASSPORT.passportOf(keyId);
        if (there != passport) revert Nullifiers_NotLinked(passport, keyId);
        emit Published(passport, canonical, keyId);
    }

    /// @inheritdoc INullifiers
    function holderOf(bytes32 nullifier) external view returns (uint256 passport) {
        return _credentials[canonicalOf[nullifier]].passport;
    }

    /// @inheritdoc INullifiers
    function credentialOf(bytes32 nullifier) external view returns (Credential memory) {
        return _credentials[_known(nullifier)];
    }

    /// @inheritdoc INullifiers
    function bindingDigest(Binding calldata binding) public view returns (bytes32) {
        return _digest(keccak256(abi.encode(BIND_TYPE, binding)));
    }

    /// @inheritdoc INullifiers
    function mappingDigest(bytes32[] calldata from, bytes32[] calldata to) public view returns (bytes32) {
        bytes32 left = keccak256(abi.encodePacked(from));
        return _digest(keccak256(abi.encode(MAP_TYPE, keyEpoch + 1, left, keccak256(abi.encodePacked(to)))));
    }

    /// @inheritdoc INullifiers
    function openingDigest() public view returns (bytes32) {
        return _digest(keccak256(abi.encode(OPEN_TYPE, keyEpoch + 1)));
    }

    /// @dev Records newer control by the holder; ends what was under way to take it away.
    function _renew(bytes32 canonical, Binding calldata binding) private {
        if (binding.attestedAt > block.timestamp) {
            revert Nullifiers_Stale(binding.attestedAt, block.timestamp);
        }
        Credential storage credential = _credentials[canonical];
        credential.passport = uint96(binding.passport);
        (credential.attestedAt, credential.commitment) = (binding.attestedAt, binding.commitment);
        _settle(credential);
        emit Bound(binding.passport, binding.nullifier, canonical, binding.scope, binding.commitment);
    }

    /// @dev PAS-042: released long enough ago, by keys that no recovery has replaced since.
    function _isFree(Credential memory credential) private view returns (bool) {
        return credential.releasedAt != 0 && block.timestamp >= credential.releasedAt + MOVE_COOLDOWN
            && credential.releaseGeneration == PASSPORT.generationOf(credential.passport);
    }

    /// @dev Another holder.
    function _move(bytes32 canonical, uint256 to) private {
        Credential storage credential = _credentials[canonical];
        uint256 from = credential.passport;
        --countOf[from];
        ++countOf[to];
        credential.passport = uint96(to);
        emit Moved(canonical, from, to);
    }

    /// @dev No release and no move is under way.
    function _settle(Credential storage credential) private {
        (credential.releasedAt, credential.releaseGeneration) = (0, 0);
        (credential.movingTo, credential.moveReadyAt, credential.moveAttestedAt) = (0, 0, 0);
    }

    /// @dev Canonical form of a nullifier that someone has bound.
    function _known(bytes32 nullifier) private view returns (bytes32 canonical) {
        canonical = canonicalOf[nullifier];
        if (canonical == 0) revert Nullifiers_Unknown(nullifier);
    }

    function _domainName() internal pure override returns (string memory) {
        return "T-Rex Nullifiers";
    }
}
