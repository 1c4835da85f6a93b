// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IDepositMeter} from "../../src/interfaces/IDepositMeter.sol";
import {IPortal} from "../../src/interfaces/IPortal.sol";
import {L1Alias} from "../../src/portal/L1Alias.sol";
import {MaturingClaims} from "../../src/portal/MaturingClaims.sol";
import {Portal} from "../../src/portal/Portal.sol";
import {OutputRootProof, WithdrawalTransaction, Withdrawals} from "../../src/portal/Withdrawals.sol";
import {L2ToL1MessagePasser} from "../../src/predeploys/L2ToL1MessagePasser.sol";
import {L1System} from "../utils/L1System.sol";
import {Vm, vm} from "../utils/Vm.sol";

/// @dev Answers with a megabyte, as success or as failure.
contract Bomb {
    bool internal fails;

    function fail(bool yes) external {
        fails = yes;
    }

    fallback() external payable {
        bool yes = fails;
        assembly {
            if yes { revert(0, 1000000) }
            return(0, 1000000)
        }
    }
}

/// @dev Uses up all it gets.
contract Glutton {
    fallback() external payable {
        assembly {
            invalid()
        }
    }
}

/// @dev Refuses its ether at first; then takes it, and asks for it again while it does.
contract Greedy {
    bytes internal again;
    bool public ready;
    bool public gotTwice;

    function prepare(bytes calldata call) external {
        (again, ready) = (call, true);
    }

    receive() external payable {
        require(ready);
        (gotTwice,) = msg.sender.call(again);
    }
}

/// @dev Deposits again, in the name of whoever it can.
contract Depositing {
    receive() external payable {
        Portal(payable(msg.sender)).depositTransaction{value: msg.value}(address(1), 0, 100_000, false, "");
    }
}

