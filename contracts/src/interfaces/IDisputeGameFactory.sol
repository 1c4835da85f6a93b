// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {IOutputClaims} from "./IOutputClaims.sol";

/// @title List of all claims, as clients of the OP Stack look for them
/// @notice Claims come from claims contracts ({IOutputClaims}), one for each game type; the list keeps their order. Which
///         contracts there are changes by the timelock alone (specs/portal.md PTL-050..053).
interface IDisputeGameFactory {
    /// @notice A claim as `findLatestGames` gives it.
    /// @param index Place in the list.
    /// @param metadata Game type (4 bytes), time (8 bytes), address (20 bytes).
    /// @param timestamp When it was proposed, seconds since the Unix epoch.
    /// @param rootClaim The output root claimed.
    /// @param extraData See {IDisputeGame-extraData}.
    struct GameSearchResult {
        uint256 index;
        bytes32 metadata;
        uint64 timestamp;
        bytes32 rootClaim;
        bytes extraData;
    }

    /// @notice A claim was listed.
    event DisputeGameCreated(
        address indexed disputeProxy, uint32 indexed gameType, bytes32 indexed rootClaim
    );

    /// @notice A claims contract was admitted.
    event ImplementationSet(address indexed impl, uint32 indexed gameType);

    /// @notice Only the claims contract of that type may list claims (PTL-051).
    error DisputeGameFactory_NotClaims(address caller, uint32 gameType);

    /// @notice Only the timelock may do that (PTL-053).
    error DisputeGameFactory_NotTimelock(address caller);

    /// @notice A game type has one claims contract for ever (PTL-053).
    error DisputeGameFactory_TypeTaken(uint32 gameType);

    /// @notice The claims contract says it is of another type.
    error DisputeGameFactory_WrongType(uint32 given, uint32 itsOwn);

    /// @notice List a claim. Only the claims contract of its type.
    /// @param gameType Its type.
    /// @param rootClaim The output root claimed.
    /// @param extraData See {IDisputeGame-extraData}.
    /// @param game Its contract.
    function register(uint32 gameType, bytes32 rootClaim, bytes calldata extraData, address game) external;

    /// @notice Admit a claims contract for a type that has none. Only the timelock.
    function setImplementation(uint32 gameType, IOutputClaims claims) external;

    /// @notice Number of claims.
    function gameCount() external view returns (uint256);

    /// @notice A claim by its place.
    function gameAtIndex(uint256 index)
        external
        view
        returns (uint32 gameType, uint64 timestamp, address proxy);

    /// @notice The newest `n` claims of a type at or before place `start`, newest first, without those that are lost.
    function findLatestGames(uint32 gameType, uint256 start, uint256 n)
        external
        view
        returns (GameSearchResult[] memory games);

    /// @notice The newest claim with these data, zero when there is none.
    function games(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        view
        returns (address proxy, uint64 timestamp);

    /// @notice What `games` looks claims up by.
    function getGameUUID(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        pure
        returns (bytes32 uuid);

    /// @notice Whether an address is a claim of this list.
    function isGame(address game) external view returns (bool);

    /// @notice The claims contract of a type.
    function gameImpls(uint32 gameType) external view returns (IOutputClaims);

    /// @notice Wei to send along with a proposal.
    function initBonds(uint32 gameType) external view returns (uint256);

    /// @notice The only account that may admit claims contracts.
    function TIMELOCK() external view returns (address);

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
}
