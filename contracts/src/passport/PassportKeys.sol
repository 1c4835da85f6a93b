// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {IKeyVerifier, KEY_EVM, Key, Proof} from "../interfaces/IKeyVerifier.sol";
import {IPassport, ROLE_ACTING, ROLE_LINKED, ROLE_NONE, SUBJECT_REMOVAL} from "../interfaces/IPassport.sol";
import {Domain} from "./Domain.sol";

/// @title PassportKeys
/// @notice Keys of a passport and acts proved by them; see {IPassport}.
abstract contract PassportKeys is IPassport, Domain, ReentrancyGuardTransient {
    /// @dev How long a key that left one passport stays out of another (PAS-010).
    uint64 internal constant MOVE_COOLDOWN = 45 days;
    /// @dev How long the removal of another key can be vetoed (PAS-020).
    uint64 internal constant REMOVAL_DELAY = 7 days;
    /// @dev Acting keys of a passport (PAS-009).
    uint256 internal constant MAX_KEYS = 16;
    /// @dev How far a signer's clock may be ahead.
    uint256 internal constant CLOCK_SKEW_S = 5 minutes;

    bytes32 private constant CREATE_TYPE =
        keccak256("CreatePassport(bytes32 keyId,uint256 keyNonce,uint256 deadline)");
    bytes32 private constant TAKE_TYPE =
        keccak256("TakeKey(uint256 passport,bytes32 keyId,uint8 role,uint256 nonce,uint256 deadline)");
    bytes32 private constant ENTER_TYPE = keccak256(
        "EnterPassport(uint256 passport,bytes32 keyId,uint8 role,uint256 keyNonce,uint256 deadline)"
    );
    bytes32 private constant REMOVE_TYPE =
        keccak256("RemoveKey(uint256 passport,bytes32 keyId,uint256 nonce,uint256 deadline)");
    bytes32 private constant PAYOUT_TYPE =
        keccak256("SetPayout(uint256 passport,address payout,uint256 nonce,uint256 deadline)");

    /// @dev A passport; what acts and payments touch is one slot. `recoveredAt` is zero before the first recovery.
    struct State {
        address payout;
        uint32 generation;
        uint48 nonce;
        uint16 keyCount;
        uint64 recoveredAt;
    }

    /// @dev Where a key is or was. Role none: it left at `freedAt`.
    struct KeyRecord {
        uint96 passport;
        uint64 generation;
        uint64 freedAt;
        uint8 role;
    }

    /// @dev A removal that waits.
    struct Removal {
        bytes32 keyId;
        uint64 readyAt;
    }

    /// @dev Checks signatures; calls what ERC-6492 signers name, so it has no rights here.
    IKeyVerifier internal immutable VERIFIER;

    /// @inheritdoc IPassport
    uint256 public count;
    mapping(uint256 passport => State) internal _states;
    mapping(bytes32 keyId => KeyRecord) internal _keys;
    /// @inheritdoc IPassport
    mapping(bytes32 keyId => uint256) public keyNonceOf;
    mapping(uint256 passport => Removal) internal _removals;

    /// @param verifier Checks signatures.
    constructor(IKeyVerifier verifier) {
        VERIFIER = verifier;
    }

    /// @inheritdoc IPassport
    function create(Key calldata key, Proof calldata proof) external nonReentrant returns (uint256 passport) {
        bytes32 keyId = VERIFIER.keyId(key);
        passport = ++count; // PAS-001
        _states[passport].generation = 1;
        _enter(passport, keyId, ROLE_ACTING);
        bytes32 structHash = keccak256(abi.encode(CREATE_TYPE, keyId, keyNonceOf[keyId]++, proof.deadline));
        _requireSigned(key, keyId, structHash, proof, "Create a T-Rex passport.");
        emit PassportCreated(passport, keyId, key.kind, key.data);
    }

    /// @inheritdoc IPassport
    function addKey(
        uint256 passport,
        Key calldata actor,
        Proof calldata actorProof,
        Key calldata key,
        uint8 role,
        Proof calldata keyProof
    ) external nonReentrant {
        if (role != ROLE_ACTING && role != ROLE_LINKED) revert Passport_BadRole(role);
        bytes32 keyId = VERIFIER.keyId(key);
        uint64 nonce = _states[passport].nonce++;
        bytes32 structHash =
            keccak256(abi.encode(TAKE_TYPE, passport, keyId, role, nonce, actorProof.deadline));
        _requireAct(passport, actor, structHash, actorProof, "Take a key in");
        _enter(passport, keyId, role);
        _requireEntry(passport, key, keyId, role, keyProof);
        emit KeyAdded(passport, keyId, role, key.kind, key.data);
    }

    /// @inheritdoc IPassport
    function removeKey(uint256 passport, Key calldata actor, Proof calldata proof, bytes32 keyId)
        external
        nonReentrant
    {
        uint8 role = _roleIn(passport, keyId);
        if (role == ROLE_NONE) revert Passport_NotInPassport(passport, keyId);
        bytes32 actorId = VERIFIER.keyId(actor);
        uint64 nonce = _states[passport].nonce++;
        bytes32 structHash = keccak256(abi.encode(REMOVE_TYPE, passport, keyId, nonce, proof.deadline));
        string memory statement = _statement("Take a key out", passport);
        if (actorId != keyId && !isActing(passport, actorId)) revert Passport_NotActing(passport, actorId);
        _requireSigned(actor, actorId, structHash, proof, statement);
        if (actorId == keyId || role == ROLE_LINKED) {
            _leave(passport, keyId, role);
        } else {
            uint64 readyAt = uint64(block.timestamp) + REMOVAL_DELAY; // PAS-020
            _removals[passport] = Removal(keyId, readyAt);
            emit RemovalProposed(passport, keyId, actorId, readyAt);
        }
    }

    /// @inheritdoc IPassport
    function executeRemoval(uint256 passport) external nonReentrant {
        Removal memory removal = _removals[passport];
        if (removal.readyAt == 0) revert Passport_NothingPending(passport, SUBJECT_REMOVAL);
        if (block.timestamp < removal.readyAt) revert Passport_TooEarly(removal.readyAt);
        _leave(passport, removal.keyId, ROLE_ACTING);
    }

    /// @inheritdoc IPassport
    function setPayout(uint256 passport, Key calldata actor, Proof calldata proof, address payout)
        external
        nonReentrant
    {
        uint64 nonce = _states[passport].nonce++;
        bytes32 structHash = keccak256(abi.encode(PAYOUT_TYPE, passport, payout, nonce, proof.deadline));
        _requireAct(passport, actor, structHash, proof, "Set where rewards go");
        if (payout != address(0) && _roleIn(passport, _accountKeyId(payout)) == ROLE_NONE) {
            revert Passport_BadPayout(payout); // PAS-011
        }
        _states[passport].payout = payout;
        emit PayoutChanged(passport, payout);
    }

    /// @inheritdoc IPassport
    function passportOf(bytes32 keyId) public view returns (uint256 passport, uint8 role) {
        KeyRecord memory key = _keys[keyId];
        return _alive(key) ? (uint256(key.passport), key.role) : (0, ROLE_NONE);
    }

    /// @inheritdoc IPassport
    function passportOfAccount(address account) external view returns (uint256 passport, uint8 role) {
        return passportOf(_accountKeyId(account));
    }

    /// @inheritdoc IPassport
    function isActing(uint256 passport, bytes32 keyId) public view returns (bool) {
        return _roleIn(passport, keyId) == ROLE_ACTING;
    }

    /// @inheritdoc IPassport
    function generationOf(uint256 passport) external view returns (uint64) {
        return _states[passport].generation;
    }

    /// @inheritdoc IPassport
    function nonceOf(uint256 passport) external view returns (uint64) {
        return _states[passport].nonce;
    }

    /// @inheritdoc IPassport
    function keyCountOf(uint256 passport) external view returns (uint256) {
        return _states[passport].keyCount;
    }

    /// @inheritdoc IPassport
    function payoutOf(uint256 passport) external view returns (address payout) {
        payout = _states[passport].payout;
        if (payout != address(0) && _roleIn(passport, _accountKeyId(payout)) == ROLE_NONE) return address(0); // PAS-011
    }

    /// @dev Role of a key in a passport, none when it is elsewhere or dead.
    function _roleIn(uint256 passport, bytes32 keyId) internal view returns (uint8) {
        (uint256 there, uint8 role) = passportOf(keyId);
        return there == passport ? role : ROLE_NONE;
    }

    /// @dev PAS-003: recovery kills acting keys, not links.
    function _alive(KeyRecord memory key) internal view returns (bool) {
        if (key.role == ROLE_LINKED) return true;
        return key.role == ROLE_ACTING && key.generation == _states[key.passport].generation;
    }

    /// @dev Puts a key into a passport, if it is free.
    function _enter(uint256 passport, bytes32 keyId, uint8 role) internal {
        KeyRecord memory key = _keys[keyId];
        State storage state = _states[passport];
        if (key.passport != 0) {
            // A linked wallet of this passport may become an acting key of it.
            bool promoted = key.role == ROLE_LINKED && role == ROLE_ACTING && key.passport == passport;
            if (_alive(key) && !promoted) revert Passport_KeyTaken(keyId, key.passport); // PAS-003
            if (key.passport != passport) {
                uint64 freedAt = key.role == ROLE_NONE ? key.freedAt : _states[key.passport].recoveredAt;
                if (block.timestamp < freedAt + MOVE_COOLDOWN) {
                    revert Passport_KeyCooling(keyId, freedAt + MOVE_COOLDOWN); // PAS-010
                }
            }
        }
        if (role == ROLE_ACTING && ++state.keyCount > MAX_KEYS) revert Passport_TooManyKeys(passport); // PAS-009
        _keys[keyId] = KeyRecord(uint96(passport), state.generation, 0, role);
    }

    /// @dev Takes a living key out of its passport.
    function _leave(uint256 passport, bytes32 keyId, uint8 role) internal {
        if (role == ROLE_ACTING && --_states[passport].keyCount == 0) revert Passport_LastKey(passport); // PAS-009
        _keys[keyId].role = ROLE_NONE;
        _keys[keyId].freedAt = uint64(block.timestamp);
        if (_removals[passport].keyId == keyId) delete _removals[passport];
        emit KeyRemoved(passport, keyId, role);
    }

    /// @dev PAS-004. The caller has counted the nonce into the hash.
    function _requireAct(
        uint256 passport,
        Key calldata actor,
        bytes32 structHash,
        Proof calldata proof,
        string memory action
    ) internal returns (bytes32 actorId) {
        actorId = VERIFIER.keyId(actor);
        if (_states[passport].generation == 0) revert Passport_Unknown(passport);
        if (!isActing(passport, actorId)) revert Passport_NotActing(passport, actorId);
        _requireSigned(actor, actorId, structHash, proof, _statement(action, passport));
    }

    /// @dev PAS-005.
    function _requireEntry(
        uint256 passport,
        Key calldata key,
        bytes32 keyId,
        uint8 role,
        Proof calldata proof
    ) internal {
        uint256 keyNonce = keyNonceOf[keyId]++;
        bytes32 structHash =
            keccak256(abi.encode(ENTER_TYPE, passport, keyId, role, keyNonce, proof.deadline));
        _requireSigned(key, keyId, structHash, proof, _statement("Enter", passport));
    }

    /// @dev A signature in time, or the account itself as sender.
    function _requireSigned(
        Key calldata key,
        bytes32 keyId,
        bytes32 structHash,
        Proof calldata proof,
        string memory statement
    ) internal {
        if (proof.signature.length == 0 && key.kind == KEY_EVM && address(bytes20(key.data)) == msg.sender) {
            return;
        }
        if (block.timestamp > proof.deadline) revert Passport_Expired(proof.deadline);
        if (proof.issuedAt > block.timestamp + CLOCK_SKEW_S) revert Passport_IssuedInFuture(proof.issuedAt);
        if (!VERIFIER.verify(key, _digest(structHash), statement, proof)) {
            revert Passport_BadSignature(keyId);
        }
    }

    /// @dev What a sign-in text says.
    function _statement(string memory action, uint256 passport) internal pure returns (string memory) {
        return string.concat(action, ": T-Rex passport ", Strings.toString(passport), ".");
    }

    /// @dev PAS-002 for an EVM account.
    function _accountKeyId(address account) internal pure returns (bytes32) {
        return keccak256(abi.encode(KEY_EVM, abi.encodePacked(account)));
    }

    /// @inheritdoc Domain
    function _domainName() internal pure override returns (string memory) {
        return "T-Rex Passport";
    }
}