/// @dev What someone tries who wants ether that is not his, or others not to get theirs.
contract PortalAttacksTest is L1System {
    address internal alice = address(0xA11CE);
    address internal thief = address(0xBAD);

    function setUp() external {
        _deployL1();
        vm.deal(address(portal), 100 ether);
        vm.deal(alice, 1_000 ether);
        vm.deal(thief, 1_000 ether);
        vm.fee(1 gwei);
        _append();
    }

    /// @dev PTL-036: a target that returns, or reverts with, a megabyte makes finalising no dearer than its own gas.
    function test_attack_return_bomb_does_not_stop_finalising() external {
        Bomb bomb = new Bomb();
        for (uint256 i; i < 2; ++i) {
            bomb.fail(i == 0);
            WithdrawalTransaction memory w = _withdrawal(address(bomb), 1 ether, i);
            w.gasLimit = 2_200_000; // what its own memory costs
            _ready(w, alice);
            uint256 least = 200_000 + w.gasLimit * 64 / 63;
            portal.finalizeWithdrawalTransactionExternalProof{gas: least}(w, alice);
            bytes32 hash = Withdrawals.hash(w);
            vm.assertTrue(portal.finalizedWithdrawals(hash));
            vm.assertTrue(portal.failedWithdrawals(hash) == (i == 0));
        }
        vm.assertEq(address(bomb).balance, 1 ether);
    }

    /// @dev BRG-013: the largest withdrawal that L2 records is carried out by one transaction of L1: 2^24 gas (EIP-7825), of
    ///      which 21,000 and 16 for each byte are gone before it starts.
    function test_attack_largest_withdrawal_fits_one_transaction() external {
        L2ToL1MessagePasser passer = new L2ToL1MessagePasser(address(portal));
        bytes memory data = new bytes(passer.MAX_DATA());
        for (uint256 i; i < data.length; ++i) {
            data[i] = 0xff;
        }
        WithdrawalTransaction memory w = _withdrawal(address(new Glutton()), 1 ether, 0);
        (w.gasLimit, w.data) = (passer.MAX_GAS_LIMIT(), data);
        _ready(w, alice);
        uint256 given = (1 << 24) - 21_000 - 16 * (data.length + 1_000);
        portal.finalizeWithdrawalTransactionExternalProof{gas: given}(w, alice);
        vm.assertTrue(portal.finalizedWithdrawals(Withdrawals.hash(w)));
    }

    /// @dev PTL-036, PTL-037: a target that burns all gas it gets leaves enough to write down that it failed.
    function test_attack_glutton_leaves_enough_to_write_it_down() external {
        WithdrawalTransaction memory w = _withdrawal(address(new Glutton()), 1 ether, 0);
        w.gasLimit = 1_000_000;
        _ready(w, alice);
        portal.finalizeWithdrawalTransactionExternalProof{gas: 1_200_000}(w, alice);
        vm.assertTrue(portal.failedWithdrawals(Withdrawals.hash(w)));
        vm.assertEq(address(portal).balance, 100 ether);
    }

    /// @dev PTL-035, PTL-037: a failed withdrawal that is replayed from inside its own replay is paid once.
    function test_attack_reentering_replay_is_paid_once() external {
        Greedy greedy = new Greedy();
        WithdrawalTransaction memory w = _withdrawal(address(greedy), 1 ether, 0);
        w.gasLimit = 300_000;
        _ready(w, alice);
        portal.finalizeWithdrawalTransactionExternalProof(w, alice);
        vm.assertTrue(portal.failedWithdrawals(Withdrawals.hash(w)));
        greedy.prepare(abi.encodeCall(IPortal.replayWithdrawal, (w)));
        portal.replayWithdrawal(w);
        vm.assertFalse(greedy.gotTwice());
        vm.assertEq(address(greedy).balance, 1 ether);
        vm.assertEq(address(portal).balance, 99 ether);
    }

    /// @dev PTL-011: a deposit made from inside a withdrawal is its maker's, not that of the withdrawal's sender on L2.
    function test_attack_deposit_from_inside_a_withdrawal_is_aliased() external {
        Depositing target = new Depositing();
        WithdrawalTransaction memory w = _withdrawal(address(target), 1 ether, 0);
        w.gasLimit = 500_000;
        w.sender = alice;
        _ready(w, alice);
        vm.recordLogs();
        portal.finalizeWithdrawalTransactionExternalProof(w, alice);
        Vm.Log memory log = vm.getRecordedLogs()[0];
        vm.assertEq(log.topics[0], IPortal.TransactionDeposited.selector);
        vm.assertEq(log.topics[1], bytes32(uint256(uint160(L1Alias.apply_(address(target))))));
        vm.assertEq(address(portal).balance, 100 ether);
    }

    /// @dev PTL-011: an L1 contract cannot choose to appear on L2 under an address that has a key or a predeploy there.
    function testFuzz_attack_alias_is_never_ones_own_address(address account) external pure {
        vm.assertTrue(L1Alias.apply_(account) != account);
        vm.assertEq(L1Alias.undo(L1Alias.apply_(account)), account);
    }

    /// @dev PTL-039: someone proves my withdrawal over and over until the last moment: neither my wait nor what clients show of
    ///      it gets longer. When my claim is lost, who proves next is shown.
    function test_attack_griefed_prove_does_not_delay_mine() external {
        WithdrawalTransaction memory w = _withdrawal(alice, 1 ether, 0);
        (OutputRootProof memory output, bytes[] memory proof) = _outputWith(w);
        _prove(w, alice);
        for (uint256 i; i < 20; ++i) {
            vm.warp(block.timestamp + MATURITY / 20 + 1);
            vm.prank(thief);
            portal.proveWithdrawalTransaction(w, 0, output, proof);
        }
        bytes32 hash = Withdrawals.hash(w);
        vm.assertEq(portal.numProofSubmitters(hash), 2);
        vm.assertEq(portal.proofSubmitters(hash, 1), alice);
        vm.prank(alice);
        portal.finalizeWithdrawalTransaction(w);
        vm.assertEq(alice.balance, 1_001 ether);
    }

    /// @dev PTL-039: someone proves my withdrawal first, and again and again: his wait is what clients show, it does not start
    ///      again, and it is over before mine. Lost with its claim, it is no longer shown when I prove.
    function test_attack_griefed_prove_before_mine_does_not_restart() external {
        WithdrawalTransaction memory w = _withdrawal(alice, 1 ether, 0);
        bytes32 hash = Withdrawals.hash(w);
        (uint256 id,) = _prove(w, thief);
        (, uint64 first) = portal.provenWithdrawals(hash, thief);
        _prove(w, alice);
        for (uint256 i; i < 5; ++i) {
            vm.warp(block.timestamp + 60);
            _prove(w, thief);
        }
        (, uint64 now_) = portal.provenWithdrawals(hash, thief);
        vm.assertTrue(now_ == first && portal.proofSubmitters(hash, 1) == thief);
        vm.prank(disputer);
        claims.reject(id);
        _prove(w, address(0xB0B));
        vm.assertEq(portal.numProofSubmitters(hash), 3);
        vm.assertEq(portal.proofSubmitters(hash, 2), address(0xB0B));
        _prove(w, thief);
        vm.assertEq(portal.proofSubmitters(hash, 3), address(0xB0B));
    }

    /// @dev PTL-031: a slot of the message passer that holds anything but one is no withdrawal.
    function test_attack_other_values_in_the_trie_prove_nothing() external {
        WithdrawalTransaction memory w = _withdrawal(thief, 100 ether, 0);
        bytes memory path = bytes.concat(hex"20", Withdrawals.trieKey(Withdrawals.hash(w)));
        bytes[4] memory leaves = [
            bytes.concat(hex"e3a1", path, hex"02"),
            bytes.concat(hex"e3a1", path, hex"80"),
            bytes.concat(hex"e4a1", path, hex"8101"),
            bytes.concat(hex"e5a1", path, hex"820001")
        ];
        for (uint256 i; i < 4; ++i) {
            bytes[] memory proof = new bytes[](1);
            proof[0] = leaves[i];
            OutputRootProof memory output = OutputRootProof(0, 0, keccak256(proof[0]), bytes32(i));
            _propose(Withdrawals.outputRoot(output), uint64(i));
            vm.warp(block.timestamp + 1);
            bool refused;
            try portal.proveWithdrawalTransaction(w, i, output, proof) {}
            catch {
                refused = true;
            }
            // 0x8101 is another way to write the same one: no trie has it, and it says nothing else.
            vm.assertTrue(refused || i == 2);
        }
    }

    /// @dev PTL-034, PTL-044: the proposer's key is stolen. Whatever is claimed, while the disputer is awake nothing goes.
    function test_attack_stolen_proposer_key_takes_nothing() external {
        WithdrawalTransaction memory loot = _withdrawal(thief, 100 ether, 0);
        WithdrawalTransaction memory honest = _withdrawal(alice, 1 ether, 1);
        _prove(honest, alice);
        for (uint256 i; i < 5; ++i) {
            (uint256 id,) = _prove(loot, thief);
            vm.warp(block.timestamp + WINDOW / 2);
            vm.prank(disputer);
            claims.reject(id);
        }
        vm.warp(block.timestamp + MATURITY + 1);
        vm.prank(thief);
        vm.expectRevert(IPortal.OptimismPortal_InvalidRootClaim.selector);
        portal.finalizeWithdrawalTransaction(loot);
        vm.prank(alice);
        portal.finalizeWithdrawalTransaction(honest);
        vm.assertEq(address(portal).balance, 99 ether);
    }

    /// @dev PTL-050: a stolen proposer's key, a thousand claims rejected: clients find the next true one at once, within the gas that
    ///      nodes give a call.
    function test_attack_thousand_rejected_claims_hide_no_later_one() external {
        for (uint256 i; i < 1_010; ++i) {
            (uint256 id,) = _propose(keccak256(abi.encode(i)), uint64(i));
            vm.prank(disputer);
            claims.reject(id);
        }
        uint256 before = gasleft();
        vm.assertEq(factory.findLatestGames(GAME_TYPE, 1_009, 100).length, 0);
        vm.assertLe(before - gasleft(), 25_000_000);
        _propose(keccak256("true"), 2_000);
        vm.assertEq(factory.findLatestGames(GAME_TYPE, 1_010, 100)[0].rootClaim, keccak256("true"));
    }

    /// @dev PTL-044, PTL-046: the disputer's key is stolen: it stops claims in their window, takes nothing, undoes nothing.
    function test_attack_stolen_disputer_key_takes_nothing() external {
        WithdrawalTransaction memory w = _withdrawal(alice, 1 ether, 0);
        (uint256 won,) = _prove(w, alice);
        vm.warp(block.timestamp + MATURITY + 1);
        (uint256 open,) = _propose(keccak256("next"), 99);
        vm.prank(disputer);
        claims.reject(open);
        vm.prank(disputer);
        (bool done,) = address(claims).call(abi.encodeCall(claims.reject, (won)));
        vm.assertFalse(done);
        vm.prank(alice);
        portal.finalizeWithdrawalTransaction(w);
        vm.assertEq(address(portal).balance, 99 ether);
    }

    /// @dev PTL-071: the governor's key is stolen. Until his claims contract could count, everyone has left.
    function test_attack_stolen_governor_key_everyone_leaves_before() external {
        MaturingClaims his = new MaturingClaims(GAME_TYPE + 1, inbox, registry, thief, thief, 1);
        bytes memory admit = abi.encodeCall(factory.setImplementation, (GAME_TYPE + 1, his));
        bytes memory respect = abi.encodeCall(registry.setRespectedGameType, (GAME_TYPE + 1));
        vm.prank(governor);
        timelock.schedule(address(factory), 0, admit, 0, 0, TIMELOCK_DELAY);
        vm.prank(governor);
        timelock.schedule(address(registry), 0, respect, 0, 0, TIMELOCK_DELAY);
        uint256 counts = block.timestamp + TIMELOCK_DELAY;

        // Alice sees it a day later, and even sequencers help the thief: she waits for silence and the longest lag.
        vm.warp(block.timestamp + 1 days + SILENCE + LAG * 12);
        WithdrawalTransaction memory w = _withdrawal(alice, 100 ether, 0);
        _prove(w, alice);
        vm.warp(block.timestamp + MATURITY + 1);
        vm.prank(alice);
        portal.finalizeWithdrawalTransaction(w);
        vm.assertTrue(block.timestamp < counts && address(portal).balance == 0);
        vm.expectRevert();
        timelock.execute(address(factory), 0, admit, 0, 0);
    }

    /// @dev PTL-025: whoever buys all gas of deposits keeps others out of that L1 block, at a price that soon takes more
    ///      gas than L1 has: after nine blocks at 1 gwei of L1 base fee he cannot.
    function test_attack_buying_all_deposit_gas_ends_in_nine_blocks() external {
        uint256 l1BlockGas = 60_000_000;
        uint256 blocks;
        uint256 spent;
        while (true) {
            uint256 price = (1 << 25) * uint256(portal.depositBaseFee()) / 1 gwei;
            if (price > l1BlockGas) break;
            spent += price;
            for (uint256 i; i < 2; ++i) {
                portal.depositTransaction(address(1), 0, 1 << 24, false, "");
            }
            vm.prank(alice, alice);
            vm.expectRevert(
                abi.encodeWithSelector(IDepositMeter.OptimismPortal_DepositGasSoldOut.selector, 100_000, 0)
            );
            portal.depositTransaction(address(1), 0, 100_000, false, "");
            vm.roll(block.number + 1);
            ++blocks;
        }
        vm.assertEq(blocks, 9);
        vm.assertGe(spent, 100_000_000); // 0.1 ether burned at 1 gwei
        uint256 before = gasleft();
        vm.prank(alice, alice);
        portal.depositTransaction(address(1), 0, 100_000, false, "");
        vm.assertLe(before - gasleft(), 300_000); // hers costs three times the gas it buys, at the worst
    }

    /// @dev PTL-003, INB-013: any number of deposits after its origin makes an append hardly dearer.
    function test_attack_dust_deposits_do_not_make_appending_dear() external {
        uint64 origin = uint64(block.number);
        _append();
        uint256 plain = gasleft();
        vm.roll(block.number + 1);
        inboxAppend(origin);
        plain -= gasleft();
        for (uint256 i; i < 200; ++i) {
            vm.roll(block.number + 1);
            portal.depositTransaction(address(1), 0, 21_000, false, "");
        }
        vm.roll(block.number + 1);
        uint256 dusty = gasleft();
        inboxAppend(origin);
        dusty -= gasleft();
        vm.assertLe(dusty, plain + 60_000); // 16 cold reads of checkpoints
    }

    function inboxAppend(uint64 origin) public {
        bytes32[] memory blobs = new bytes32[](1);
        blobs[0] = bytes32(uint256(1) << 248);
        vm.blobhashes(blobs);
        uint64 next = inbox.sequencedCount();
        vm.prank(sequencer);
        inbox.appendBatch(next, origin);
    }

    function _withdrawal(address target, uint256 value, uint256 nonce)
        private
        pure
        returns (WithdrawalTransaction memory)
    {
        return WithdrawalTransaction(1 << 240 | nonce, address(0x5E4D), target, value, 100_000, "");
    }

    /// @dev Proven, waited for, not finalised.
    function _ready(WithdrawalTransaction memory w, address prover) private {
        _prove(w, prover);
        vm.warp(block.timestamp + MATURITY + 1);
    }
}
