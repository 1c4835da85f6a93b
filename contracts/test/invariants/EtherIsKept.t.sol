// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IPortal} from "../../src/interfaces/IPortal.sol";
import {L1Alias} from "../../src/portal/L1Alias.sol";
import {WithdrawalTransaction, Withdrawals} from "../../src/portal/Withdrawals.sol";
import {TwoLayers} from "../utils/TwoLayers.sol";
import {Vm, vm} from "../utils/Vm.sol";

/// @dev Takes ether only when it likes to.
contract Moody {
    bool public refuses;

    function turn() external {
        refuses = !refuses;
    }

    receive() external payable {
        require(!refuses);
    }
}

/// @dev Deposits, withdraws, proves, finalises, replays, claims and rejects, in any order, and knows beforehand which of it
///      must be refused. Ether is counted where it really is: in the accounts of both layers.
contract EtherHandler is TwoLayers {
    struct Proof {
        uint256 at;
        uint256 claim;
    }

    struct Known {
        WithdrawalTransaction withdrawal;
        bool bridged;
        bool toMoody;
        bool finalized;
        bool paid;
        bool delivered;
    }

    /// @dev Few withdrawals, so that many things happen to each.
    uint256 internal constant MOST = 4;
    address internal constant ALICE_ON_L2 = address(0xA11CE);
    address internal constant BOB_ON_L1 = address(0xB0B);
    Moody public moodyOnL1 = new Moody();
    Moody public moodyOnL2 = new Moody();
    Known[] internal _known;
    mapping(uint256 withdrawal => Proof[2]) internal _proofs;
    uint256[] internal _claimedAt;
    mapping(uint256 claim => bool) internal _rejected;
    uint256 public donated;
    uint256 public deposited;
    uint256 public finalized;
    uint256 public refused;
    uint256 public failed;
    uint256 public replayed;
    uint256 public relayed;

    constructor() {
        _deployBoth();
    }

    function deposit(uint64 value, bool bridged, bool toMoody) external {
        address to = toMoody ? address(moodyOnL2) : ALICE_ON_L2;
        vm.deal(address(this), value);
        vm.roll(block.number + 1);
        vm.recordLogs();
        if (bridged) l1Bridge.bridgeETHTo{value: value}(to, 200_000, "");
        else portal.depositTransaction{value: value}(to, value, 100_000, false, "");
        _toL2();
        deposited += value;
    }

    function donate(uint32 value) external {
        vm.deal(address(this), value);
        portal.donateETH{value: value}();
        donated += value;
    }

    function withdraw(uint256 share, bool bridged, bool toMoody) external {
        if (_known.length == MOST) return;
        uint256 value = share % (ALICE_ON_L2.balance / 2 + 1);
        address to = toMoody ? address(moodyOnL1) : BOB_ON_L1;
        vm.recordLogs();
        vm.prank(ALICE_ON_L2);
        if (bridged) l2Bridge.bridgeETHTo{value: value}(to, 100_000, "");
        else passer.initiateWithdrawal{value: value}(to, 100_000, "");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(passer)) continue;
            _known.push(Known(_withdrawalOf(logs[i]), bridged, toMoody, false, false, false));
        }
    }

    function burn() external {
        passer.burn();
    }

    function prove(uint8 pick, bool other) public {
        if (_known.length == 0) return;
        uint256 which = pick % _known.length;
        (uint256 claim,) = _prove(_known[which].withdrawal, _prover(other));
        _claimedAt.push(block.timestamp - 1);
        Proof storage proof = _proofs[which][other ? 1 : 0];
        if (proof.at != 0 && !_rejected[proof.claim]) return; // PTL-039
        (proof.at, proof.claim) = (block.timestamp, claim);
    }

    /// @dev All claims made here are true: rejecting one is the disputer's mistake, and costs nobody ether.
    function reject(uint8 pick) external {
        if (_claimedAt.length == 0) return;
        uint256 claim = pick % _claimedAt.length;
        bool may = !_rejected[claim] && block.timestamp < _claimedAt[claim] + WINDOW;
        vm.assertTrue(claims.mayDispute(claim, disputer) == may);
        if (!may) return;
        vm.prank(disputer);
        claims.reject(claim);
        _rejected[claim] = true;
    }

    function wait_(uint16 seconds_) public {
        vm.warp(block.timestamp + seconds_);
        vm.roll(block.number + 1);
    }

    function finalize(uint8 pick, bool other) public {
        if (_known.length == 0) return;
        uint256 which = pick % _known.length;
        Known storage one = _known[which];
        bool may = !one.finalized && _isRipe(_proofs[which][other ? 1 : 0]);
        try portal.finalizeWithdrawalTransactionExternalProof(one.withdrawal, _prover(other)) {
            vm.assertTrue(may);
            one.finalized = true;
            one.paid = !portal.failedWithdrawals(Withdrawals.hash(one.withdrawal));
            one.delivered = one.bridged && !_isRefused(one);
            ++finalized;
            if (!one.paid) ++failed;
        } catch {
            vm.assertFalse(may);
            ++refused;
        }
    }

    function leave(uint8 pick, bool other) external {
        prove(pick, other);
        wait_(uint16(MATURITY + FINALITY));
        finalize(pick, other);
        finalize(pick, !other);
        relay(pick);
        relay(pick);
    }

    function replay(uint8 pick) external {
        if (_known.length == 0) return;
        Known storage one = _known[pick % _known.length];
        bool may = one.finalized && !one.paid;
        try portal.replayWithdrawal(one.withdrawal) {
            vm.assertTrue(may);
            one.paid = !portal.failedWithdrawals(Withdrawals.hash(one.withdrawal));
            if (one.paid) ++replayed;
        } catch {
            vm.assertFalse(may);
            ++refused;
        }
    }

    /// @dev What the messenger delivered in vain is delivered once it is wanted; nothing else, and nothing twice.
    function relay(uint8 pick) public {
        if (_known.length == 0) return;
        Known storage one = _known[pick % _known.length];
        if (!one.bridged) return;
        (bool done,) = address(l1Messenger).call(one.withdrawal.data);
        vm.assertTrue(done == (one.paid && !one.delivered));
        if (!done || _isRefused(one)) return;
        one.delivered = true;
        ++relayed;
    }

    function turn(bool onL2) external {
        (onL2 ? moodyOnL2 : moodyOnL1).turn();
    }

    /// @dev PTL-038: the portal has what it was given, what is on L2, and what can be or could still be carried out.
    function checkPortal() external view {
        uint256 owed = donated + onL2();
        for (uint256 i; i < _known.length; ++i) {
            if (!_known[i].paid) owed += _known[i].withdrawal.value;
        }
        vm.assertEq(address(portal).balance, owed);
    }

    /// @dev What withdrawals paid has arrived, or waits in the messenger to be delivered again (BRG-004).
    function checkPaid() external view {
        uint256 paid;
        for (uint256 i; i < _known.length; ++i) {
            if (_known[i].paid) paid += _known[i].withdrawal.value;
        }
        vm.assertEq(paid, address(moodyOnL1).balance + BOB_ON_L1.balance + address(l1Messenger).balance);
        vm.assertEq(deposited + donated, address(portal).balance + paid);
        vm.assertEq(address(l1Bridge).balance, 0);
    }

    /// @dev Ether on L2. What left waits in the message passer to be burned, and is L2's no more (BRG-012).
    function onL2() public view returns (uint256) {
        return ALICE_ON_L2.balance + address(moodyOnL2).balance + address(l2Messenger).balance
            + address(l2Bridge).balance + L1Alias.apply_(address(this)).balance
            + L1Alias.apply_(address(l1Messenger)).balance;
    }

    function _isRefused(Known storage one) private view returns (bool) {
        return one.toMoody && moodyOnL1.refuses();
    }

    /// @dev PTL-033, PTL-034, PTL-062, PTL-063.
    function _isRipe(Proof memory proof) private view returns (bool) {
        return proof.at != 0 && !_rejected[proof.claim] && block.timestamp > proof.at + MATURITY
            && block.timestamp > _claimedAt[proof.claim] + WINDOW + FINALITY;
    }

    function _prover(bool other) private pure returns (address) {
        return other ? address(0x9406E) : address(0x9406D);
    }
}

