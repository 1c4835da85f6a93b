// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Key, Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {
    Approval,
    Guardians,
    IPassport,
    PURPOSE_CONFIRM,
    PURPOSE_OPEN,
    PURPOSE_VETO_GUARDIANS,
    PURPOSE_WITHDRAW,
    ROLE_ACTING,
    ROLE_LINKED,
    SUBJECT_GUARDIANS,
    SUBJECT_RECOVERY,
    SUBJECT_REMOVAL
} from "../../src/interfaces/IPassport.sol";
import {Passport} from "../../src/passport/Passport.sol";
import {PersonaBase, Signer} from "../utils/PersonaBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

/// @notice Each attack says who would gain what; each test has an honest control, and where a guard can be taken away alone, the attack
///         succeeding without it.
contract PassportAttacksTest is PersonaBase {
    string internal constant REMOVE =
        "RemoveKey(uint256 passport,bytes32 keyId,uint256 nonce,uint256 deadline)";
    string internal constant VETO = "Veto(uint256 passport,uint8 subject,uint256 nonce,uint256 deadline)";
    string internal constant GUARDIANS =
        "SetGuardians(uint256 passport,bytes32[] keyIds,uint8 quorum,uint8 overrideQuorum,uint256 nonce,uint256 deadline)";

    Signer internal owner = account("owner");
    Signer[] internal friends;
    uint256 internal passport;

    function setUp() external {
        passport = make(owner);
        for (uint256 i; i < 3; ++i) {
            friends.push(account(string.concat("friend", decimal(i))));
        }
        for (uint256 i; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (friends[j].id < friends[i].id) {
                    Signer memory swapped = friends[i];
                    friends[i] = friends[j];
                    friends[j] = swapped;
                }
            }
        }
        ask(owner, circle());
        pvm.warp(block.timestamp + 14 days);
        passports.executeGuardians(passport);
    }

    // Two of three open, all three override.
    function circle() internal view returns (Guardians memory next) {
        next.keyIds = new bytes32[](3);
        for (uint256 i; i < 3; ++i) {
            next.keyIds[i] = friends[i].id;
        }
        (next.quorum, next.overrideQuorum) = (2, 3);
    }

    function ask(Signer memory actor, Guardians memory next) internal {
        bytes memory words =
            abi.encode(keccak256(abi.encodePacked(next.keyIds)), next.quorum, next.overrideQuorum);
        passports.setGuardians(
            passport, actor.key, act(actor, passport, GUARDIANS, words, "Change guardians"), next
        );
    }

    function approvals(uint256 size, uint8 purpose, bytes32 newKeyId)
        internal
        view
        returns (Approval[] memory list)
    {
        (, uint256 round) = passports.recoveryOf(passport);
        return approvalsIn(size, purpose, newKeyId, round);
    }

    function approvalsIn(uint256 size, uint8 purpose, bytes32 newKeyId, uint256 round)
        internal
        view
        returns (Approval[] memory list)
    {
        bytes32 typed = keccak256(
            "ApproveRecovery(uint256 passport,uint8 purpose,bytes32 newKeyId,uint256 round,uint256 deadline)"
        );
        list = new Approval[](size);
        bytes32 digest = digestFor(
            address(passports), keccak256(abi.encode(typed, passport, purpose, newKeyId, round, soon()))
        );
        for (uint256 i; i < size; ++i) {
            list[i] = Approval(
                friends[i].key, prove(friends[i], digest, say("Approve as guardian", passport), soon())
            );
        }
    }

    function open(Signer memory next, uint256 size) internal {
        Approval[] memory list = approvals(size, PURPOSE_OPEN, next.id);
        passports.openRecovery(passport, next.key, entry(next, passport, ROLE_ACTING), list);
    }

    function vetoBy(Signer memory actor, uint8 subject) internal {
        Proof memory proof = act(actor, passport, VETO, abi.encode(subject), "Veto");
        passports.veto(passport, actor.key, proof, subject);
    }

    function tryVeto(Signer memory actor, uint8 subject, bytes4 reason) internal {
        Proof memory proof = act(actor, passport, VETO, abi.encode(subject), "Veto");
        pvm.expectPartialRevert(reason);
        passports.veto(passport, actor.key, proof, subject);
    }

    function removal(Signer memory actor, Signer memory signer) internal {
        Proof memory proof = act(actor, passport, REMOVE, abi.encode(signer.id), "Take a key out");
        passports.removeKey(passport, actor.key, proof, signer.id);
    }

    /// @dev Control of all recovery attacks: everything lost, two friends, seven days (PAS-022, PAS-023, PAS-025).
    function test_honest_recovery_after_losing_every_key() public {
        Signer memory next = passkey("new");
        open(next, 2);
        pvm.warp(block.timestamp + 7 days);
        passports.executeRecovery(passport, next.key);
        pvm.assertTrue(passports.isActing(passport, next.id));
        pvm.assertFalse(passports.isActing(passport, owner.id));
        pvm.assertEq(passports.keyCountOf(passport), 1);
        pvm.assertEq(passports.guardiansOf(passport).keyIds.length, 3);
    }

    /// @dev Friends below the override quorum want the passport; the owner's veto stands (PAS-023).
    function test_attack_guardian_collusion_inside_the_veto_time() external {
        Signer memory thief = account("thief");
        open(thief, 2);
        vetoBy(owner, SUBJECT_RECOVERY);
        Approval[] memory list = approvals(2, PURPOSE_CONFIRM, thief.id);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_NoQuorum.selector, 2, 3));
        passports.confirmRecovery(passport, list);
        pvm.warp(block.timestamp + 7 days);
        pvm.expectRevert(
            abi.encodeWithSelector(IPassport.Passport_NothingPending.selector, passport, SUBJECT_RECOVERY)
        );
        passports.executeRecovery(passport, thief.key);
        pvm.assertTrue(passports.isActing(passport, owner.id));
    }

    /// @dev A thief who has the key vetoes what would replace it, again and again (PAS-024): the override quorum prevails.
    function test_attack_thief_vetoes_for_ever() external {
        Signer memory next = account("new");
        open(next, 2);
        vetoBy(owner, SUBJECT_RECOVERY); // owner's key in the thief's hand
        passports.confirmRecovery(passport, approvals(3, PURPOSE_CONFIRM, next.id));
        tryVeto(owner, SUBJECT_RECOVERY, IPassport.Passport_VetoOver.selector);
        uint256 readyAt = block.timestamp + 21 days;
        pvm.warp(readyAt - 1);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_TooEarly.selector, readyAt));
        passports.executeRecovery(passport, next.key);
        pvm.warp(readyAt);
        passports.executeRecovery(passport, next.key);
        pvm.assertFalse(passports.isActing(passport, owner.id));
    }

    /// @dev A friend bought by the thief reopens or withdraws what the whole circle confirmed (PAS-027).
    function test_attack_smaller_quorum_undoes_a_confirmed_recovery() external {
        Signer memory next = account("new");
        open(next, 2);
        vetoBy(owner, SUBJECT_RECOVERY);
        passports.confirmRecovery(passport, approvals(3, PURPOSE_CONFIRM, next.id));
        Approval[] memory list = approvals(2, PURPOSE_WITHDRAW, next.id);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_NoQuorum.selector, 2, 3));
        passports.withdrawRecovery(passport, list);
        Signer memory thief = account("thief");
        list = approvals(2, PURPOSE_OPEN, thief.id);
        Proof memory proof = entry(thief, passport, ROLE_ACTING);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_NoQuorum.selector, 2, 3));
        passports.openRecovery(passport, thief.key, proof, list);
        passports.withdrawRecovery(passport, approvals(3, PURPOSE_WITHDRAW, next.id)); // control
    }

    /// @dev A confirmation that comes after its window would overturn an old veto (PAS-024).
    function test_attack_confirmation_kept_for_later() external {
        Signer memory next = account("new");
        open(next, 2);
        vetoBy(owner, SUBJECT_RECOVERY);
        uint256 until = block.timestamp + 14 days;
        pvm.warp(until + 1);
        Approval[] memory list = approvals(3, PURPOSE_CONFIRM, next.id);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_TooLate.selector, until));
        passports.confirmRecovery(passport, list);
        ask(owner, Guardians(new bytes32[](0), 0, 0)); // and guardians are no longer frozen
        pvm.warp(block.timestamp + 14 days);
        passports.executeGuardians(passport);
    }

    /// @dev Friends of long ago use approvals again that they gave for a recovery that was withdrawn (PAS-027).
    function test_attack_approvals_replayed() external {
        Signer memory next = account("new");
        Approval[] memory list = approvals(2, PURPOSE_OPEN, next.id);
        passports.openRecovery(passport, next.key, entry(next, passport, ROLE_ACTING), list);
        passports.withdrawRecovery(passport, approvals(2, PURPOSE_WITHDRAW, next.id));
        Proof memory proof = entry(next, passport, ROLE_ACTING);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadSignature.selector, friends[0].id));
        passports.openRecovery(passport, next.key, proof, list);
    }

    /// @dev One friend signs twice to look like two (PAS-027).
    function test_attack_guardian_counted_twice() external {
        Signer memory next = account("new");
        Approval[] memory list = approvals(2, PURPOSE_OPEN, next.id);
        list[1] = list[0];
        Proof memory proof = entry(next, passport, ROLE_ACTING);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_NotGuardian.selector, friends[0].id));
        passports.openRecovery(passport, next.key, proof, list);
    }

    /// @dev A thief with the key names own guardians to recover the passport from the owner's friends (PAS-021, PAS-026).
    function test_attack_thief_names_own_guardians() external {
        Guardians memory gang = Guardians(new bytes32[](1), 1, 1);
        gang.keyIds[0] = account("gang").id;
        ask(owner, gang);
        passports.vetoGuardians(passport, approvals(2, PURPOSE_VETO_GUARDIANS, 0)); // friends stop it
        ask(owner, gang); // and again; the recovery is faster
        pvm.warp(block.timestamp + 10 days);
        Signer memory next = account("new");
        open(next, 2);
        pvm.warp(block.timestamp + 5 days);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_RecoveryOpen.selector, passport));
        passports.executeGuardians(passport);
        pvm.warp(block.timestamp + 2 days);
        passports.executeRecovery(passport, next.key);
        (, uint64 readyAt) = passports.pendingGuardiansOf(passport);
        pvm.assertEq(readyAt, 0);
        pvm.assertEq(passports.guardiansOf(passport).keyIds[0], friends[0].id);
    }

    /// @dev A thief takes a key of his own in, to be there after recovery (PAS-025).
    function test_attack_thief_adds_a_key_to_survive_recovery() external {
        Signer memory thief = account("thief");
        Signer memory next = account("new");
        open(next, 2);
        take(passport, owner, thief, ROLE_ACTING);
        pvm.assertTrue(passports.isActing(passport, thief.id));
        pvm.warp(block.timestamp + 7 days);
        passports.executeRecovery(passport, next.key);
        pvm.assertFalse(passports.isActing(passport, thief.id));
    }

    /// @dev A thief with one of two keys removes the other (PAS-020); its owner has seven days.
    function test_attack_thief_removes_the_other_key() external {
        Signer memory second = passkey("second");
        take(passport, owner, second, ROLE_ACTING);
        removal(owner, second); // owner's key in the thief's hand
        vetoBy(second, SUBJECT_REMOVAL);
        pvm.warp(block.timestamp + 8 days);
        pvm.expectRevert(
            abi.encodeWithSelector(IPassport.Passport_NothingPending.selector, passport, SUBJECT_REMOVAL)
        );
        passports.executeRemoval(passport);
        pvm.assertTrue(passports.isActing(passport, second.id));
    }

    /// @dev An act signed before recovery is sent after it (PAS-025): the key is dead, and the nonce has moved.
    function test_attack_old_act_after_recovery() external {
        Proof memory proof = act(owner, passport, REMOVE, abi.encode(owner.id), "Take a key out");
        Signer memory next = account("new");
        open(next, 2);
        pvm.warp(block.timestamp + 7 days);
        passports.executeRecovery(passport, next.key);
        take(passport, next, owner, ROLE_LINKED);
        pvm.expectRevert();
        passports.removeKey(passport, owner.key, proof, owner.id);
    }

    /// @dev A link's signatures are seen in the mempool and used for another passport (PAS-005).
    function test_attack_front_run_link_into_another_passport() external {
        (Signer memory thief, Signer memory wallet) = (account("thief"), account("wallet"));
        uint256 other = make(thief);
        Proof memory seen = entry(wallet, passport, ROLE_LINKED);
        Proof memory own = act(thief, other, TAKE, abi.encode(wallet.id, ROLE_LINKED), "Take a key in");
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadSignature.selector, wallet.id));
        passports.addKey(other, thief.key, own, wallet.key, ROLE_LINKED, seen);
        Proof memory wanted = act(owner, passport, TAKE, abi.encode(wallet.id, ROLE_LINKED), "Take a key in");
        passports.addKey(passport, owner.key, wanted, wallet.key, ROLE_LINKED, seen); // control
    }

    /// @dev A linked wallet's consent is used to make it an acting key: role is signed (PAS-005).
    function test_attack_consent_to_a_link_used_for_acting() external {
        Signer memory wallet = account("wallet");
        Proof memory consent = entry(wallet, passport, ROLE_LINKED);
        Proof memory wanted = act(owner, passport, TAKE, abi.encode(wallet.id, ROLE_ACTING), "Take a key in");
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadSignature.selector, wallet.id));
        passports.addKey(passport, owner.key, wanted, wallet.key, ROLE_ACTING, consent);
    }

    /// @dev The same signature again (PAS-004).
    function test_attack_replay_in_the_same_passport() external {
        (Signer memory wallet, Signer memory second) = (account("wallet"), account("second"));
        take(passport, owner, second, ROLE_ACTING);
        Proof memory wanted = act(owner, passport, TAKE, abi.encode(wallet.id, ROLE_LINKED), "Take a key in");
        Proof memory consent = entry(wallet, passport, ROLE_LINKED);
        passports.addKey(passport, owner.key, wanted, wallet.key, ROLE_LINKED, consent);
        removal(wallet, wallet);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadSignature.selector, owner.id));
        passports.addKey(passport, owner.key, wanted, wallet.key, ROLE_LINKED, consent);
    }

    /// @dev Signatures for the testnet are sent to the mainnet, or to another contract (PAS-004).
    function test_attack_replay_over_chain_and_contract() external {
        Signer memory wallet = account("wallet");
        Passport twin = new Passport(verifier, timelock);
        pvm.prank(addressOf(owner));
        twin.create(owner.key, Proof(0, 0, ""));
        Proof memory consent = entry(wallet, passport, ROLE_LINKED);
        Proof memory wanted = act(owner, passport, TAKE, abi.encode(wallet.id, ROLE_LINKED), "Take a key in");
        pvm.prank(addressOf(owner)); // the owner agrees; the wallet did for the other contract only
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadSignature.selector, wallet.id));
        twin.addKey(1, owner.key, Proof(0, 0, ""), wallet.key, ROLE_LINKED, consent);
        uint256 chain = block.chainid;
        pvm.chainId(1628);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadSignature.selector, owner.id));
        passports.addKey(passport, owner.key, wanted, wallet.key, ROLE_LINKED, consent);
        pvm.chainId(chain);
        passports.addKey(passport, owner.key, wanted, wallet.key, ROLE_LINKED, consent); // control
    }

    /// @dev A signer's own factory is called for ERC-6492: had the passport called it, it could act as the passport contract (PAS-006).
    function test_attack_erc6492_factory_calls_back() external {
        Reenterer reenterer = new Reenterer(passports);
        bytes32 magic = 0x6492649264926492649264926492649264926492649264926492649264926492;
        bytes memory signature =
            bytes.concat(abi.encode(address(reenterer), abi.encodeCall(Reenterer.go, ()), bytes("")), magic);
        Key memory ghost = accountKey(address(0xdead01));
        pvm.expectRevert(
            abi.encodeWithSelector(
                IPassport.Passport_BadSignature.selector, keccak256(abi.encode(ghost.kind, ghost.data))
            )
        );
        passports.create(ghost, Proof(soon(), 0, signature));
        pvm.assertEq(passports.count(), 1);
        reenterer.go(); // control: outside of a call it works
        pvm.assertEq(passports.count(), 2);
    }

    /// @dev A change of guardians is stopped by the owner's other key (PAS-021).
    function test_veto_of_guardians_by_an_acting_key() external {
        Signer memory second = solana("second");
        take(passport, owner, second, ROLE_ACTING);
        ask(owner, Guardians(new bytes32[](0), 0, 0));
        vetoBy(second, SUBJECT_GUARDIANS);
        pvm.warp(block.timestamp + 15 days);
        pvm.expectRevert(
            abi.encodeWithSelector(IPassport.Passport_NothingPending.selector, passport, SUBJECT_GUARDIANS)
        );
        passports.executeGuardians(passport);
    }

    function testFuzz_setGuardians_unsound_reverts(uint8 quorum, uint8 overrideQuorum, uint8 size, bool swap)
        external
    {
        size %= 18;
        Guardians memory next = Guardians(new bytes32[](size), quorum, overrideQuorum);
        for (uint256 i; i < size; ++i) {
            next.keyIds[i] = bytes32(i + 1);
        }
        if (swap && size > 1) (next.keyIds[0], next.keyIds[1]) = (next.keyIds[1], next.keyIds[0]);
        bool sound = size == 0
            ? quorum == 0 && overrideQuorum == 0
            : size <= 16 && quorum > 0 && quorum <= overrideQuorum && overrideQuorum <= size
                && !(swap && size > 1);
        bytes memory words = abi.encode(keccak256(abi.encodePacked(next.keyIds)), quorum, overrideQuorum);
        Proof memory proof = act(owner, passport, GUARDIANS, words, "Change guardians");
        if (!sound) pvm.expectRevert(IPassport.Passport_BadGuardians.selector);
        passports.setGuardians(passport, owner.key, proof, next);
    }
}

/// @notice Makes a passport of its own when called.
contract Reenterer {
    Passport internal immutable PASSPORTS;

    constructor(Passport passports) {
        PASSPORTS = passports;
    }

    function go() external {
        PASSPORTS.create(Key(1, abi.encodePacked(address(this))), Proof(0, 0, ""));
    }
}
