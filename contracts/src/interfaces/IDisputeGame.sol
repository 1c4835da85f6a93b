// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @notice What became of a claim; numbers are the OP Stack's.
enum GameStatus {
    IN_PROGRESS,
    CHALLENGER_WINS,
    DEFENDER_WINS
}

/// @title One claim about an output, as clients of the OP Stack look at it
/// @notice A view: what it answers is kept by the claims contract that made it ({IOutputClaims}).
interface IDisputeGame {
    /// @notice What kind of claims contract made it.
    function gameType() external view returns (uint32);

    /// @notice Who proposed it.
    function gameCreator() external view returns (address);

    /// @notice The output root claimed.
    function rootClaim() external view returns (bytes32);

    /// @notice L2 block number (32 bytes), number of batches (32 bytes), inbox accumulator after them (32 bytes).
    function extraData() external view returns (bytes memory);

    /// @notice Type, root and extra data at once.
    function gameData() external view returns (uint32 gameType_, bytes32 rootClaim_, bytes memory extraData_);

    /// @notice L2 block number that the output is of.
    function l2BlockNumber() external view returns (uint256);

    /// @notice The same: what orders outputs on L2 is the block number.
    function l2SequenceNumber() external view returns (uint256);

    /// @notice When it was proposed, seconds since the Unix epoch.
    function createdAt() external view returns (uint64);

    /// @notice When its fate was settled, seconds since the Unix epoch; zero before.
    function resolvedAt() external view returns (uint64);

    /// @notice When its fate will be settled if nobody disputes, seconds since the Unix epoch.
    function expectedResolution() external view returns (uint64);

    /// @notice How long it can be disputed, seconds.
    function maxClockDuration() external view returns (uint64);

    /// @notice What became of it.
    function status() external view returns (GameStatus);

    /// @notice Whether its type was the one that withdrawals may use when it was proposed.
    function wasRespectedGameTypeWhenCreated() external view returns (bool);

    /// @notice Semantic version of this contract.
    function version() external view returns (string memory);
}
