// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @notice Points for a deed, as the validator set attests them.
/// @param passport Who did it.
/// @param season In which season.
/// @param amount Points before caps.
/// @param kind Kind of deed, such as keccak256("task/daily").
/// @param source What identifies the deed within its kind.
struct PointsItem {
    uint256 passport;
    uint32 season;
    uint32 amount;
    bytes32 kind;
    bytes32 source;
}

/// @notice A season.
/// @param start First second.
/// @param end First second after it.
/// @param passportCap Most points of a passport.
/// @param kinds Kinds that count.
/// @param kindCaps Most points of a passport for each of them.
struct Season {
    uint64 start;
    uint64 end;
    uint64 passportCap;
    bytes32[] kinds;
    uint64[] kindCaps;
}

/// @notice One line of the ledger.
/// @param passport Whose.
/// @param amount Points; negative for a reversal.
/// @param recordedAt When it was written, seconds since 1970.
/// @param season Season; 0 for badges.
/// @param kind Kind of deed; of the entry reversed.
/// @param source What identifies the deed; the number of the entry reversed; a badge's number.
/// @param attestation Which attestation stands behind it; 0 for a badge's entry, behind which stands the badge.
struct PointsEntry {
    uint96 passport;
    int64 amount;
    uint64 recordedAt;
    uint32 season;
    bytes32 kind;
    bytes32 source;
    uint256 attestation;
}

/// @title The ledger of points
/// @notice Rules PTS-001 to PTS-006 of specs/points.md.
interface IPoints {
    /// @notice A line was written.
    event PointsRecorded(
        uint256 indexed entry,
        uint256 indexed passport,
        uint32 indexed season,
        int64 amount,
        bytes32 kind,
        bytes32 source,
        uint256 attestation
    );
    /// @notice A cap cut points off.
    event PointsCapped(
        uint256 indexed passport, uint32 indexed season, bytes32 kind, uint64 asked, uint64 given
    );
    /// @notice An attestation stands behind the lines that name it.
    event PointsAttested(uint256 indexed attestation, uint64 indexed setEpoch, uint256 signers);
    /// @notice A season was announced.
    event SeasonOpened(uint32 indexed season, Season terms);

    /// @notice There is no such passport.
    error Points_UnknownPassport(uint256 passport);
    /// @notice There is no such entry, or it is a reversal.
    error Points_NotReversible(uint256 entry);
    /// @notice It was reversed already.
    error Points_Reversed(uint256 entry);
    /// @notice A badge's entry follows its badge.
    error Points_FollowsBadge(uint256 entry);
    /// @notice The deed was counted already.
    error Points_Counted(bytes32 kind, bytes32 source);
    /// @notice The season takes no entries at this time.
    error Points_SeasonClosed(uint32 season);
    /// @notice Times overlap the season before, or are in the wrong order, or lists differ in length.
    error Points_BadSeason();
    /// @notice The attestation's last second has passed.
    error Points_Expired(uint256 deadline);

    /// @notice Records deeds. Attested: `PointsBatch(PointsItem[] items,uint64 deadline)`, `PointsItem` with this struct's fields.
    function record(PointsItem[] calldata items, uint64 deadline, uint64 setEpoch, bytes calldata signatures)
        external;
    /// @notice Takes entries back. Attested: `Reversal(uint256[] entries,bytes32 reason,uint64 deadline)`.
    function reverse(
        uint256[] calldata entries,
        bytes32 reason,
        uint64 deadline,
        uint64 setEpoch,
        bytes calldata signatures
    ) external;
    /// @notice Announces the next season. Attested: `OpenSeason(uint32 season,uint64 start,uint64 end,uint64 passportCap,bytes32[]
    ///         kinds,uint64[] kindCaps)`.
    function openSeason(Season calldata terms, uint64 setEpoch, bytes calldata signatures) external;
    /// @notice Brings badges' entries to what the badges are worth now. Anyone may call.
    function syncBadges(uint256[] calldata tokenIds) external;

    /// @notice Points of a passport, all seasons and badges.
    function totalOf(uint256 passport) external view returns (uint256);
    /// @notice Points of a passport in a season.
    function seasonTotalOf(uint32 season, uint256 passport) external view returns (uint256);
    /// @notice Points of a passport in a season for a kind.
    function kindTotalOf(uint32 season, uint256 passport, bytes32 kind) external view returns (uint256);
    /// @notice Points of all passports.
    function grandTotal() external view returns (uint256);
    /// @notice Lines written; their numbers are 1 to this.
    function entryCount() external view returns (uint256);
    /// @notice A line.
    function entryOf(uint256 entry) external view returns (PointsEntry memory);
    /// @notice Whether a line was taken back.
    function isReversed(uint256 entry) external view returns (bool);
    /// @notice Seasons announced; their numbers are 1 to this.
    function seasonCount() external view returns (uint32);
    /// @notice A season's terms.
    function seasonOf(uint32 season) external view returns (Season memory);
    /// @notice EIP-712 digests.
    function recordDigest(PointsItem[] calldata items, uint64 deadline) external view returns (bytes32);
    function reversalDigest(uint256[] calldata entries, bytes32 reason, uint64 deadline)
        external
        view
        returns (bytes32);
    function seasonDigest(Season calldata terms) external view returns (bytes32);
}
