// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {
    Badge,
    Grant,
    IBadges,
    STATE_EXPIRED,
    STATE_GRANTED,
    STATE_NONE,
    STATE_REVOKED,
    STATE_SUSPENDED
} from "../interfaces/IBadges.sol";
import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {INullifiers} from "../interfaces/INullifiers.sol";
import {IQuarantine} from "../interfaces/IQuarantine.sol";
import {IPolicies} from "../interfaces/IPolicies.sol";
import {IValidatorSet} from "../interfaces/IValidatorSet.sol";
import {IERC5192, IERC5484} from "../interfaces/ISoulbound.sol";
import {PassportActs} from "../passport/PassportActs.sol";

/// @title BadgeStore
/// @notice Records of badges and the grants that write them; see {IBadges}.
abstract contract BadgeStore is IBadges, PassportActs {
    bytes internal constant GRANT_FIELDS =
        "Grant(uint256 passport,bytes32 policy,bytes32[] nullifiers,bytes32 evidence,bytes32 validatorVersion,uint64 attestedAt,uint64 expiresAt,uint64 deadline,uint16 level,uint32 points,uint8 evidenceClass)";
    bytes32 private constant GRANT_TYPE = keccak256(GRANT_FIELDS);
    bytes32 private constant BATCH_TYPE =
        keccak256(abi.encodePacked("GrantBatch(Grant[] grants)", GRANT_FIELDS));
    /// @dev BDG-011.
    uint256 internal constant MAX_NULLIFIERS = 48;

    /// @dev A badge. `newest`: when it was last decided about; nothing decided before or then counts any more.
    struct Record {
        uint96 passport;
        uint64 newest;
        uint64 expiresAt;
        uint16 level;
        uint8 stored;
        uint8 evidenceClass;
        bytes32 policy;
        bytes32 evidence;
        uint64 attestation;
        uint32 version;
        uint32 points;
        bytes32[] nullifiers;
    }

    /// @dev Who attested a batch, and when it was recorded: a time that no attestor chooses.
    struct Attestation {
        uint256 signers;
        uint64 setEpoch;
        uint64 recordedAt;
    }

    /// @notice Who attests.
    IValidatorSet public immutable VALIDATORS;
    /// @notice Accounts of humans.
    INullifiers public immutable NULLIFIERS;
    /// @notice Policies.
    IPolicies public immutable POLICIES;
    /// @notice What is distrusted.
    IQuarantine public immutable QUARANTINE;

    /// @inheritdoc IBadges
    uint256 public minted;
    /// @inheritdoc IBadges
    uint256 public totalSupply;
    /// @inheritdoc IBadges
    mapping(bytes32 policy => mapping(uint256 passport => uint256)) public tokenOf;
    /// @inheritdoc IBadges
    mapping(bytes32 policy => mapping(bytes32 canonical => uint256)) public usedBy;
    mapping(uint256 tokenId => Record) internal _records;
    Attestation[] internal _attestations;
    bytes32[] internal _versions;
    /// @dev Place in `_versions`, from 1.
    mapping(bytes32 version => uint256) internal _versionPlace;
    mapping(uint256 passport => uint256) internal _balances;
    /// @dev Passport of an address that owns badges.
    mapping(address owner => uint256) internal _passportAt;

    /// @param validators Who attests.
    /// @param nullifiers Accounts of humans.
    /// @param policies Policies.
    /// @param quarantine What is distrusted.
    constructor(
        IValidatorSet validators,
        INullifiers nullifiers,
        IPolicies policies,
        IQuarantine quarantine
    ) {
        (VALIDATORS, NULLIFIERS, POLICIES, QUARANTINE) = (validators, nullifiers, policies, quarantine);
    }

    /// @inheritdoc IBadges
    function grant(Grant[] calldata grants, uint64 setEpoch, bytes calldata signatures) external {
        if (grants.length == 0) revert Badges_Empty();
        uint256 signers = VALIDATORS.check(grantDigest(grants), setEpoch, signatures); // BDG-010
        _attestations.push(Attestation(signers, setEpoch, uint64(block.timestamp)));
        uint256 number = _attestations.length;
        emit Attested(number, setEpoch, signers);
        for (uint256 i; i < grants.length; ++i) {
            _grant(grants[i], number);
        }
    }

    /// @inheritdoc IBadges
    function stateOf(uint256 tokenId) public view returns (uint8) {
        Record storage badge = _records[tokenId];
        uint8 stored = badge.stored;
        if (stored == STATE_NONE || stored == STATE_REVOKED) return stored;
        if (stored == STATE_SUSPENDED || _touched(badge) != 0 || _hasMoved(badge)) return STATE_SUSPENDED;
        return badge.expiresAt != 0 && block.timestamp >= badge.expiresAt ? STATE_EXPIRED : STATE_GRANTED; // BDG-020
    }

    /// @inheritdoc IBadges
    function levelOf(bytes32 policy, uint256 passport) external view returns (uint16) {
        uint256 tokenId = tokenOf[policy][passport];
        return stateOf(tokenId) == STATE_GRANTED ? _records[tokenId].level : 0;
    }

    /// @inheritdoc IBadges
    function badgeOf(uint256 tokenId) public view returns (Badge memory badge) {
        Record storage found = _records[tokenId];
        if (found.stored == STATE_NONE) revert Badges_Unknown(tokenId);
        Attestation storage attestation = _attestations[found.attestation - 1];
        badge.passport = found.passport;
        badge.policy = found.policy;
        badge.nullifiers = found.nullifiers;
        badge.evidence = found.evidence;
        badge.validatorVersion = _versions[found.version - 1];
        (badge.attestedAt, badge.expiresAt) = (found.newest, found.expiresAt);
        (badge.recordedAt, badge.setEpoch) = (attestation.recordedAt, attestation.setEpoch);
        badge.signers = attestation.signers;
        (badge.level, badge.points, badge.evidenceClass) = (found.level, found.points, found.evidenceClass);
        badge.state = stateOf(tokenId);
    }

    /// @inheritdoc IBadges
    function addressOf(uint256 passport) public pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("T-Rex passport", passport))))); // BDG-040
    }

    /// @inheritdoc IBadges
    function grantDigest(Grant[] calldata grants) public view returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](grants.length);
        for (uint256 i; i < grants.length; ++i) {
            hashes[i] = _hash(grants[i]);
        }
        return _digest(keccak256(abi.encode(BATCH_TYPE, keccak256(abi.encodePacked(hashes)))));
    }

    /// @dev One grant of a batch.
    function _grant(Grant calldata wanted, uint256 number) private {
        _requireSound(wanted);
        uint256 tokenId = tokenOf[wanted.policy][wanted.passport];
        if (tokenId == 0) {
            tokenId = ++minted;
            tokenOf[wanted.policy][wanted.passport] = tokenId;
        }
        Record storage badge = _records[tokenId];
        if (wanted.attestedAt <= badge.newest) revert Badges_Stale(wanted.attestedAt, badge.newest); // BDG-012
        if (badge.stored == STATE_NONE || badge.stored == STATE_REVOKED) _mint(tokenId, wanted.passport);
        _use(wanted, tokenId, badge);
        badge.passport = uint96(wanted.passport);
        (badge.newest, badge.expiresAt) = (wanted.attestedAt, wanted.expiresAt);
        (badge.level, badge.stored, badge.evidenceClass) = (wanted.level, STATE_GRANTED, wanted.evidenceClass);
        (badge.policy, badge.evidence) = (wanted.policy, wanted.evidence);
        badge.attestation = uint64(number);
        (badge.version, badge.points) = (_versionNumber(wanted.validatorVersion), wanted.points);
        uint256 caseId = _touched(badge);
        if (caseId != 0) revert Badges_Quarantined(caseId); // BDG-032
        emit IERC4906.MetadataUpdate(tokenId);
        _emitGranted(wanted, tokenId, number);
    }

    /// @dev BDG-002, BDG-003, BDG-011, BDG-013.
    function _requireSound(Grant calldata wanted) private view {
        if (block.timestamp > wanted.deadline) revert Badges_Expired(wanted.deadline);
        if (wanted.attestedAt > block.timestamp) revert Badges_Stale(wanted.attestedAt, block.timestamp);
        if (wanted.expiresAt != 0 && block.timestamp >= wanted.expiresAt) {
            revert Badges_Expired(wanted.expiresAt);
        }
        (bool active, uint16 maxLevel, uint8 evidenceClass) = POLICIES.termsOf(wanted.policy);
        if (!active) revert Badges_PolicyClosed(wanted.policy);
        if (wanted.level == 0 || wanted.level > maxLevel) revert Badges_BadLevel(wanted.level, maxLevel);
        if (wanted.evidenceClass != evidenceClass) {
            revert Badges_WrongEvidenceClass(wanted.evidenceClass, evidenceClass);
        }
        uint256 size = wanted.nullifiers.length;
        if (size == 0 || size > MAX_NULLIFIERS) revert Badges_BadNullifiers(size);
    }

    /// @dev BDG-011: takes the nullifiers of a grant into use by a badge, and lets those go that it had before.
    function _use(Grant calldata wanted, uint256 tokenId, Record storage badge) private {
        _free(badge);
        for (uint256 i; i < wanted.nullifiers.length; ++i) {
            bytes32 canonical = NULLIFIERS.canonicalOf(wanted.nullifiers[i]);
            if (canonical == 0 || NULLIFIERS.holderOf(canonical) != wanted.passport) {
                revert Badges_NotHolder(wanted.passport, wanted.nullifiers[i]);
            }
            uint256 user = usedBy[wanted.policy][canonical];
            if (user != 0) revert Badges_NullifierUsed(canonical, user);
            usedBy[wanted.policy][canonical] = tokenId;
            badge.nullifiers.push(canonical);
        }
    }

    /// @dev Lets a badge's nullifiers go.
    function _free(Record storage badge) internal {
        for (uint256 i; i < badge.nullifiers.length; ++i) {
            delete usedBy[badge.policy][badge.nullifiers[i]];
        }
        delete badge.nullifiers;
    }

    /// @dev A badge gets its owner.
    function _mint(uint256 tokenId, uint256 passport) private {
        address owner = addressOf(passport);
        _passportAt[owner] = passport;
        ++_balances[passport];
        ++totalSupply;
        emit IERC721.Transfer(address(0), owner, tokenId);
        emit IERC5192.Locked(tokenId);
        emit IERC5484.Issued(address(0), owner, tokenId, IERC5484.BurnAuth.Both);
    }

    /// @dev BDG-022: a badge loses its owner; what was decided until now does not bring it back.
    function _revoke(uint256 tokenId, bytes32 reason) internal {
        Record storage badge = _records[tokenId];
        (badge.stored, badge.newest) = (STATE_REVOKED, uint64(block.timestamp));
        --_balances[badge.passport];
        --totalSupply;
        emit IERC721.Transfer(addressOf(badge.passport), address(0), tokenId);
        emit BadgeState(tokenId, STATE_REVOKED, reason);
    }

    /// @dev BDG-021.
    function _hasMoved(Record storage badge) private view returns (bool) {
        uint256 passport = badge.passport;
        for (uint256 i; i < badge.nullifiers.length; ++i) {
            if (NULLIFIERS.holderOf(badge.nullifiers[i]) != passport) return true;
        }
        return false;
    }

    /// @dev First open case that touches a badge (BDG-031), zero for none.
    function _touched(Record storage badge) internal view returns (uint256 caseId) {
        Attestation storage attestation = _attestations[badge.attestation - 1];
        return QUARANTINE.touching(
            attestation.setEpoch, attestation.signers, attestation.recordedAt, _versions[badge.version - 1]
        );
    }

    /// @dev Number of a version, given at first use.
    function _versionNumber(bytes32 version) private returns (uint32) {
        uint256 place = _versionPlace[version];
        if (place == 0) {
            _versions.push(version);
            place = _versions.length;
            _versionPlace[version] = place;
        }
        return uint32(place);
    }

    function _emitGranted(Grant calldata wanted, uint256 tokenId, uint256 number) private {
        emit BadgeGranted(
            tokenId,
            wanted.passport,
            wanted.policy,
            wanted.level,
            wanted.points,
            wanted.expiresAt,
            wanted.evidence,
            wanted.validatorVersion,
            number
        );
    }

    /// @dev EIP-712 hash of one grant, in two halves for the stack's sake.
    function _hash(Grant calldata wanted) private pure returns (bytes32) {
        bytes memory first = abi.encode(
            GRANT_TYPE,
            wanted.passport,
            wanted.policy,
            keccak256(abi.encodePacked(wanted.nullifiers)),
            wanted.evidence,
            wanted.validatorVersion
        );
        bytes memory second = abi.encode(
            wanted.attestedAt,
            wanted.expiresAt,
            wanted.deadline,
            wanted.level,
            wanted.points,
            wanted.evidenceClass
        );
        return keccak256(bytes.concat(first, second));
    }
}
