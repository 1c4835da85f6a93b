// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {GameStatus, IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IOutputClaims, OutputClaim} from "../interfaces/IOutputClaims.sol";

/// @title ClaimView
/// @notice One claim as clients look at it; see {IDisputeGame}. Keeps nothing: each is a clone that knows its number and asks
///         the claims contract (PTL-052).
contract ClaimView is IDisputeGame {
    /// @notice The claims contract.
    IOutputClaims public immutable CLAIMS;

    /// @param claims The claims contract.
    constructor(IOutputClaims claims) {
        CLAIMS = claims;
    }

    /// @notice Number of this claim in {CLAIMS}.
    function claimId() public view returns (uint256) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (uint256));
    }

    /// @inheritdoc IDisputeGame
    function gameType() public view returns (uint32) {
        return CLAIMS.GAME_TYPE();
    }

    /// @inheritdoc IDisputeGame
    function gameCreator() external view returns (address) {
        return _claim().proposer;
    }

    /// @inheritdoc IDisputeGame
    function rootClaim() public view returns (bytes32) {
        return _claim().outputRoot;
    }

    /// @inheritdoc IDisputeGame
    function extraData() public view returns (bytes memory) {
        OutputClaim memory claim = _claim();
        return abi.encode(uint256(claim.l2BlockNumber), uint256(claim.batchCount), claim.accumulator);
    }

    /// @inheritdoc IDisputeGame
    function gameData() external view returns (uint32, bytes32, bytes memory) {
        return (gameType(), rootClaim(), extraData());
    }

    /// @inheritdoc IDisputeGame
    function l2BlockNumber() external view returns (uint256) {
        return _claim().l2BlockNumber;
    }

    /// @inheritdoc IDisputeGame
    function l2SequenceNumber() external view returns (uint256) {
        return _claim().l2BlockNumber;
    }

    /// @inheritdoc IDisputeGame
    function createdAt() external view returns (uint64) {
        return _claim().createdAt;
    }

    /// @inheritdoc IDisputeGame
    function resolvedAt() external view returns (uint64) {
        return CLAIMS.resolvedAt(claimId());
    }

    /// @inheritdoc IDisputeGame
    function expectedResolution() external view returns (uint64) {
        return CLAIMS.disputableUntil(claimId());
    }

    /// @inheritdoc IDisputeGame
    function maxClockDuration() external view returns (uint64) {
        return CLAIMS.WINDOW();
    }

    /// @inheritdoc IDisputeGame
    function status() external view returns (GameStatus) {
        return CLAIMS.status(claimId());
    }

    /// @inheritdoc IDisputeGame
    function wasRespectedGameTypeWhenCreated() external view returns (bool) {
        return _claim().respected;
    }

    /// @inheritdoc IDisputeGame
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @dev The claim itself.
    function _claim() private view returns (OutputClaim memory) {
        return CLAIMS.claimAt(claimId());
    }
}
