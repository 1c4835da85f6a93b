// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IAnchorStateRegistry} from "../interfaces/IAnchorStateRegistry.sol";
import {GameStatus, IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../interfaces/IDisputeGameFactory.sol";

/// @title AnchorStateRegistry
/// @notice Which claims withdrawals may use; see {IAnchorStateRegistry}.
contract AnchorStateRegistry is IAnchorStateRegistry {
    /// @inheritdoc IAnchorStateRegistry
    IDisputeGameFactory public immutable disputeGameFactory;
    /// @inheritdoc IAnchorStateRegistry
    address public immutable TIMELOCK;
    /// @inheritdoc IAnchorStateRegistry
    uint256 public immutable disputeGameFinalityDelaySeconds;
    /// @inheritdoc IAnchorStateRegistry
    bytes32 public immutable GENESIS_OUTPUT;

    /// @inheritdoc IAnchorStateRegistry
    uint32 public respectedGameType;
    /// @inheritdoc IAnchorStateRegistry
    uint64 public respectedGameTypeUpdatedAt;
    /// @inheritdoc IAnchorStateRegistry
    address public anchorGame;

    /// @param factory The list of claims.
    /// @param timelock Who may change the respected type.
    /// @param gameType The type respected at first.
    /// @param finalityDelaySeconds Seconds to wait after a claim has won.
    /// @param genesisOutput Output root of the L2 genesis.
    constructor(
        IDisputeGameFactory factory,
        address timelock,
        uint32 gameType,
        uint256 finalityDelaySeconds,
        bytes32 genesisOutput
    ) {
        disputeGameFactory = factory;
        TIMELOCK = timelock;
        disputeGameFinalityDelaySeconds = finalityDelaySeconds;
        GENESIS_OUTPUT = genesisOutput;
        _respect(gameType);
    }

    /// @inheritdoc IAnchorStateRegistry
    function setRespectedGameType(uint32 gameType) external {
        if (msg.sender != TIMELOCK) revert AnchorStateRegistry_NotTimelock(msg.sender); // PTL-064
        if (address(disputeGameFactory.gameImpls(gameType)) == address(0)) {
            revert AnchorStateRegistry_UnknownType(gameType);
        }
        _respect(gameType);
    }

    /// @inheritdoc IAnchorStateRegistry
    function setAnchorState(address game) external {
        (, uint256 newest) = getAnchorRoot();
        if (!isGameClaimValid(game) || IDisputeGame(game).l2SequenceNumber() <= newest) {
            revert AnchorStateRegistry_InvalidAnchorGame();
        }
        anchorGame = game;
        emit AnchorUpdated(game);
    }

    /// @inheritdoc IAnchorStateRegistry
    function getAnchorRoot() public view returns (bytes32 root, uint256 l2SequenceNumber) {
        IDisputeGame game = IDisputeGame(anchorGame);
        if (address(game) == address(0)) return (GENESIS_OUTPUT, 0);
        return (game.rootClaim(), game.l2SequenceNumber());
    }

    /// @inheritdoc IAnchorStateRegistry
    function anchors(uint32) external view returns (bytes32 root, uint256 l2SequenceNumber) {
        return getAnchorRoot();
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameRegistered(address game) public view returns (bool) {
        return disputeGameFactory.isGame(game); // PTL-060
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameRespected(address game) public view returns (bool) {
        return isGameRegistered(game) && IDisputeGame(game).wasRespectedGameTypeWhenCreated(); // PTL-061
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameBlacklisted(address) external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameRetired(address) external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameProper(address game) external view returns (bool) {
        return isGameRegistered(game);
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameResolved(address game) public view returns (bool) {
        return isGameRegistered(game) && IDisputeGame(game).status() != GameStatus.IN_PROGRESS;
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameFinalized(address game) public view returns (bool) {
        if (!isGameResolved(game)) return false;
        // PTL-062: who has to prove again need not wait to hear it
        return IDisputeGame(game).status() == GameStatus.CHALLENGER_WINS
            || block.timestamp > IDisputeGame(game).resolvedAt() + disputeGameFinalityDelaySeconds;
    }

    /// @inheritdoc IAnchorStateRegistry
    function isGameClaimValid(address game) public view returns (bool) {
        return isGameRespected(game) && isGameFinalized(game)
            && IDisputeGame(game).status() == GameStatus.DEFENDER_WINS; // PTL-063
    }

    /// @inheritdoc IAnchorStateRegistry
    function retirementTimestamp() external pure returns (uint64) {
        return 0;
    }

    /// @inheritdoc IAnchorStateRegistry
    function disputeGameBlacklist(address) external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IAnchorStateRegistry
    function paused() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IAnchorStateRegistry
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    /// @dev Respect a type from now on.
    function _respect(uint32 gameType) private {
        respectedGameType = gameType;
        respectedGameTypeUpdatedAt = uint64(block.timestamp);
        emit RespectedGameTypeSet(gameType);
    }
}
