// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Badge, IBadges, STATE_GRANTED, STATE_REVOKED} from "../interfaces/IBadges.sol";
import {IPassport} from "../interfaces/IPassport.sol";
import {IPoints, PointsEntry, PointsItem, Season} from "../interfaces/IPoints.sol";
import {IValidatorSet} from "../interfaces/IValidatorSet.sol";
import {Domain} from "../passport/Domain.sol";

/// @title Points
/// @notice Ledger of points; see {IPoints}.
contract Points is IPoints, Domain {
    /// @dev PTS-003.
    uint64 private constant LATE_S = 7 days;
    /// @dev Kind of badges' entries.
    bytes32 private constant BADGE = keccak256("badge");
    bytes private constant ITEM_FIELDS =
        "PointsItem(uint256 passport,uint32 season,uint32 amount,bytes32 kind,bytes32 source)";
    bytes32 private constant ITEM_TYPE = keccak256(ITEM_FIELDS);
    bytes32 private constant BATCH_TYPE =
        keccak256(abi.encodePacked("PointsBatch(PointsItem[] items,uint64 deadline)", ITEM_FIELDS));
    bytes32 private constant REVERSAL_TYPE =
        keccak256("Reversal(uint256[] entries,bytes32 reason,uint64 deadline)");
    bytes32 private constant SEASON_TYPE = keccak256(
        "OpenSeason(uint32 season,uint64 start,uint64 end,uint64 passportCap,bytes32[] kinds,uint64[] kindCaps)"
    );

    /// @notice Passports that earn.
    IPassport public immutable PASSPORT;
    /// @notice Badges that are worth points.
    IBadges public immutable BADGES;
    /// @notice Who attests.
    IValidatorSet public immutable VALIDATORS;

    /// @inheritdoc IPoints
    mapping(uint256 passport => uint256) public totalOf;
    /// @inheritdoc IPoints
    mapping(uint32 season => mapping(uint256 passport => uint256)) public seasonTotalOf;
    /// @inheritdoc IPoints
    mapping(uint32 season => mapping(uint256 passport => mapping(bytes32 kind => uint256))) public
        kindTotalOf;
    /// @inheritdoc IPoints
    mapping(uint256 entry => bool) public isReversed;
    /// @inheritdoc IPoints
    uint256 public grandTotal;
    /// @inheritdoc IPoints
    uint32 public seasonCount;
    uint256 private _attestationCount;
    PointsEntry[] private _entries;
    mapping(uint32 season => Season) private _seasons;
    mapping(uint32 season => mapping(bytes32 kind => uint64)) private _kindCap;
    /// @dev Deeds that were counted, by hash of kind and source.
    mapping(bytes32 deed => bool) private _counted;
    /// @dev Entry of a badge that counts now; zero for none.
    mapping(uint256 tokenId => uint256) private _badgeEntry;

    /// @param passport Passports that earn.
    /// @param badges Badges that are worth points.
    /// @param validators Who attests.
    constructor(IPassport passport, IBadges badges, IValidatorSet validators) {
        (PASSPORT, BADGES, VALIDATORS) = (passport, badges, validators);
    }

    /// @inheritdoc IPoints
    function record(PointsItem[] calldata items, uint64 deadline, uint64 setEpoch, bytes calldata signatures)
        external
    {
        uint256 attestation = _attested(recordDigest(items, deadline), deadline, setEpoch, signatures);
        for (uint256 i; i < items.length; ++i) {
            PointsItem calldata item = items[i];
            if (PASSPORT.generationOf(item.passport) == 0) revert Points_UnknownPassport(item.passport);
            _requireTaking(item.season);
            bytes32 deed = keccak256(abi.encode(item.kind, item.source));
            if (_counted[deed]) revert Points_Counted(item.kind, item.source); // PTS-002
            _counted[deed] = true;
            uint64 given = _withinCaps(item);
            if (given != 0) {
                _append(item.passport, int64(given), item.season, item.kind, item.source, attestation);
            }
        }
    }

    /// @inheritdoc IPoints
    function reverse(
        uint256[] calldata entries,
        bytes32 reason,
        uint64 deadline,
        uint64 setEpoch,
        bytes calldata signatures
    ) external {
        bytes32 digest = reversalDigest(entries, reason, deadline);
        uint256 attestation = _attested(digest, deadline, setEpoch, signatures);
        for (uint256 i; i < entries.length; ++i) {
            uint256 entry = entries[i];
            if (entry == 0 || entry > _entries.length || _entries[entry - 1].amount <= 0) {
                revert Points_NotReversible(entry);
            }
            if (_entries[entry - 1].season == 0) revert Points_FollowsBadge(entry);
            _reverse(entry, attestation);
        }
    }

    /// @inheritdoc IPoints
    function openSeason(Season calldata terms, uint64 setEpoch, bytes calldata signatures) external {
        VALIDATORS.check(seasonDigest(terms), setEpoch, signatures);
        uint64 before = _seasons[seasonCount].end;
        uint32 season = ++seasonCount;
        if (terms.end <= terms.start || terms.start < before || terms.kinds.length != terms.kindCaps.length) {
            revert Points_BadSeason(); // PTS-003
        }
        _seasons[season] = terms;
        for (uint256 i; i < terms.kinds.length; ++i) {
            _kindCap[season][terms.kinds[i]] = terms.kindCaps[i];
        }
        emit SeasonOpened(season, terms);
    }

    /// @inheritdoc IPoints
    function syncBadges(uint256[] calldata tokenIds) external {
        for (uint256 i; i < tokenIds.length; ++i) {
            uint256 tokenId = tokenIds[i];
            Badge memory badge = BADGES.badgeOf(tokenId);
            if (badge.state != STATE_GRANTED && badge.state != STATE_REVOKED) continue; // PTS-005
            int64 worth = badge.state == STATE_GRANTED ? int64(uint64(badge.points)) : int64(0);
            uint256 entry = _badgeEntry[tokenId];
            int64 counted = entry == 0 ? int64(0) : _entries[entry - 1].amount;
            if (worth == counted) continue;
            if (entry != 0) _reverse(entry, 0);
            _badgeEntry[tokenId] =
                worth == 0 ? 0 : _append(badge.passport, worth, 0, BADGE, bytes32(tokenId), 0);
        }
    }

    /// @inheritdoc IPoints
    function entryCount() external view returns (uint256) {
        return _entries.length;
    }

    /// @inheritdoc IPoints
    function entryOf(uint256 entry) external view returns (PointsEntry memory) {
        return _entries[entry - 1];
    }

    /// @inheritdoc IPoints
    function seasonOf(uint32 season) external view returns (Season memory) {
        return _seasons[season];
    }

    /// @inheritdoc IPoints
    function recordDigest(PointsItem[] calldata items, uint64 deadline) public view returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](items.length);
        for (uint256 i; i < items.length; ++i) {
            hashes[i] = keccak256(abi.encode(ITEM_TYPE, items[i]));
        }
        return _digest(keccak256(abi.encode(BATCH_TYPE, keccak256(abi.encodePacked(hashes)), deadline)));
    }

    /// @inheritdoc IPoints
    function reversalDigest(uint256[] calldata entries, bytes32 reason, uint64 deadline)
        public
        view
        returns (bytes32)
    {
        return _digest(
            keccak256(abi.encode(REVERSAL_TYPE, keccak256(abi.encodePacked(entries)), reason, deadline))
        );
    }

    /// @inheritdoc IPoints
    function seasonDigest(Season calldata terms) public view returns (bytes32) {
        bytes32 kinds = keccak256(abi.encodePacked(terms.kinds));
        bytes32 caps = keccak256(abi.encodePacked(terms.kindCaps));
        return _digest(
            keccak256(
                abi.encode(
                    SEASON_TYPE, seasonCount + 1, terms.start, terms.end, terms.passportCap, kinds, caps
                )
            )
        );
    }

    /// @dev Checks an attestation and numbers it. What it says serves once by the rules of what it says.
    function _attested(bytes32 digest, uint64 deadline, uint64 setEpoch, bytes calldata signatures)
        private
        returns (uint256 attestation)
    {
        if (block.timestamp > deadline) revert Points_Expired(deadline);
        uint256 signers = VALIDATORS.check(digest, setEpoch, signatures);
        attestation = ++_attestationCount;
        emit PointsAttested(attestation, setEpoch, signers);
    }

    /// @dev PTS-003.
    function _requireTaking(uint32 season) private view {
        Season storage terms = _seasons[season];
        if (season == 0 || block.timestamp < terms.start || block.timestamp >= terms.end + LATE_S) {
            revert Points_SeasonClosed(season);
        }
    }

    /// @dev PTS-004: what the caps leave of a deed's points.
    function _withinCaps(PointsItem calldata item) private returns (uint64 given) {
        uint256 left = _left(_seasons[item.season].passportCap, seasonTotalOf[item.season][item.passport]);
        uint256 kindLeft =
            _left(_kindCap[item.season][item.kind], kindTotalOf[item.season][item.passport][item.kind]);
        if (kindLeft < left) left = kindLeft;
        given = left < item.amount ? uint64(left) : item.amount;
        if (given < item.amount) {
            emit PointsCapped(item.passport, item.season, item.kind, item.amount, given);
        }
    }

    function _left(uint256 cap, uint256 used) private pure returns (uint256) {
        return cap > used ? cap - used : 0;
    }

    /// @dev PTS-001: the other side of an entry.
    function _reverse(uint256 entry, uint256 attestation) private {
        if (isReversed[entry]) revert Points_Reversed(entry);
        isReversed[entry] = true;
        PointsEntry memory undone = _entries[entry - 1];
        _append(undone.passport, -undone.amount, undone.season, undone.kind, bytes32(entry), attestation);
    }

    /// @dev PTS-006: writes a line and carries the sums.
    function _append(
        uint256 passport,
        int64 amount,
        uint32 season,
        bytes32 kind,
        bytes32 source,
        uint256 attestation
    ) private returns (uint256 entry) {
        _entries.push(
            PointsEntry(uint96(passport), amount, uint64(block.timestamp), season, kind, source, attestation)
        );
        entry = _entries.length;
        totalOf[passport] = _add(totalOf[passport], amount);
        grandTotal = _add(grandTotal, amount);
        if (season != 0) {
            seasonTotalOf[season][passport] = _add(seasonTotalOf[season][passport], amount);
            kindTotalOf[season][passport][kind] = _add(kindTotalOf[season][passport][kind], amount);
        }
        emit PointsRecorded(entry, passport, season, amount, kind, source, attestation);
    }

    function _add(uint256 sum, int64 amount) private pure returns (uint256) {
        return amount < 0 ? sum - uint64(-amount) : sum + uint64(amount);
    }

    function _domainName() internal pure override returns (string memory) {
        return "T-Rex Points";
    }
}
