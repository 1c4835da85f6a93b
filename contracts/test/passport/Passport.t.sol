// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Key, Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {IPassport, ROLE_ACTING, ROLE_LINKED, ROLE_NONE} from "../../src/interfaces/IPassport.sol";
import {Passport} from "../../src/passport/Passport.sol";
import {PersonaTimelock} from "../../src/passport/PersonaTimelock.sol";
import {UpgradedByTimelock} from "../../src/passport/UpgradedByTimelock.sol";
import {PersonaBase, Signer} from "../utils/PersonaBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

contract PassportTest is PersonaBase {
    string internal constant REMOVE =
        "RemoveKey(uint256 passport,bytes32 keyId,uint256 nonce,uint256 deadline)";
    string internal constant PAYOUT =
        "SetPayout(uint256 passport,address payout,uint256 nonce,uint256 deadline)";

    function remove(uint256 passport, Signer memory actor, Signer memory signer) internal {
        Proof memory proof = act(actor, passport, REMOVE, abi.encode(signer.id), "Take a key out");
        passports.removeKey(passport, actor.key, proof, signer.id);
    }

    /// @dev PAS-001, PAS-003.
    function test_create_by_each_kind_of_key_counts_up() external {
        Signer[3] memory signers = [account("a"), passkey("p"), solana("s")];
        for (uint256 i; i < 3; ++i) {
            uint256 passport = make(signers[i]);
            pvm.assertEq(passport, i + 1);
            pvm.assertTrue(passports.isActing(passport, signers[i].id));
            pvm.assertEq(passports.keyCountOf(passport), 1);
            pvm.assertEq(passports.generationOf(passport), 1);
        }
    }

    /// @dev PAS-003.
    function test_create_with_a_key_that_has_a_passport_reverts() external {
        Signer memory owner = account("a");
        make(owner);
        pvm.prank(addressOf(owner));
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_KeyTaken.selector, owner.id, 1));
        passports.create(owner.key, Proof(0, 0, ""));
    }

    /// @dev PAS-004: the account itself as sender needs no signature; nobody else goes without.
    function test_create_by_sender() external {
        Signer memory owner = account("a");
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadSignature.selector, owner.id));
        passports.create(owner.key, Proof(soon(), 0, ""));
        pvm.prank(addressOf(owner));
        pvm.assertEq(passports.create(owner.key, Proof(0, 0, "")), 1);
    }

    /// @dev PAS-005, every kind by every kind.
    function test_addKey_any_kind_by_any_kind() external {
        Signer[3] memory owners = [account("a"), passkey("p"), solana("s")];
        Signer[3] memory guests = [account("b"), passkey("q"), solana("t")];
        for (uint256 i; i < 3; ++i) {
            uint256 passport = make(owners[i]);
            take(passport, owners[i], guests[i], ROLE_ACTING);
            take(passport, guests[i], account(string.concat("linked", decimal(i))), ROLE_LINKED);
            pvm.assertEq(passports.keyCountOf(passport), 2);
            pvm.assertEq(passports.nonceOf(passport), 2);
        }
    }

    function test_addKey_without_the_guests_signature_reverts() external {
        (Signer memory owner, Signer memory guest) = (account("a"), account("b"));
        uint256 passport = make(owner);
        Proof memory proof = act(owner, passport, TAKE, abi.encode(guest.id, ROLE_ACTING), "Take a key in");
        Proof memory forged = entry(account("c"), passport, ROLE_ACTING);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadSignature.selector, guest.id));
        passports.addKey(passport, owner.key, proof, guest.key, ROLE_ACTING, forged);
    }

    function test_addKey_by_a_linked_wallet_reverts() external {
        (Signer memory owner, Signer memory wallet) = (account("a"), account("b"));
        uint256 passport = make(owner);
        take(passport, owner, wallet, ROLE_LINKED);
        Signer memory guest = account("c");
        Proof memory proof = act(wallet, passport, TAKE, abi.encode(guest.id, ROLE_ACTING), "Take a key in");
        Proof memory guestProof = entry(guest, passport, ROLE_ACTING);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_NotActing.selector, passport, wallet.id));
        passports.addKey(passport, wallet.key, proof, guest.key, ROLE_ACTING, guestProof);
        take(passport, owner, wallet, ROLE_ACTING); // a linked wallet may be promoted
        pvm.assertTrue(passports.isActing(passport, wallet.id));
    }

    function test_addKey_unknown_role_or_passport_reverts() external {
        (Signer memory owner, Signer memory guest) = (account("a"), account("b"));
        make(owner);
        Proof memory proof;
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadRole.selector, 3));
        passports.addKey(1, owner.key, proof, guest.key, 3, proof);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_Unknown.selector, 2));
        passports.addKey(2, owner.key, proof, guest.key, ROLE_ACTING, proof);
    }

    /// @dev PAS-009.
    function test_addKey_seventeenth_reverts() external {
        Signer memory owner = account("a");
        uint256 passport = make(owner);
        for (uint256 i; i < 15; ++i) {
            take(passport, owner, account(decimal(i)), ROLE_ACTING);
        }
        Signer memory guest = account("z");
        Proof memory proof = act(owner, passport, TAKE, abi.encode(guest.id, ROLE_ACTING), "Take a key in");
        Proof memory guestProof = entry(guest, passport, ROLE_ACTING);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_TooManyKeys.selector, passport));
        passports.addKey(passport, owner.key, proof, guest.key, ROLE_ACTING, guestProof);
    }

    /// @dev PAS-004: after its deadline a signature is nothing.
    function test_act_expired_reverts() external {
        Signer memory owner = account("a");
        uint256 passport = make(owner);
        Proof memory proof =
            act(owner, passport, PAYOUT, abi.encode(addressOf(owner)), "Set where rewards go");
        pvm.warp(proof.deadline + 1);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_Expired.selector, proof.deadline));
        passports.setPayout(passport, owner.key, proof, addressOf(owner));
    }

    function test_act_text_issued_in_the_future_reverts() external {
        Signer memory owner = solana("s");
        uint256 passport = make(owner);
        Proof memory proof = act(owner, passport, PAYOUT, abi.encode(address(0)), "Set where rewards go");
        proof.issuedAt = uint64(block.timestamp) + 301;
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_IssuedInFuture.selector, proof.issuedAt));
        passports.setPayout(passport, owner.key, proof, address(0));
    }

    /// @dev PAS-011.
    function test_setPayout_only_own_accounts_and_only_while_there() external {
        (Signer memory owner, Signer memory wallet) = (passkey("p"), account("b"));
        uint256 passport = make(owner);
        Proof memory proof =
            act(owner, passport, PAYOUT, abi.encode(addressOf(wallet)), "Set where rewards go");
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_BadPayout.selector, addressOf(wallet)));
        passports.setPayout(passport, owner.key, proof, addressOf(wallet));
        take(passport, owner, wallet, ROLE_LINKED);
        proof = act(owner, passport, PAYOUT, abi.encode(addressOf(wallet)), "Set where rewards go");
        passports.setPayout(passport, owner.key, proof, addressOf(wallet));
        pvm.assertEq(passports.payoutOf(passport), addressOf(wallet));
        remove(passport, wallet, wallet);
        pvm.assertEq(passports.payoutOf(passport), address(0));
    }

    /// @dev PAS-009, PAS-020.
    function test_removeKey_own_at_once_but_not_the_last() external {
        (Signer memory owner, Signer memory second) = (account("a"), passkey("p"));
        uint256 passport = make(owner);
        Proof memory proof = act(owner, passport, REMOVE, abi.encode(owner.id), "Take a key out");
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_LastKey.selector, passport));
        passports.removeKey(passport, owner.key, proof, owner.id);
        take(passport, owner, second, ROLE_ACTING);
        remove(passport, owner, owner);
        pvm.assertFalse(passports.isActing(passport, owner.id));
        pvm.assertTrue(passports.isActing(passport, second.id));
    }

    /// @dev PAS-020: the lost key of someone with a second one.
    function test_removeKey_other_after_the_delay() external {
        (Signer memory owner, Signer memory second) = (account("a"), passkey("p"));
        uint256 passport = make(owner);
        take(passport, owner, second, ROLE_ACTING);
        remove(passport, second, owner);
        (bytes32 keyId, uint64 readyAt) = passports.pendingRemovalOf(passport);
        pvm.assertEq(keyId, owner.id);
        pvm.warp(readyAt - 1);
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_TooEarly.selector, readyAt));
        passports.executeRemoval(passport);
        pvm.warp(readyAt);
        passports.executeRemoval(passport);
        pvm.assertFalse(passports.isActing(passport, owner.id));
        pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_NothingPending.selector, passport, 1));
        passports.executeRemoval(passport);
    }

    /// @dev PAS-010.
    function testFuzz_key_that_left_waits_before_another_passport(uint32 waitS) external {
        (Signer memory owner, Signer memory moved) = (account("a"), account("m"));
        uint256 passport = make(owner);
        take(passport, owner, moved, ROLE_LINKED);
        remove(passport, moved, moved);
        take(passport, owner, moved, ROLE_LINKED); // back at once
        remove(passport, moved, moved);
        uint256 until = block.timestamp + 45 days;
        pvm.warp(block.timestamp + waitS);
        if (block.timestamp < until) {
            pvm.prank(addressOf(moved));
            pvm.expectRevert(abi.encodeWithSelector(IPassport.Passport_KeyCooling.selector, moved.id, until));
            passports.create(moved.key, Proof(0, 0, ""));
            pvm.warp(until);
        }
        pvm.assertEq(make(moved), 2);
    }

    /// @dev PAS-062.
    function test_upgrade_only_by_the_timelock() external {
        make(account("a"));
        address next = address(new Passport(verifier, timelock));
        pvm.expectRevert(
            abi.encodeWithSelector(UpgradedByTimelock.UpgradedByTimelock_NotTimelock.selector, address(this))
        );
        passports.upgradeToAndCall(next, "");
        pvm.prank(timelock);
        passports.upgradeToAndCall(next, "");
        pvm.assertEq(passports.count(), 1);
    }

    /// @dev PAS-062.
    function test_timelock_delay_never_below_thirty_days() external {
        address[] memory proposers = new address[](1);
        proposers[0] = address(this);
        pvm.expectRevert(
            abi.encodeWithSelector(PersonaTimelock.PersonaTimelock_TooShort.selector, 30 days - 1, 30 days)
        );
        new PersonaTimelock(30 days - 1, proposers);
        PersonaTimelock lock = new PersonaTimelock(30 days, proposers);
        Passport behind = Passport(address(new Passport(verifier, address(lock))));
        pvm.assertEq(behind.TIMELOCK(), address(lock));
        for (uint256 i; i < 2; ++i) {
            uint256 delay = i == 0 ? 30 days - 1 : 31 days;
            bytes memory call = abi.encodeCall(PersonaTimelock.updateDelay, (delay));
            lock.schedule(address(lock), 0, call, 0, 0, 30 days);
            pvm.expectPartialRevert(0x5ead8eb5); // TimelockUnexpectedOperationState
            lock.execute(address(lock), 0, call, 0, 0);
            pvm.warp(block.timestamp + 30 days);
            if (i == 0) {
                pvm.expectRevert(
                    abi.encodeWithSelector(PersonaTimelock.PersonaTimelock_TooShort.selector, delay, 30 days)
                );
            }
            lock.execute(address(lock), 0, call, 0, 0);
        }
        pvm.assertEq(lock.getMinDelay(), 31 days);
    }

    function test_domain_is_told_by_eip5267_and_follows_the_chain() external {
        (, string memory name, string memory version, uint256 chain, address at_,,) = passports.eip712Domain();
        pvm.assertEq(name, "T-Rex Passport");
        pvm.assertEq(version, "1");
        pvm.assertEq(chain, block.chainid);
        pvm.assertEq(at_, address(passports));
        bytes32 before = passports.DOMAIN_SEPARATOR();
        pvm.chainId(1628);
        pvm.assertTrue(before != passports.DOMAIN_SEPARATOR());
    }

    function test_gas() external {
        (Signer memory owner, Signer memory wallet) = (account("a"), account("b"));
        make(owner);
        pvm.snapshotGasLastCall("Passport", "create, EOA signature");
        make(passkey("p"));
        pvm.snapshotGasLastCall("Passport", "create, passkey");
        make(solana("s"));
        pvm.snapshotGasLastCall("Passport", "create, ed25519 text (without the precompile's 6,900)");
        take(1, owner, wallet, ROLE_LINKED);
        pvm.snapshotGasLastCall("Passport", "addKey, both sides EOA signatures");
    }
}
