// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IBadges} from "../interfaces/IBadges.sol";
import {IMintStages, MintRequest, Stage} from "../interfaces/IMintStages.sol";
import {Credential, INullifiers} from "../interfaces/INullifiers.sol";
import {IPassport, ROLE_NONE} from "../interfaces/IPassport.sol";

/// @title MintStages
/// @notice Stages, allow lists and quotas of mints, counted by human; see {IMintStages}.
contract MintStages is IMintStages {
    /// @notice Passports.
    IPassport public immutable PASSPORT;
    /// @notice Accounts of humans.
    INullifiers public immutable NULLIFIERS;
    /// @notice Badges.
    IBadges public immutable BADGES;

    mapping(address collection => mapping(uint256 stage => Stage)) private _stages;
    /// @inheritdoc IMintStages
    mapping(address collection => mapping(uint256 stage => uint256)) public takenOf;
    /// @dev Pieces by collection, stage, and passport or canonical nullifier.
    mapping(bytes32 key => uint256) private _taken;

    /// @param passport Passports.
    /// @param nullifiers Accounts of humans.
    /// @param badges Badges.
    constructor(IPassport passport, INullifiers nullifiers, IBadges badges) {
        (PASSPORT, NULLIFIERS, BADGES) = (passport, nullifiers, badges);
    }

    /// @inheritdoc IMintStages
    function setStage(uint256 stage, Stage calldata terms) external {
        Stage storage old = _stages[msg.sender][stage];
        if (old.end != 0 && block.timestamp >= old.start) revert MintStages_Begun(stage); // PTS-063
        if (
            terms.end <= terms.start || terms.start < block.timestamp || terms.quota == 0
                || terms.personQuota == 0 || (terms.policy == 0) != (terms.minLevel == 0)
        ) revert MintStages_BadStage(stage);
        _stages[msg.sender][stage] = terms;
        emit StageSet(msg.sender, stage, terms);
    }

    /// @inheritdoc IMintStages
    function closeStage(uint256 stage) external {
        Stage storage terms = _stages[msg.sender][stage];
        if (block.timestamp >= terms.end) revert MintStages_NotOn(stage);
        (terms.start, terms.end) = (0, 1); // over, and begun, so that it is not set again
        emit StageClosed(msg.sender, stage);
    }

    /// @inheritdoc IMintStages
    function consume(uint256 stage, MintRequest calldata request) external returns (uint256 passport) {
        uint256 left;
        (passport, left) = available(msg.sender, stage, request); // PTS-060
        if (request.quantity == 0 || request.quantity > left) {
            revert MintStages_OverQuota(request.quantity, left);
        }
        bytes32 canonical = NULLIFIERS.canonicalOf(request.nullifier);
        takenOf[msg.sender][stage] += request.quantity;
        _taken[_key(msg.sender, stage, bytes32(passport))] += request.quantity;
        _taken[_key(msg.sender, stage, canonical)] += request.quantity;
        emit Minted(msg.sender, stage, passport, canonical, request.quantity);
    }

    /// @inheritdoc IMintStages
    function stageOf(address collection, uint256 stage) external view returns (Stage memory) {
        return _stages[collection][stage];
    }

    /// @inheritdoc IMintStages
    function available(address collection, uint256 stage, MintRequest calldata request)
        public
        view
        returns (uint256 passport, uint256 left)
    {
        Stage memory terms = _stages[collection][stage];
        if (block.timestamp < terms.start || block.timestamp >= terms.end) revert MintStages_NotOn(stage);
        passport = _personOf(terms, request);
        left = terms.personQuota;
        if (terms.allowRoot != 0) {
            bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(passport, request.allowance)))); // PTS-061
            if (!MerkleProof.verifyCalldata(request.proof, terms.allowRoot, leaf)) {
                revert MintStages_NotListed(passport);
            }
            left = _least(left, request.allowance);
        }
        bytes32 canonical = NULLIFIERS.canonicalOf(request.nullifier);
        uint256 byPassport = _taken[_key(collection, stage, bytes32(passport))];
        uint256 byNullifier = _taken[_key(collection, stage, canonical)];
        uint256 had = byPassport > byNullifier ? byPassport : byNullifier; // PTS-062
        left = left > had ? left - had : 0;
        left = _least(left, terms.quota - takenOf[collection][stage]);
    }

    /// @dev The passport that asks, if it is eligible (PTS-061, PTS-062).
    function _personOf(Stage memory terms, MintRequest calldata request)
        private
        view
        returns (uint256 passport)
    {
        uint8 role;
        (passport, role) = PASSPORT.passportOfAccount(request.account);
        if (role == ROLE_NONE) revert MintStages_NoPassport(request.account);
        if (NULLIFIERS.holderOf(request.nullifier) != passport) {
            revert MintStages_NoCredential(passport, request.nullifier);
        }
        Credential memory credential = NULLIFIERS.credentialOf(request.nullifier);
        if (terms.scope != 0 && credential.scope != terms.scope) {
            revert MintStages_NoCredential(passport, request.nullifier);
        }
        if (terms.policy != 0 && BADGES.levelOf(terms.policy, passport) < terms.minLevel) {
            revert MintStages_NoBadge(passport, terms.policy, terms.minLevel);
        }
    }

    function _key(address collection, uint256 stage, bytes32 who) private pure returns (bytes32) {
        return keccak256(abi.encode(collection, stage, who));
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