/// @dev Whatever is called in whatever order.
contract EtherIsKeptTest {
    EtherHandler internal handler;

    function setUp() external {
        handler = new EtherHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// forge-config: default.invariant.runs = 12
    /// forge-config: default.invariant.depth = 80
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_ether_is_neither_made_nor_lost() external view {
        handler.checkPortal();
        handler.checkPaid();
    }

    /// @dev The handler reaches what it is to reach; else the invariant would hold of nothing.
    function test_handler_reaches_every_part() external {
        handler.deposit(100, true, false);
        handler.deposit(50, false, false);
        handler.turn(true);
        handler.deposit(7, true, true); // refused: waits in the messenger of L2
        handler.deposit(5, false, true); // refused: stays with its sender's alias
        handler.donate(3);
        vm.assertEq(handler.onL2(), 162);
        handler.withdraw(40, false, true);
        handler.withdraw(50, true, true);
        handler.withdraw(20, true, false);
        handler.burn();
        vm.assertEq(handler.onL2(), 52);
        handler.finalize(0, false);
        for (uint8 i; i < 3; ++i) {
            handler.prove(i, false);
        }
        handler.reject(2);
        handler.prove(2, true);
        handler.finalize(0, false);
        handler.wait_(7_201);
        handler.turn(false);
        handler.finalize(0, false); // refused by its target: stays here
        handler.finalize(1, false); // delivered in vain: waits in the messenger
        handler.finalize(2, false); // by a claim that was rejected
        handler.finalize(2, true);
        handler.checkPortal();
        handler.checkPaid();
        handler.replay(0);
        handler.relay(1);
        handler.turn(false);
        handler.replay(0);
        handler.replay(0);
        handler.relay(1);
        handler.relay(1);
        vm.assertEq(handler.finalized(), 3);
        vm.assertEq(handler.failed(), 1);
        vm.assertEq(handler.refused(), 4);
        vm.assertEq(handler.replayed(), 1);
        vm.assertEq(handler.relayed(), 1);
        handler.checkPortal();
        handler.checkPaid();
    }
}
