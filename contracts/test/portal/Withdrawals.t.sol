// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IPortal} from "../../src/interfaces/IPortal.sol";
import {Portal} from "../../src/portal/Portal.sol";
import {OutputRootProof, WithdrawalTransaction, Withdrawals} from "../../src/portal/Withdrawals.sol";
import {L1System} from "../utils/L1System.sol";
import {vm} from "../utils/Vm.sol";

/// @dev Takes ether or refuses it, and remembers who is said to have sent it.
contract Taker {
    bool public refuses;
    address public sender;
    uint256 public gasSeen;

    function refuse(bool yes) external {
        refuses = yes;
    }

    receive() external payable {
        gasSeen = gasleft();
        require(!refuses);
        sender = Portal(payable(msg.sender)).l2Sender();
    }
}

/// @dev Finalises other withdrawals, or the same, while one is carried out.
contract Reenterer {
    bytes[] internal calls;
    bytes4[] public refusals;

    function prepare(bytes calldata call) external {
        calls.push(call);
    }

    receive() external payable {
        for (uint256 i; i < calls.length; ++i) {
            (bool done, bytes memory why) = msg.sender.call(calls[i]);
            refusals.push(done ? bytes4(0) : bytes4(why));
        }
    }
}

contract WithdrawalsTest is L1System {
    struct WithdrawalCase {
        uint256 nonce;
        address sender;
        address target;
        uint256 value;
        uint256 gasLimit;
        bytes data;
        bytes32 withdrawalHash;
        bytes32 stateRoot;
        bytes32 storageRoot;
        bytes32 blockHash;
        bytes32 outputRoot;
        bytes[] proof;
    }

    address internal alice = address(0xA11CE);
    address internal bob = address(0xB0B);
    Taker internal taker = new Taker();

    function setUp() external {
        _deployL1();
        vm.deal(address(portal), 100 ether);
        _append();
    }

    /// @dev PTL-030..032: hashes, roots and proofs of the golden cases, tries of one leaf to hundreds.
    function test_prove_golden_withdrawals() external {
        WithdrawalCase[] memory cases = _cases();
        for (uint256 i; i < cases.length; ++i) {
            WithdrawalCase memory c = cases[i];
            WithdrawalTransaction memory w =
                WithdrawalTransaction(c.nonce, c.sender, c.target, c.value, c.gasLimit, c.data);
            vm.assertEq(Withdrawals.hash(w), c.withdrawalHash);
            OutputRootProof memory output = OutputRootProof(0, c.stateRoot, c.storageRoot, c.blockHash);
            vm.assertEq(Withdrawals.outputRoot(output), c.outputRoot);
            _propose(c.outputRoot, uint64(i + 1));
            vm.warp(block.timestamp + 1);
            vm.expectEmit(address(portal));
            emit IPortal.WithdrawalProven(c.withdrawalHash, c.sender, c.target);
            vm.expectEmit(address(portal));
            emit IPortal.WithdrawalProvenExtension1(c.withdrawalHash, alice);
            vm.prank(alice);
            portal.proveWithdrawalTransaction(w, i, output, c.proof);
            vm.assertEq(portal.numProofSubmitters(c.withdrawalHash), 1);
        }
        vm.assertEq(cases.length, 4);
    }

    /// @dev PTL-031: a proof of another withdrawal, a changed byte, a missing or an additional node.
    function testFuzz_prove_wrong_proof_reverts(uint8 pick, uint8 what, uint16 where, uint8 flip) external {
        WithdrawalCase memory c = _cases()[pick % 4];
        WithdrawalTransaction memory w =
            WithdrawalTransaction(c.nonce, c.sender, c.target, c.value, c.gasLimit, c.data);
        OutputRootProof memory output = OutputRootProof(0, c.stateRoot, c.storageRoot, c.blockHash);
        _propose(c.outputRoot, 1);
        vm.warp(block.timestamp + 1);
        bytes[] memory proof = c.proof;
        if (what % 4 == 0) {
            w.value += 1;
        } else if (what % 4 == 1) {
            bytes memory node = proof[where % proof.length];
            node[where % node.length] ^= bytes1(flip == 0 ? 1 : flip);
        } else if (what % 4 == 2) {
            proof = new bytes[](c.proof.length - 1);
            for (uint256 i; i < proof.length; ++i) {
                proof[i] = c.proof[i];
            }
        } else {
            proof = new bytes[](c.proof.length + 1);
            for (uint256 i; i < c.proof.length; ++i) {
                proof[i] = c.proof[i];
            }
            proof[c.proof.length] = c.proof[c.proof.length - 1];
        }
        vm.expectRevert();
        portal.proveWithdrawalTransaction(w, 0, output, proof);
    }

    /// @dev PTL-032.
    function test_prove_other_output_reverts() external {
        WithdrawalTransaction memory w = _withdrawal(alice, 1 ether);
        (OutputRootProof memory output, bytes[] memory proof) = _outputWith(w);
        _propose(Withdrawals.outputRoot(output), 1);
        vm.warp(block.timestamp + 1);
        output.stateRoot = 0;
        vm.expectRevert(IPortal.OptimismPortal_InvalidOutputRootProof.selector);
        portal.proveWithdrawalTransaction(w, 0, output, proof);
    }

    /// @dev PTL-033: in the second of the claim already, but not by a rejected one.
    function test_prove_claim_of_this_second_and_rejected() external {
        WithdrawalTransaction memory w = _withdrawal(alice, 1 ether);
        (OutputRootProof memory output, bytes[] memory proof) = _outputWith(w);
        (uint256 id,) = _propose(Withdrawals.outputRoot(output), 1);
        portal.proveWithdrawalTransaction(w, 0, output, proof);
        vm.prank(disputer);
        claims.reject(id);
        vm.expectRevert(IPortal.OptimismPortal_InvalidDisputeGame.selector);
        portal.proveWithdrawalTransaction(w, 0, output, proof);
    }

    /// @dev PTL-035: the portal does not call itself.
    function test_prove_portal_as_target_reverts() external {
        WithdrawalTransaction memory w = _withdrawal(address(portal), 1 ether);
        (OutputRootProof memory output, bytes[] memory proof) = _outputWith(w);
        vm.expectRevert(IPortal.OptimismPortal_BadTarget.selector);
        portal.proveWithdrawalTransaction(w, 0, output, proof);
        vm.expectRevert(IPortal.OptimismPortal_BadTarget.selector);
        portal.finalizeWithdrawalTransaction(w);
    }

    /// @dev PTL-034: after the proof's wait and the claim's victory with its delay, once.
    function test_finalize_waits_for_proof_and_claim() external {
        WithdrawalTransaction memory w = _withdrawal(address(taker), 1 ether);
        bytes32 hash = Withdrawals.hash(w);
        vm.expectRevert(IPortal.OptimismPortal_Unproven.selector);
        portal.checkWithdrawal(hash, alice);
        _prove(w, alice);
        uint256 provenAt = block.timestamp;
        vm.warp(provenAt + MATURITY);
        vm.expectRevert(IPortal.OptimismPortal_ProofNotOldEnough.selector);
        portal.checkWithdrawal(hash, alice);
        vm.warp(provenAt + MATURITY + 1);
        portal.checkWithdrawal(hash, alice);
        vm.expectRevert(IPortal.OptimismPortal_Unproven.selector);
        portal.checkWithdrawal(hash, bob);
        vm.expectEmit(address(portal));
        emit IPortal.WithdrawalFinalized(hash, true);
        vm.prank(alice);
        portal.finalizeWithdrawalTransaction(w);
        vm.assertEq(address(taker).balance, 1 ether);
        vm.assertEq(taker.sender(), w.sender);
        vm.assertEq(portal.l2Sender(), 0x000000000000000000000000000000000000dEaD);
        vm.expectRevert(IPortal.OptimismPortal_AlreadyFinalized.selector);
        vm.prank(alice);
        portal.finalizeWithdrawalTransaction(w);
    }

    /// @dev PTL-034: a claim still in its window, and in the delay after it, does not do.
    function test_check_claim_not_settled_reverts() external {
        Portal quick = new Portal(registry, 0);
        WithdrawalTransaction memory w = _withdrawal(alice, 0);
        (OutputRootProof memory output, bytes[] memory proof) = _outputWith(w);
        _propose(Withdrawals.outputRoot(output), 1);
        uint256 settled = block.timestamp + WINDOW;
        vm.warp(block.timestamp + 1);
        quick.proveWithdrawalTransaction(w, 0, output, proof);
        uint256[3] memory early = [block.timestamp + 1, settled - 1, settled + FINALITY];
        for (uint256 i; i < 3; ++i) {
            vm.warp(early[i]);
            vm.expectRevert(IPortal.OptimismPortal_InvalidRootClaim.selector);
            quick.checkWithdrawal(Withdrawals.hash(w), address(this));
        }
        vm.warp(settled + FINALITY + 1);
        quick.checkWithdrawal(Withdrawals.hash(w), address(this));
    }

    /// @dev PTL-034: a claim rejected after the proof; proving again by its successor starts the wait again.
    function test_finalize_after_claim_was_replaced() external {
        WithdrawalTransaction memory w = _withdrawal(address(taker), 1 ether);
        bytes32 hash = Withdrawals.hash(w);
        (uint256 id, address game) = _prove(w, alice);
        vm.expectRevert(IPortal.OptimismPortal_ProofNotOldEnough.selector);
        portal.checkWithdrawal(hash, alice);
        vm.prank(disputer);
        claims.reject(id);
        vm.expectRevert(IPortal.OptimismPortal_InvalidRootClaim.selector);
        portal.checkWithdrawal(hash, alice);
        vm.warp(block.timestamp + MATURITY + 1);
        vm.expectRevert(IPortal.OptimismPortal_InvalidRootClaim.selector);
        portal.checkWithdrawal(hash, alice);
        vm.assertTrue(registry.isGameFinalized(game));

        (, address next) = _prove(w, alice);
        vm.assertTrue(next != game);
        vm.expectRevert(IPortal.OptimismPortal_ProofNotOldEnough.selector);
        portal.checkWithdrawal(hash, alice);
        vm.warp(block.timestamp + MATURITY + 1);
        vm.prank(alice);
        portal.finalizeWithdrawalTransaction(w);
        vm.assertEq(address(taker).balance, 1 ether);
    }

    /// @dev Two provers: each has a wait of its own, anyone finalises by either, and it is paid once.
    function test_finalize_two_provers() external {
        WithdrawalTransaction memory w = _withdrawal(address(taker), 1 ether);
        bytes32 hash = Withdrawals.hash(w);
        _prove(w, alice);
        vm.warp(block.timestamp + MATURITY + 1);
        (OutputRootProof memory output, bytes[] memory proof) = _outputWith(w);
        vm.prank(bob);
        portal.proveWithdrawalTransaction(w, 0, output, proof);
        vm.assertEq(portal.numProofSubmitters(hash), 2);
        vm.assertEq(portal.proofSubmitters(hash, 0), bob);
        vm.assertEq(portal.proofSubmitters(hash, 1), alice);
        vm.expectRevert(IPortal.OptimismPortal_ProofNotOldEnough.selector);
        portal.finalizeWithdrawalTransactionExternalProof(w, bob);
        portal.finalizeWithdrawalTransactionExternalProof(w, alice);
        vm.warp(block.timestamp + MATURITY + 1);
        vm.expectRevert(IPortal.OptimismPortal_AlreadyFinalized.selector);
        portal.finalizeWithdrawalTransactionExternalProof(w, bob);
        vm.assertEq(address(taker).balance, 1 ether);
    }

    /// @dev PTL-037: a refused withdrawal keeps its ether in the portal until it is taken.
    function test_replay_failed_withdrawal_until_it_succeeds() external {
        WithdrawalTransaction memory w = _withdrawal(address(taker), 1 ether);
        bytes32 hash = Withdrawals.hash(w);
        vm.expectRevert(IPortal.OptimismPortal_NotFailed.selector);
        portal.replayWithdrawal(w);
        _ready(w);
        taker.refuse(true);
        vm.expectEmit(address(portal));
        emit IPortal.WithdrawalFinalized(hash, false);
        portal.finalizeWithdrawalTransactionExternalProof(w, alice);
        vm.assertTrue(portal.finalizedWithdrawals(hash) && portal.failedWithdrawals(hash));
        vm.assertEq(address(portal).balance, 100 ether);
        portal.replayWithdrawal(w);
        vm.assertTrue(portal.failedWithdrawals(hash));
        taker.refuse(false);
        vm.expectEmit(address(portal));
        emit IPortal.WithdrawalReplayed(hash, true);
        vm.prank(bob);
        portal.replayWithdrawal(w);
        vm.assertEq(address(taker).balance, 1 ether);
        vm.expectRevert(IPortal.OptimismPortal_NotFailed.selector);
        portal.replayWithdrawal(w);
    }

    /// @dev Whoever estimates gas sees the failure.
    function test_finalize_estimation_of_a_failing_call_reverts() external {
        WithdrawalTransaction memory w = _withdrawal(address(taker), 1 ether);
        _ready(w);
        taker.refuse(true);
        vm.prank(alice, address(1));
        vm.expectRevert(IPortal.OptimismPortal_GasEstimation.selector);
        portal.finalizeWithdrawalTransaction(w);
    }

    /// @dev PTL-036: the callee gets what the withdrawal asks for, or nothing happens.
    function testFuzz_finalize_gas_is_enough_or_reverts(uint24 wanted, uint24 given) external {
        WithdrawalTransaction memory w = _withdrawal(address(taker), 1 ether);
        w.gasLimit = uint256(wanted) % 1_000_000 + 50_000;
        _ready(w);
        (bool done,) = address(portal).call{gas: uint256(given) % 2_000_000}(
            abi.encodeCall(IPortal.finalizeWithdrawalTransactionExternalProof, (w, alice))
        );
        if (done) {
            vm.assertTrue(portal.finalizedWithdrawals(Withdrawals.hash(w)));
            vm.assertFalse(portal.failedWithdrawals(Withdrawals.hash(w)));
            // A little is spent before the first line of the callee.
            vm.assertGe(taker.gasSeen() + 200, w.gasLimit);
        } else {
            vm.assertFalse(portal.finalizedWithdrawals(Withdrawals.hash(w)));
        }
    }

    function test_finalize_absurd_gas_reverts() external {
        WithdrawalTransaction memory w = _withdrawal(address(taker), 1 ether);
        w.gasLimit = type(uint256).max;
        _ready(w);
        vm.expectRevert(abi.encodeWithSelector(IPortal.OptimismPortal_OutOfGas.selector, type(uint256).max));
        portal.finalizeWithdrawalTransactionExternalProof(w, alice);
    }

    /// @dev PTL-035: neither the same nor another withdrawal from inside one.
    function test_finalize_reentering_finds_the_door_shut() external {
        Reenterer inside = new Reenterer();
        WithdrawalTransaction memory first = _withdrawal(address(inside), 1 ether);
        first.gasLimit = 400_000;
        WithdrawalTransaction memory second = _withdrawal(address(taker), 2 ether);
        second.nonce = 7;
        _ready(second);
        _prove(first, alice);
        vm.warp(block.timestamp + MATURITY + 1);
        WithdrawalTransaction[2] memory tried = [first, second];
        for (uint256 i; i < 2; ++i) {
            inside.prepare(
                abi.encodeCall(IPortal.finalizeWithdrawalTransactionExternalProof, (tried[i], alice))
            );
        }
        portal.finalizeWithdrawalTransactionExternalProof(first, alice);
        vm.assertEq(bytes32(inside.refusals(0)), IPortal.OptimismPortal_AlreadyFinalized.selector);
        vm.assertEq(bytes32(inside.refusals(1)), IPortal.OptimismPortal_NoReentrancy.selector);
        vm.assertEq(address(inside).balance, 1 ether);
        vm.assertEq(address(taker).balance, 0);
        vm.assertFalse(portal.finalizedWithdrawals(Withdrawals.hash(second)));
    }

    function test_views_clients_ask_for() external view {
        vm.assertEq(address(portal.disputeGameFactory()), address(factory));
        vm.assertEq(address(portal.anchorStateRegistry()), address(registry));
        vm.assertEq(portal.respectedGameType(), GAME_TYPE);
        vm.assertEq(portal.respectedGameTypeUpdatedAt(), 1_800_000_000);
        vm.assertEq(portal.proofMaturityDelaySeconds(), MATURITY);
        vm.assertEq(portal.disputeGameFinalityDelaySeconds(), FINALITY);
        vm.assertFalse(portal.paused() || portal.disputeGameBlacklist(address(1)));
        vm.assertEq(bytes(portal.version()), "5.0.0");
    }

    function test_gas() external {
        WithdrawalCase memory c = _cases()[3];
        WithdrawalTransaction memory w =
            WithdrawalTransaction(c.nonce, c.sender, c.target, 1 ether, c.gasLimit, c.data);
        w.value = c.value;
        OutputRootProof memory output = OutputRootProof(0, c.stateRoot, c.storageRoot, c.blockHash);
        _propose(c.outputRoot, 1);
        vm.snapshotGasLastCall("Portal", "propose");
        vm.warp(block.timestamp + 1);
        portal.proveWithdrawalTransaction(w, 0, output, c.proof);
        vm.snapshotGasLastCall("Portal", "proveWithdrawalTransaction, one of 300");
        vm.deal(address(portal), 2 ** 100);
        vm.warp(block.timestamp + MATURITY + 1);
        portal.finalizeWithdrawalTransaction(w);
        vm.snapshotGasLastCall("Portal", "finalizeWithdrawalTransaction");
    }

    function _withdrawal(address target, uint256 value) private pure returns (WithdrawalTransaction memory) {
        return WithdrawalTransaction(1 << 240, address(0x5E4D), target, value, 100_000, "");
    }

    /// @dev Proven by Alice, waited for, not finalised.
    function _ready(WithdrawalTransaction memory w) private {
        _prove(w, alice);
        vm.warp(block.timestamp + MATURITY + 1);
    }

    function _cases() private view returns (WithdrawalCase[] memory) {
        string memory description = string.concat(
            "WithdrawalCase(uint256 nonce,address sender,address target,uint256 value,uint256 gasLimit,bytes data,",
            "bytes32 withdrawalHash,bytes32 stateRoot,bytes32 storageRoot,bytes32 blockHash,bytes32 outputRoot,bytes[] proof)"
        );
        bytes memory encoded =
            vm.parseJsonTypeArray(vm.readFile("vectors/withdrawals.json"), ".withdrawals", description);
        return abi.decode(encoded, (WithdrawalCase[]));
    }
}
