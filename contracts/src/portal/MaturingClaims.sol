// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IAnchorStateRegistry} from "../interfaces/IAnchorStateRegistry.sol";
import {GameStatus} from "../interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../interfaces/IDisputeGameFactory.sol";
import {IInbox} from "../interfaces/IInbox.sol";
import {IMaturingClaims} from "../interfaces/IMaturingClaims.sol";
import {IOutputClaims, OutputClaim} from "../interfaces/IOutputClaims.sol";
import {ClaimView} from "./ClaimView.sol";

/// @title MaturingClaims
/// @notice Claims that become true by waiting; see {IMaturingClaims}.
contract MaturingClaims is IMaturingClaims {
    /// @inheritdoc IOutputClaims
    uint32 public immutable GAME_TYPE;
    /// @inheritdoc IOutputClaims
    uint64 public immutable WINDOW;
    /// @inheritdoc IMaturingClaims
    address public immutable PROPOSER;
    /// @inheritdoc IMaturingClaims
    address public immutable DISPUTER;
    /// @notice Where batches are.
    IInbox public immutable INBOX;
    /// @notice Where claims are listed and judged.
    IAnchorStateRegistry public immutable REGISTRY;
    /// @dev What each claim's contract is a clone of.
    address private immutable VIEW;

    OutputClaim[] private _claims;
    mapping(uint256 id => uint64) private _rejectedAt;

    /// @param gameType Type of all its claims.
    /// @param inbox Where batches are.
    /// @param registry Where claims are listed and judged.
    /// @param proposer Who proposes.
    /// @param disputer Who may reject.
    /// @param window Seconds in which a claim can be rejected.
    constructor(
        uint32 gameType,
        IInbox inbox,
        IAnchorStateRegistry registry,
        address proposer,
        address disputer,
        uint64 window
    ) {
        GAME_TYPE = gameType;
        INBOX = inbox;
        REGISTRY = registry;
        PROPOSER = proposer;
        DISPUTER = disputer;
        WINDOW = window;
        VIEW = address(new ClaimView(this));
    }

    /// @inheritdoc IOutputClaims
    function propose(bytes32 outputRoot, uint64 l2BlockNumber, uint64 batchCount, bytes32 accumulator)
        external
        payable
        returns (uint256 id, address game)
    {
        if (msg.sender != PROPOSER) revert OutputClaims_NotProposer(msg.sender); // PTL-043
        if (msg.value != 0) revert OutputClaims_WrongBond(msg.value, 0);
        if (outputRoot == 0) revert OutputClaims_ZeroOutput();
        bytes32 actual = INBOX.accumulatorAt(batchCount);
        if (accumulator != actual || actual == 0) {
            revert OutputClaims_WrongAccumulator(batchCount, accumulator, actual); // PTL-041
        }
        id = _claims.length;
        game = Clones.cloneWithImmutableArgs(VIEW, abi.encode(id));
        bytes memory extraData = abi.encode(uint256(l2BlockNumber), uint256(batchCount), accumulator);
        _checkNew(outputRoot, extraData);
        _claims.push(
            OutputClaim({
                outputRoot: outputRoot,
                accumulator: accumulator,
                l2BlockNumber: l2BlockNumber,
                batchCount: batchCount,
                createdAt: uint64(block.timestamp),
                respected: REGISTRY.respectedGameType() == GAME_TYPE,
                proposer: msg.sender,
                game: game
            })
        );
        REGISTRY.disputeGameFactory().register(GAME_TYPE, outputRoot, extraData, game);
        emit ClaimProposed(id, game, outputRoot, l2BlockNumber, batchCount, accumulator, msg.sender);
    }

    /// @inheritdoc IMaturingClaims
    function reject(uint256 id) external {
        if (!mayDispute(id, msg.sender)) revert MaturingClaims_MayNotDispute(id, msg.sender); // PTL-044
        _rejectedAt[id] = uint64(block.timestamp);
        emit ClaimRejected(id, _claims[id].game);
    }

    /// @inheritdoc IOutputClaims
    function bond() external pure returns (uint256 bondWei) {
        return 0;
    }

    /// @inheritdoc IOutputClaims
    function claimCount() external view returns (uint256) {
        return _claims.length;
    }

    /// @inheritdoc IOutputClaims
    function claimAt(uint256 id) public view returns (OutputClaim memory) {
        if (id >= _claims.length) revert OutputClaims_UnknownClaim(id);
        return _claims[id];
    }

    /// @inheritdoc IOutputClaims
    function status(uint256 id) public view returns (GameStatus) {
        uint64 until = disputableUntil(id);
        if (_rejectedAt[id] != 0) return GameStatus.CHALLENGER_WINS;
        return block.timestamp < until ? GameStatus.IN_PROGRESS : GameStatus.DEFENDER_WINS; // PTL-045
    }

    /// @inheritdoc IOutputClaims
    function isFinal(uint256 id) external view returns (bool) {
        return status(id) != GameStatus.IN_PROGRESS; // PTL-046
    }

    /// @inheritdoc IOutputClaims
    function resolvedAt(uint256 id) external view returns (uint64) {
        GameStatus now_ = status(id);
        if (now_ == GameStatus.IN_PROGRESS) return 0;
        return now_ == GameStatus.CHALLENGER_WINS ? _rejectedAt[id] : disputableUntil(id);
    }

    /// @inheritdoc IOutputClaims
    function disputableUntil(uint256 id) public view returns (uint64) {
        if (id >= _claims.length) revert OutputClaims_UnknownClaim(id);
        return _claims[id].createdAt + WINDOW;
    }

    /// @inheritdoc IOutputClaims
    function mayDispute(uint256 id, address account) public view returns (bool) {
        return account == DISPUTER && status(id) == GameStatus.IN_PROGRESS;
    }

    /// @dev A claim may be made again only after it was rejected (PTL-042).
    function _checkNew(bytes32 outputRoot, bytes memory extraData) private view {
        IDisputeGameFactory factory = REGISTRY.disputeGameFactory();
        (address same,) = factory.games(GAME_TYPE, outputRoot, extraData);
        if (same != address(0) && ClaimView(same).status() != GameStatus.CHALLENGER_WINS) {
            revert OutputClaims_AlreadyProposed(same);
        }
    }
}
