// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IAnchorStateRegistry} from "../../src/interfaces/IAnchorStateRegistry.sol";
import {GameStatus, IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../../src/interfaces/IDisputeGameFactory.sol";
import {IMaturingClaims} from "../../src/interfaces/IMaturingClaims.sol";
import {IOutputClaims, OutputClaim} from "../../src/interfaces/IOutputClaims.sol";
import {ExitTimelock} from "../../src/portal/ExitTimelock.sol";
import {MaturingClaims} from "../../src/portal/MaturingClaims.sol";
import {L1System} from "../utils/L1System.sol";
import {vm} from "../utils/Vm.sol";

contract ClaimsTest is L1System {
    bytes32 internal constant ROOT = keccak256("root");

    function setUp() external {
        _deployL1();
        _append();
    }

    /// @dev PTL-040, PTL-050, PTL-052: the claim, its listing, its contract.
    function test_propose_lists_the_claim() external {
        (uint256 id, address game) = _propose(ROOT, 77);
        bytes memory extra = abi.encode(uint256(77), uint256(1), inbox.accumulator());
        IDisputeGame view_ = IDisputeGame(game);
        vm.assertEq(id, 0);
        vm.assertEq(view_.gameType(), GAME_TYPE);
        vm.assertEq(view_.gameCreator(), proposer);
        vm.assertEq(view_.rootClaim(), ROOT);
        vm.assertEq(view_.extraData(), extra);
        vm.assertEq(view_.l2BlockNumber(), 77);
        vm.assertEq(view_.l2SequenceNumber(), 77);
        vm.assertEq(view_.createdAt(), block.timestamp);
        vm.assertEq(view_.expectedResolution(), block.timestamp + WINDOW);
        vm.assertEq(view_.maxClockDuration(), WINDOW);
        vm.assertEq(view_.resolvedAt(), 0);
        vm.assertTrue(view_.wasRespectedGameTypeWhenCreated() && view_.status() == GameStatus.IN_PROGRESS);
        (uint32 gameType, bytes32 root, bytes memory data) = view_.gameData();
        vm.assertTrue(gameType == GAME_TYPE && root == ROOT && keccak256(data) == keccak256(extra));

        (uint32 listedType, uint64 timestamp, address proxy) = factory.gameAtIndex(0);
        vm.assertTrue(listedType == GAME_TYPE && timestamp == block.timestamp && proxy == game);
        (proxy, timestamp) = factory.games(GAME_TYPE, ROOT, extra);
        vm.assertTrue(timestamp == block.timestamp && proxy == game);
        OutputClaim memory claim = claims.claimAt(0);
        vm.assertTrue(claim.batchCount == 1 && claim.game == game && claim.accumulator == inbox.accumulator());
        vm.assertEq(claims.claimCount(), 1);
    }

    /// @dev PTL-050: newest first, from the place asked for, of the type asked for, as many as there are.
    function test_findLatestGames_newest_first() external {
        vm.assertEq(factory.findLatestGames(GAME_TYPE, 0, 10).length, 0);
        for (uint64 i; i < 5; ++i) {
            _propose(keccak256(abi.encode(i)), i);
        }
        IDisputeGameFactory.GameSearchResult[] memory found = factory.findLatestGames(GAME_TYPE, 4, 100);
        vm.assertEq(found.length, 5);
        for (uint256 i; i < 5; ++i) {
            (,, address proxy) = factory.gameAtIndex(4 - i);
            vm.assertEq(found[i].index, 4 - i);
            vm.assertEq(address(uint160(uint256(found[i].metadata))), proxy);
            vm.assertEq(uint256(found[i].metadata) >> 224, GAME_TYPE);
            vm.assertEq(uint64(uint256(found[i].metadata) >> 160), block.timestamp);
            vm.assertEq(found[i].rootClaim, keccak256(abi.encode(uint64(4 - i))));
            vm.assertEq(found[i].extraData, IDisputeGame(proxy).extraData());
        }
        found = factory.findLatestGames(GAME_TYPE, 2, 2);
        vm.assertTrue(found.length == 2 && found[0].index == 2 && found[1].index == 1);
        vm.assertEq(factory.findLatestGames(GAME_TYPE, 99, 1)[0].index, 4);
        vm.assertEq(factory.findLatestGames(GAME_TYPE + 1, 4, 100).length, 0);
        vm.prank(disputer);
        claims.reject(3);
        found = factory.findLatestGames(GAME_TYPE, 4, 3); // without the lost one
        vm.assertTrue(found.length == 3 && found[0].index == 4 && found[1].index == 2 && found[2].index == 1);
        vm.assertEq(factory.gameCount(), 5);
    }

    /// @dev PTL-043.
    function testFuzz_propose_by_anyone_else_reverts(address caller) external {
        vm.assume(caller != proposer);
        bytes32 accumulator = inbox.accumulator();
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IOutputClaims.OutputClaims_NotProposer.selector, caller));
        claims.propose(ROOT, 1, 1, accumulator);
    }

    /// @dev PTL-041: another history of batches, none, or more than there are.
    function test_propose_other_accumulator_reverts() external {
        bytes32 actual = inbox.accumulator();
        bytes32[3] memory given = [bytes32(uint256(1)), bytes32(0), bytes32(0)];
        uint64[3] memory counts = [uint64(1), 0, 2];
        for (uint256 i; i < 3; ++i) {
            vm.prank(proposer);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IOutputClaims.OutputClaims_WrongAccumulator.selector,
                    counts[i],
                    given[i],
                    i == 0 ? actual : bytes32(0)
                )
            );
            claims.propose(ROOT, 1, counts[i], given[i]);
        }
    }

    function test_propose_zero_output_or_ether_reverts() external {
        bytes32 accumulator = inbox.accumulator();
        vm.prank(proposer);
        vm.expectRevert(IOutputClaims.OutputClaims_ZeroOutput.selector);
        claims.propose(0, 1, 1, accumulator);
        vm.deal(proposer, 1);
        vm.prank(proposer);
        vm.expectRevert(abi.encodeWithSelector(IOutputClaims.OutputClaims_WrongBond.selector, 1, 0));
        claims.propose{value: 1}(ROOT, 1, 1, accumulator);
    }

    /// @dev PTL-042: again only after a rejection.
    function test_propose_again_only_after_rejection() external {
        (uint256 id, address game) = _propose(ROOT, 1);
        bytes32 accumulator = inbox.accumulator();
        vm.prank(proposer);
        vm.expectRevert(abi.encodeWithSelector(IOutputClaims.OutputClaims_AlreadyProposed.selector, game));
        claims.propose(ROOT, 1, 1, accumulator);
        vm.prank(disputer);
        claims.reject(id);
        (, address next) = _propose(ROOT, 1);
        (address newest,) = factory.games(GAME_TYPE, ROOT, IDisputeGame(game).extraData());
        vm.assertTrue(next != game && newest == next);
    }

    /// @dev PTL-044..046: in the window only the disputer, and once; what is settled stays so.
    function test_reject_only_in_the_window() external {
        (uint256 id, address game) = _propose(ROOT, 1);
        (uint256 other,) = _propose(keccak256("other"), 1);
        vm.assertEq(claims.disputableUntil(id), block.timestamp + WINDOW);
        vm.assertTrue(claims.mayDispute(id, disputer) && !claims.mayDispute(id, proposer));
        vm.expectRevert(
            abi.encodeWithSelector(IMaturingClaims.MaturingClaims_MayNotDispute.selector, id, address(this))
        );
        claims.reject(id);
        vm.warp(block.timestamp + WINDOW - 1);
        vm.assertTrue(claims.status(id) == GameStatus.IN_PROGRESS && !claims.isFinal(id));
        vm.prank(disputer);
        claims.reject(id);
        vm.assertTrue(claims.status(id) == GameStatus.CHALLENGER_WINS && claims.isFinal(id));
        vm.assertEq(claims.resolvedAt(id), block.timestamp);
        vm.assertEq(IDisputeGame(game).resolvedAt(), block.timestamp);
        vm.warp(block.timestamp + 1);
        vm.assertTrue(claims.status(other) == GameStatus.DEFENDER_WINS && claims.isFinal(other));
        vm.assertEq(claims.resolvedAt(other), block.timestamp);
        for (uint256 i; i < 2; ++i) {
            vm.prank(disputer);
            vm.expectRevert(
                abi.encodeWithSelector(IMaturingClaims.MaturingClaims_MayNotDispute.selector, i, disputer)
            );
            claims.reject(i);
        }
        vm.warp(block.timestamp + 1_000_000);
        vm.assertTrue(claims.status(id) == GameStatus.CHALLENGER_WINS);
        vm.assertTrue(claims.status(other) == GameStatus.DEFENDER_WINS);
    }

    function test_unknown_claim_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IOutputClaims.OutputClaims_UnknownClaim.selector, 0));
        claims.claimAt(0);
        vm.expectRevert(abi.encodeWithSelector(IOutputClaims.OutputClaims_UnknownClaim.selector, 0));
        claims.status(0);
        vm.prank(disputer);
        vm.expectRevert(abi.encodeWithSelector(IOutputClaims.OutputClaims_UnknownClaim.selector, 0));
        claims.reject(0);
    }

    /// @dev PTL-060..063: what the registry says of a claim through its life, and of what is no claim.
    function test_registry_follows_a_claim() external {
        (, address won) = _propose(ROOT, 1);
        (uint256 id, address lost) = _propose(keccak256("false"), 1);
        vm.assertTrue(registry.isGameProper(won) && registry.isGameRespected(won));
        vm.assertFalse(registry.isGameResolved(won) || registry.isGameFinalized(won));
        vm.prank(disputer);
        claims.reject(id);
        vm.assertTrue(registry.isGameFinalized(lost) && !registry.isGameClaimValid(lost));
        vm.warp(block.timestamp + WINDOW + FINALITY);
        vm.assertTrue(registry.isGameResolved(won) && !registry.isGameFinalized(won));
        vm.warp(block.timestamp + 1);
        vm.assertTrue(registry.isGameFinalized(won) && registry.isGameClaimValid(won));
        vm.assertFalse(registry.isGameClaimValid(lost));
        address none = address(this);
        vm.assertFalse(registry.isGameProper(none) || registry.isGameRespected(none));
        vm.assertFalse(registry.isGameResolved(none) || registry.isGameFinalized(none));
        vm.assertFalse(registry.isGameClaimValid(none) || registry.isGameRegistered(none));
        vm.assertFalse(registry.isGameBlacklisted(won) || registry.isGameRetired(won) || registry.paused());
    }

    function test_setAnchorState_moves_forward_to_what_has_won() external {
        (bytes32 root, uint256 number) = registry.getAnchorRoot();
        vm.assertTrue(root == GENESIS_OUTPUT && number == 0);
        (, address first) = _propose(ROOT, 10);
        (, address second) = _propose(keccak256("second"), 20);
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_InvalidAnchorGame.selector);
        registry.setAnchorState(first);
        vm.warp(block.timestamp + WINDOW + FINALITY + 1);
        registry.setAnchorState(second);
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_InvalidAnchorGame.selector);
        registry.setAnchorState(first);
        (root, number) = registry.anchors(0);
        vm.assertTrue(root == keccak256("second") && number == 20);
    }

    /// @dev PTL-051.
    function test_register_by_anyone_else_reverts() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IDisputeGameFactory.DisputeGameFactory_NotClaims.selector, address(this), GAME_TYPE
            )
        );
        factory.register(GAME_TYPE, ROOT, "", address(this));
        vm.expectRevert(
            abi.encodeWithSelector(
                IDisputeGameFactory.DisputeGameFactory_NotClaims.selector, address(this), 0
            )
        );
        factory.register(0, ROOT, "", address(this));
    }

    /// @dev PTL-053, PTL-064, PTL-070: another kind of claims comes by the timelock; claims made before keep their worth.
    function test_new_claims_contract_by_timelock() external {
        (, address old) = _propose(ROOT, 1);
        uint32 newType = GAME_TYPE + 1;
        MaturingClaims next = new MaturingClaims(newType, inbox, registry, proposer, disputer, WINDOW);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeGameFactory.DisputeGameFactory_NotTimelock.selector, address(this))
        );
        factory.setImplementation(newType, next);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAnchorStateRegistry.AnchorStateRegistry_NotTimelock.selector, address(this)
            )
        );
        registry.setRespectedGameType(newType);

        vm.prank(address(timelock));
        vm.expectRevert(
            abi.encodeWithSelector(IAnchorStateRegistry.AnchorStateRegistry_UnknownType.selector, newType)
        );
        registry.setRespectedGameType(newType);
        vm.prank(address(timelock));
        vm.expectRevert(
            abi.encodeWithSelector(
                IDisputeGameFactory.DisputeGameFactory_WrongType.selector, newType + 1, newType
            )
        );
        factory.setImplementation(newType + 1, next);
        vm.prank(address(timelock));
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeGameFactory.DisputeGameFactory_TypeTaken.selector, GAME_TYPE)
        );
        factory.setImplementation(GAME_TYPE, next);

        _byTimelock(address(factory), abi.encodeCall(factory.setImplementation, (newType, next)));
        _byTimelock(address(registry), abi.encodeCall(registry.setRespectedGameType, (newType)));
        vm.assertEq(portal.respectedGameType(), newType);
        vm.assertEq(portal.respectedGameTypeUpdatedAt(), block.timestamp);
        (, address late) = _propose(keccak256("late"), 2);
        vm.assertTrue(registry.isGameRespected(old) && !registry.isGameRespected(late));
        bytes32 accumulator = inbox.accumulator();
        vm.prank(proposer);
        (, address fresh) = next.propose(ROOT, 3, 1, accumulator);
        vm.assertTrue(registry.isGameRespected(fresh));
        vm.assertEq(factory.findLatestGames(newType, 2, 10).length, 1);
        vm.assertEq(factory.initBonds(newType) + factory.initBonds(99), 0);
    }

    /// @dev PTL-071: not shorter, not even by itself; longer is fine.
    function test_timelock_delay_never_shrinks() external {
        address[] memory first = new address[](1);
        first[0] = governor;
        vm.assertEq(timelock.FIRST_PROPOSERS(), keccak256(abi.encode(first)));
        vm.expectRevert();
        timelock.updateDelay(TIMELOCK_DELAY * 2);
        vm.prank(address(timelock));
        vm.expectRevert(
            abi.encodeWithSelector(
                ExitTimelock.ExitTimelock_TooShort.selector, TIMELOCK_DELAY - 1, TIMELOCK_DELAY
            )
        );
        timelock.updateDelay(TIMELOCK_DELAY - 1);
        _byTimelock(address(timelock), abi.encodeCall(timelock.updateDelay, (TIMELOCK_DELAY + 1)));
        vm.assertEq(timelock.getMinDelay(), TIMELOCK_DELAY + 1);
    }

    /// @dev Propose a change, wait, and let anyone carry it out; not a second sooner.
    function _byTimelock(address target, bytes memory data) private {
        uint256 delay = timelock.getMinDelay();
        vm.prank(governor);
        timelock.schedule(target, 0, data, 0, 0, delay);
        vm.warp(block.timestamp + delay - 1);
        vm.expectRevert();
        timelock.execute(target, 0, data, 0, 0);
        vm.warp(block.timestamp + 1);
        timelock.execute(target, 0, data, 0, 0);
    }
}
