// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @notice Rewards of an epoch.
/// @param root Merkle root over all leaves (PTS-021).
/// @param total Sum of all leaves, in the token's unit.
/// @param token ERC-20 contract; zero for the chain's own ether.
/// @param claimUntil Last second of claims.
/// @param formula Hash of the formula and the inputs that anyone recomputes the root from.
struct EpochRewards {
    bytes32 root;
    uint256 total;
    address token;
    uint64 claimUntil;
    bytes32 formula;
}

/// @notice One leaf and its proof.
/// @param index Place in the epoch, from 0.
/// @param passport Who is paid.
/// @param amount In the token's unit.
/// @param proof Siblings from the leaf up.
struct RewardClaim {
    uint256 index;
    uint256 passport;
    uint256 amount;
    bytes32[] proof;
}

/// @title Pays engagement rewards by Merkle root
/// @notice Rules PTS-020 to PTS-026 of specs/points.md.
interface IEngagementRewards {
    /// @notice An epoch was attested; claims open then.
    event EpochPublished(uint256 indexed epoch, EpochRewards rewards, uint64 opensAt);
    /// @notice An epoch was taken back before its claims opened.
    event EpochCancelled(uint256 indexed epoch);
    /// @notice A passport was paid.
    event RewardPaid(
        uint256 indexed epoch, uint256 indexed passport, uint256 index, uint256 amount, address payout
    );
    /// @notice A claim of a batch was left out.
    event RewardSkipped(uint256 indexed epoch, uint256 indexed passport, uint256 index);
    /// @notice What nobody claimed is free for later epochs.
    event EpochClosed(uint256 indexed epoch, uint256 unclaimed);

    /// @notice Not enough lies here unreserved.
    error EngagementRewards_Unfunded(address token, uint256 total, uint256 available);
    /// @notice The sum has more than 128 bits.
    error EngagementRewards_TooLarge(uint256 total);
    /// @notice Claims would close too early.
    error EngagementRewards_TooShort(uint256 claimUntil, uint256 least);
    /// @notice Claims would stay open too long.
    error EngagementRewards_TooLong(uint256 claimUntil, uint256 most);
    /// @notice The epoch takes no claims now.
    error EngagementRewards_Closed(uint256 epoch);
    /// @notice It cannot be cancelled any more, or there is nothing to cancel.
    error EngagementRewards_Open(uint256 epoch);
    /// @notice Claims are still open, or everything is settled.
    error EngagementRewards_NotOver(uint256 epoch);
    /// @notice The proof does not lead to the root.
    error EngagementRewards_WrongProof(uint256 index);
    /// @notice The epoch's sum does not cover it.
    error EngagementRewards_OverTotal(uint256 epoch, uint256 amount, uint256 left);
    /// @notice It was paid.
    error EngagementRewards_Paid(uint256 index);
    /// @notice The passport has named no payout address.
    error EngagementRewards_NoPayout(uint256 passport);
    /// @notice The payout address refused ether, or the token refused to pay it.
    error EngagementRewards_Refused(address payout);

    /// @notice Publishes the next epoch, and closes those whose claims are over. Attested: `EpochRewards(uint256 epoch,bytes32 root,uint256 total,address token,uint64
    ///         claimUntil,bytes32 formula)`.
    function publish(EpochRewards calldata rewards, uint64 setEpoch, bytes calldata signatures) external;
    /// @notice Takes an epoch back before its claims open. Attested: `CancelEpoch(uint256 epoch)`; the steward needs no signatures.
    function cancel(uint256 epoch, uint64 setEpoch, bytes calldata signatures) external;
    /// @notice Pays one claim. Anyone may call.
    function claim(uint256 epoch, RewardClaim calldata wanted) external;
    /// @notice Pays many. Anyone may call.
    /// @return paid How many were paid.
    function claimMany(uint256 epoch, RewardClaim[] calldata wanted) external returns (uint256 paid);
    /// @notice Sets free what nobody claimed. Anyone may call.
    function close(uint256 epoch) external;

    /// @notice Epochs published; their numbers are 1 to this.
    function epochCount() external view returns (uint256);
    /// @notice An epoch, when its claims open, and what of its sum is left; all zero when cancelled.
    function epochOf(uint256 epoch)
        external
        view
        returns (EpochRewards memory rewards, uint64 opensAt, uint256 left);
    /// @notice Whether an index was paid.
    function isPaid(uint256 epoch, uint256 index) external view returns (bool);
    /// @notice Sum that epochs need of a token which are not paid in full, closed or cancelled. Read epoch by epoch.
    function reserved(address token) external view returns (uint256);
    /// @notice EIP-712 digests.
    function publishDigest(EpochRewards calldata rewards) external view returns (bytes32);
    function cancelDigest(uint256 epoch) external view returns (bytes32);
}
