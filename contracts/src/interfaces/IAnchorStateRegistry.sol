// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {IDisputeGameFactory} from "./IDisputeGameFactory.sol";

/// @title Which claims withdrawals may use
/// @notice Names are the OP Stack's, so that its clients can ask. Nobody can pause, blacklist or retire anything: the
///         questions about that are answered with no (specs/portal.md PTL-060..064).
interface IAnchorStateRegistry {
    /// @notice The newest claim known to have won is another one.
    event AnchorUpdated(address indexed game);

    /// @notice Withdrawals may use claims of this type from now on.
    event RespectedGameTypeSet(uint32 gameType);

    /// @notice The claim has not won, or is not newer than the anchor.
    error AnchorStateRegistry_InvalidAnchorGame();

    /// @notice Only the timelock may do that.
    error AnchorStateRegistry_NotTimelock(address caller);

    /// @notice No claims contract was admitted for that type.
    error AnchorStateRegistry_UnknownType(uint32 gameType);

    /// @notice Let new claims of a type be used by withdrawals, and no longer those of the type before. Only the timelock.
    function setRespectedGameType(uint32 gameType) external;

    /// @notice Make a claim the anchor when it has won and is newer. Anyone.
    function setAnchorState(address game) external;

    /// @notice The newest claim known to have won, zero before the first.
    function anchorGame() external view returns (address);

    /// @notice Its output root and L2 block number; genesis before the first.
    function getAnchorRoot() external view returns (bytes32 root, uint256 l2SequenceNumber);

    /// @notice The same, whatever the type.
    function anchors(uint32 gameType) external view returns (bytes32 root, uint256 l2SequenceNumber);

    /// @notice Whether the address is a claim that was listed.
    function isGameRegistered(address game) external view returns (bool);

    /// @notice Whether its type was the respected one when it was proposed.
    function isGameRespected(address game) external view returns (bool);

    /// @notice No claim can be blacklisted.
    function isGameBlacklisted(address game) external view returns (bool);

    /// @notice No claim can be retired.
    function isGameRetired(address game) external view returns (bool);

    /// @notice Whether it was listed and is neither blacklisted nor retired.
    function isGameProper(address game) external view returns (bool);

    /// @notice Whether its fate is settled.
    function isGameResolved(address game) external view returns (bool);

    /// @notice Whether its fate is settled, and if it won, since {disputeGameFinalityDelaySeconds}.
    function isGameFinalized(address game) external view returns (bool);

    /// @notice Whether a withdrawal proven by it may be finalised.
    function isGameClaimValid(address game) external view returns (bool);

    /// @notice The type of claims that withdrawals may use.
    function respectedGameType() external view returns (uint32);

    /// @notice When that changed last, seconds since the Unix epoch.
    function respectedGameTypeUpdatedAt() external view returns (uint64);

    /// @notice Claims proposed up to this moment do not count: zero.
    function retirementTimestamp() external view returns (uint64);

    /// @notice No one can be blacklisted.
    function disputeGameBlacklist(address game) external view returns (bool);

    /// @notice No one can pause.
    function paused() external view returns (bool);

    /// @notice Seconds to wait after a claim has won.
    function disputeGameFinalityDelaySeconds() external view returns (uint256);

    /// @notice The list of claims.
    function disputeGameFactory() external view returns (IDisputeGameFactory);

    /// @notice Output root of the L2 genesis: what is true without a claim.
    function GENESIS_OUTPUT() external view returns (bytes32);

    /// @notice The only account that may change the respected type.
    function TIMELOCK() external view returns (address);

    /// @notice Semantic version of this contract.
    function version() external pure returns (string memory);
}
