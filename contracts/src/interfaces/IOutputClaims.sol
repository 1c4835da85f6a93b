// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {GameStatus} from "./IDisputeGame.sol";

/// @notice A claim: this output is what genesis and the inbox's first `batchCount` batches give.
/// @param outputRoot The output root claimed.
/// @param l2BlockNumber Number of the L2 block it is of.
/// @param batchCount Batches that it follows from.
/// @param accumulator The inbox's accumulator after them.
/// @param createdAt When it was proposed, seconds since the Unix epoch.
/// @param proposer Who proposed it.
/// @param game Its contract as clients look at it ({IDisputeGame}).
/// @param respected Whether withdrawals could use claims of this type when it was proposed.
struct OutputClaim {
    bytes32 outputRoot;
    bytes32 accumulator;
    uint64 l2BlockNumber;
    uint64 batchCount;
    uint64 createdAt;
    bool respected;
    address proposer;
    address game;
}

/// @title Claims about outputs and their fate
/// @notice The seam between withdrawals and whatever finds out which claim is true (specs/portal.md PTL-040..046). A claim
///         starts in progress and ends, once, for or against: after that `isFinal` is true and nothing about it changes.
interface IOutputClaims {
    /// @notice A claim was proposed.
    event ClaimProposed(
        uint256 indexed id,
        address indexed game,
        bytes32 indexed outputRoot,
        uint64 l2BlockNumber,
        uint64 batchCount,
        bytes32 accumulator,
        address proposer
    );

    /// @notice The caller may not propose.
    error OutputClaims_NotProposer(address caller);

    /// @notice Not the bond asked for.
    error OutputClaims_WrongBond(uint256 givenWei, uint256 wantedWei);

    /// @notice The inbox's accumulator after that many batches is another one (PTL-041).
    error OutputClaims_WrongAccumulator(uint64 batchCount, bytes32 given, bytes32 actual);

    /// @notice The same claim stands already (PTL-042).
    error OutputClaims_AlreadyProposed(address game);

    /// @notice An output root is not zero.
    error OutputClaims_ZeroOutput();

    /// @notice There is no such claim.
    error OutputClaims_UnknownClaim(uint256 id);

    /// @notice Claim an output.
    /// @param outputRoot The output root.
    /// @param l2BlockNumber Number of the L2 block it is of.
    /// @param batchCount Batches that it follows from; at least one.
    /// @param accumulator The inbox's accumulator after them: what the proposer saw must be what L1 has.
    /// @return id Its number, from 0.
    /// @return game Its contract as clients look at it.
    function propose(bytes32 outputRoot, uint64 l2BlockNumber, uint64 batchCount, bytes32 accumulator)
        external
        payable
        returns (uint256 id, address game);

    /// @notice Wei to send along with a proposal.
    function bond() external view returns (uint256 bondWei);

    /// @notice Number of claims.
    function claimCount() external view returns (uint256);

    /// @notice A claim by its number.
    function claimAt(uint256 id) external view returns (OutputClaim memory);

    /// @notice What became of a claim.
    function status(uint256 id) external view returns (GameStatus);

    /// @notice Whether a claim's fate can no longer change.
    function isFinal(uint256 id) external view returns (bool);

    /// @notice When a claim's fate was settled, seconds since the Unix epoch; zero before.
    function resolvedAt(uint256 id) external view returns (uint64);

    /// @notice Until when a claim can be disputed, seconds since the Unix epoch.
    function disputableUntil(uint256 id) external view returns (uint64);

    /// @notice Whether an account may still dispute a claim.
    function mayDispute(uint256 id, address account) external view returns (bool);

    /// @notice The game type of all its claims.
    function GAME_TYPE() external view returns (uint32);

    /// @notice How long a claim can be disputed when nobody does, seconds.
    function WINDOW() external view returns (uint64 windowSeconds);
}
