// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Badges} from "../../src/badges/Badges.sol";
import {
    Badge,
    Grant,
    IBadges,
    STATE_EXPIRED,
    STATE_GRANTED,
    STATE_REVOKED,
    STATE_SUSPENDED,
    StateChange
} from "../../src/interfaces/IBadges.sol";
import {Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {ROLE_LINKED} from "../../src/interfaces/IPassport.sol";
import {EVIDENCE_PRIVATE, IPolicies} from "../../src/interfaces/IPolicies.sol";
import {IERC5192} from "../../src/interfaces/ISoulbound.sol";
import {UpgradedByTimelock} from "../../src/passport/UpgradedByTimelock.sol";
import {BadgesBase} from "../utils/BadgesBase.sol";
import {Signer} from "../utils/PersonaBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

contract BadgesTest is BadgesBase {
    uint256 internal passport;
    bytes32 internal nullifier;

    function setUp() external {
        (passport, nullifier) = persona("alice");
    }

    function refused(Grant memory wanted, bytes4 reason) internal {
        Grant[] memory list = one(wanted);
        bytes memory signatures = attest(badges.grantDigest(list), 7);
        pvm.expectPartialRevert(reason);
        badges.grant(list, 1, signatures);
    }

    /// @dev BDG-014, BDG-040.
    function test_grant_stores_what_was_attested() external {
        uint256 tokenId = grant(passport, nullifier);
        Badge memory badge = badges.badgeOf(tokenId);
        pvm.assertEq(badge.passport, passport);
        pvm.assertEq(badge.policy, policy);
        pvm.assertEq(badge.nullifiers[0], nullifier);
        pvm.assertEq(badge.evidence, keccak256("evidence"));
        pvm.assertEq(badge.validatorVersion, VERSION);
        pvm.assertEq(badge.level, 2);
        pvm.assertEq(badge.points, 100);
        pvm.assertEq(badge.signers, 7);
        pvm.assertEq(badge.setEpoch, 1);
        pvm.assertEq(badge.recordedAt, block.timestamp);
        pvm.assertEq(badge.state, STATE_GRANTED);
        pvm.assertEq(badges.levelOf(policy, passport), 2);
        pvm.assertEq(badges.ownerOf(tokenId), badges.addressOf(passport));
        pvm.assertEq(badges.balanceOf(badges.addressOf(passport)), 1);
        pvm.assertEq(badges.balanceOf(addressOf(account("alice"))), 1);
        pvm.assertEq(badges.balanceOf(address(0xbeef)), 0);
        pvm.assertEq(badges.totalSupply(), 1);
    }

    /// @dev BDG-010: all or nothing.
    function test_grant_batch_with_one_bad_grants_none() external {
        (uint256 other, bytes32 otherNullifier) = persona("bob");
        Grant[] memory list = new Grant[](2);
        list[0] = wish(passport, nullifier);
        list[1] = wish(other, otherNullifier);
        list[1].level = 6;
        bytes memory signatures = attest(badges.grantDigest(list), 7);
        pvm.expectRevert(abi.encodeWithSelector(IBadges.Badges_BadLevel.selector, 6, 5));
        badges.grant(list, 1, signatures);
        pvm.assertEq(badges.minted(), 0);
        list[1].level = 5;
        badges.grant(list, 1, attest(badges.grantDigest(list), 7));
        pvm.assertEq(badges.totalSupply(), 2);
        pvm.expectRevert(IBadges.Badges_Empty.selector);
        badges.grant(new Grant[](0), 1, "");
    }

    /// @dev BDG-002, BDG-003 (the class is the policy's), BDG-011, BDG-013.
    function test_grant_unsound_reverts() external {
        Grant memory wanted = wish(passport, nullifier);
        wanted.deadline = uint64(block.timestamp) - 1;
        refused(wanted, IBadges.Badges_Expired.selector);
        wanted = wish(passport, nullifier);
        wanted.attestedAt += 1;
        refused(wanted, IBadges.Badges_Stale.selector);
        wanted = wish(passport, nullifier);
        wanted.expiresAt = uint64(block.timestamp);
        refused(wanted, IBadges.Badges_Expired.selector);
        wanted = wish(passport, nullifier);
        wanted.level = 0;
        refused(wanted, IBadges.Badges_BadLevel.selector);
        wanted = wish(passport, nullifier);
        wanted.evidenceClass = EVIDENCE_PRIVATE;
        refused(wanted, IBadges.Badges_WrongEvidenceClass.selector);
        wanted = wish(passport, nullifier);
        wanted.nullifiers = new bytes32[](0);
        refused(wanted, IBadges.Badges_BadNullifiers.selector);
        wanted.nullifiers = new bytes32[](49);
        refused(wanted, IBadges.Badges_BadNullifiers.selector);
        wanted = wish(passport, keccak256("unbound"));
        refused(wanted, IBadges.Badges_NotHolder.selector);
        wanted = wish(passport, nullifier);
        wanted.policy = keccak256("none");
        refused(wanted, IBadges.Badges_PolicyClosed.selector);
        policies.setActive(policy, false);
        refused(wish(passport, nullifier), IBadges.Badges_PolicyClosed.selector);
        policies.setActive(policy, true);
        grant(passport, nullifier); // control
    }

    /// @dev BDG-011: a person of many wallets; each serves this badge and no other, until it is let go.
    function test_grant_by_48_nullifiers() external {
        Grant memory wanted = wish(passport, nullifier);
        wanted.nullifiers = new bytes32[](48);
        for (uint256 i; i < 48; ++i) {
            wanted.nullifiers[i] = keccak256(abi.encode("wallet", i));
            bind(passport, wanted.nullifiers[i]);
        }
        Grant[] memory list = one(wanted);
        badges.grant(list, 1, attest(badges.grantDigest(list), 7));
        pvm.snapshotGasLastCall("Badges", "grant by 48 nullifiers");
        uint256 tokenId = badges.tokenOf(policy, passport);
        pvm.assertEq(badges.stateOf(tokenId), STATE_GRANTED);
        pvm.snapshotGasLastCall("Badges", "stateOf, 48 nullifiers");
        for (uint256 i; i < 48; ++i) {
            pvm.assertEq(badges.usedBy(policy, wanted.nullifiers[i]), tokenId);
        }
    }

    /// @dev BDG-012.
    function test_grant_again_renews_and_lets_old_nullifiers_go() external {
        bytes32 second = keccak256("second wallet");
        bind(passport, second);
        uint256 tokenId = grant(passport, nullifier);
        pvm.warp(block.timestamp + 1);
        Grant memory wanted = wish(passport, second);
        (wanted.level, wanted.points) = (4, 250);
        pvm.assertEq(grantBy(wanted, 28), tokenId);
        Badge memory badge = badges.badgeOf(tokenId);
        pvm.assertEq(badge.level, 4);
        pvm.assertEq(badge.points, 250);
        pvm.assertEq(badge.signers, 28);
        pvm.assertEq(badge.nullifiers.length, 1);
        pvm.assertEq(badges.usedBy(policy, nullifier), 0);
        pvm.assertEq(badges.usedBy(policy, second), tokenId);
        pvm.assertEq(badges.totalSupply(), 1);
    }

    /// @dev BDG-020.
    function test_state_expires_suspends_and_revokes() external {
        Grant memory wanted = wish(passport, nullifier);
        wanted.expiresAt = uint64(block.timestamp) + 1 days;
        uint256 tokenId = grantBy(wanted, 7);
        change(tokenId, STATE_SUSPENDED, false);
        pvm.assertEq(badges.stateOf(tokenId), STATE_SUSPENDED);
        pvm.assertEq(badges.levelOf(policy, passport), 0);
        change(tokenId, STATE_GRANTED, false);
        pvm.assertEq(badges.stateOf(tokenId), STATE_GRANTED);
        pvm.warp(block.timestamp + 1 days);
        pvm.assertEq(badges.stateOf(tokenId), STATE_EXPIRED);
        pvm.assertEq(badges.balanceOf(badges.addressOf(passport)), 1);
        change(tokenId, STATE_REVOKED, false);
        pvm.assertEq(badges.stateOf(tokenId), STATE_REVOKED);
        pvm.assertEq(badges.totalSupply(), 0);
        pvm.expectRevert(abi.encodeWithSelector(IBadges.Badges_Unknown.selector, tokenId));
        badges.ownerOf(tokenId);
        pvm.assertEq(badges.badgeOf(tokenId).state, STATE_REVOKED);
    }

    function test_changeState_that_cannot_follow_reverts() external {
        uint256 tokenId = grant(passport, nullifier);
        uint256[] memory tokenIds = new uint256[](1);
        tokenIds[0] = tokenId;
        StateChange memory wanted = StateChange(tokenIds, STATE_GRANTED, false, 0, 1, soon());
        bytes memory signatures = attest(badges.stateDigest(wanted), 7);
        pvm.expectRevert(abi.encodeWithSelector(IBadges.Badges_BadState.selector, tokenId, STATE_GRANTED));
        badges.changeState(wanted, 1, signatures);
        tokenIds[0] = 9;
        signatures = attest(badges.stateDigest(wanted), 7);
        pvm.expectRevert(abi.encodeWithSelector(IBadges.Badges_Unknown.selector, 9));
        badges.changeState(wanted, 1, signatures);
        wanted.deadline = uint64(block.timestamp) - 1;
        pvm.expectRevert(abi.encodeWithSelector(IBadges.Badges_Expired.selector, wanted.deadline));
        badges.changeState(wanted, 1, "");
    }

    /// @dev BDG-022.
    function test_renounce_by_the_holder_only() external {
        uint256 tokenId = grant(passport, nullifier);
        (uint256 other,) = persona("bob");
        Signer memory bob = account("bob");
        pvm.assertEq(other, 2);
        pvm.prank(addressOf(bob));
        pvm.expectPartialRevert(bytes4(keccak256("PassportActs_NotActing(uint256,bytes32)")));
        badges.renounce(tokenId, bob.key, Proof(0, 0, ""));
        Signer memory alice = account("alice");
        bytes32 typed =
            keccak256("RenounceBadge(uint256 passport,uint256 tokenId,uint256 nonce,uint256 deadline)");
        bytes32 digest =
            digestFor(address(badges), keccak256(abi.encode(typed, passport, tokenId, uint256(0), soon())));
        badges.renounce(tokenId, alice.key, prove(alice, digest, "", soon()));
        pvm.assertEq(badges.stateOf(tokenId), STATE_REVOKED);
        pvm.assertEq(badges.usedBy(policy, nullifier), tokenId);
    }

    /// @dev BDG-040, BDG-041.
    function test_face_is_a_locked_erc721() external {
        uint256 tokenId = grant(passport, nullifier);
        pvm.assertTrue(badges.locked(tokenId));
        pvm.assertEq(uint256(badges.burnAuth(tokenId)), 2);
        pvm.assertEq(badges.getApproved(tokenId), address(0));
        bytes4[6] memory ids =
            [bytes4(0x01ffc9a7), 0x80ac58cd, 0x5b5e139f, 0xb45a3c0e, 0x0489b56f, 0x49064906];
        for (uint256 i; i < 6; ++i) {
            pvm.assertTrue(badges.supportsInterface(ids[i]));
        }
        pvm.assertFalse(badges.supportsInterface(0xffffffff));
        pvm.assertEq(bytes32(type(IERC5192).interfaceId), bytes32(bytes4(0xb45a3c0e)));
        address owner = badges.ownerOf(tokenId);
        pvm.startPrank(owner);
        pvm.expectRevert(IBadges.Badges_Soulbound.selector);
        badges.transferFrom(owner, address(this), tokenId);
        pvm.expectRevert(IBadges.Badges_Soulbound.selector);
        badges.safeTransferFrom(owner, address(this), tokenId);
        pvm.expectRevert(IBadges.Badges_Soulbound.selector);
        badges.safeTransferFrom(owner, address(this), tokenId, "");
        pvm.expectRevert(IBadges.Badges_Soulbound.selector);
        badges.approve(address(this), tokenId);
        pvm.expectRevert(IBadges.Badges_Soulbound.selector);
        badges.setApprovalForAll(address(this), true);
        pvm.expectRevert(abi.encodeWithSelector(IBadges.Badges_Unknown.selector, 2));
        badges.locked(2);
    }

    /// @dev BDG-040: linked wallets see their person's badges; after recovery other keys do, the owner stays.
    function test_balance_follows_living_keys() external {
        uint256 tokenId = grant(passport, nullifier);
        Signer memory wallet = account("wallet");
        pvm.assertEq(badges.balanceOf(addressOf(wallet)), 0);
        take(passport, account("alice"), wallet, ROLE_LINKED);
        pvm.assertEq(badges.balanceOf(addressOf(wallet)), 1);
        pvm.assertEq(badges.ownerOf(tokenId), badges.addressOf(passport));
    }

    /// @dev PAS-062.
    function test_upgrade_only_by_the_timelock() external {
        pvm.expectRevert(
            abi.encodeWithSelector(UpgradedByTimelock.UpgradedByTimelock_NotTimelock.selector, address(this))
        );
        badges.upgradeToAndCall(address(1), "");
    }

    /// @dev BDG-001: nobody takes a policy by publishing its document first.
    function test_attack_policy_published_first_by_another() external {
        bytes32 document = keccak256("to be published");
        pvm.prank(address(0xbad));
        bytes32 squatted = policies.publish(document, 5, 1, "x", "");
        bytes32 own = policies.publish(document, 5, 1, "x", "");
        pvm.assertTrue(squatted != own);
        pvm.expectRevert(abi.encodeWithSelector(IPolicies.Policies_Known.selector, own));
        policies.publish(document, 5, 1, "x", "");
        pvm.prank(address(0xbad));
        pvm.expectRevert(
            abi.encodeWithSelector(IPolicies.Policies_NotPublisher.selector, own, address(0xbad))
        );
        policies.setActive(own, false);
        pvm.expectRevert(abi.encodeWithSelector(IPolicies.Policies_Unknown.selector, bytes32(0)));
        policies.setActive(0, false);
        pvm.expectRevert(abi.encodeWithSelector(IPolicies.Policies_BadShape.selector, 0, 1));
        policies.publish(keccak256("y"), 0, 1, "x", "");
        pvm.expectRevert(abi.encodeWithSelector(IPolicies.Policies_BadShape.selector, 1, 3));
        policies.publish(keccak256("y"), 1, 3, "x", "");
        pvm.expectRevert(abi.encodeWithSelector(IPolicies.Policies_TooLong.selector, 65, 64));
        policies.publish(keccak256("y"), 1, 1, string(new bytes(65)), "");
    }

    function test_gas() external {
        Grant[] memory list = one(wish(passport, nullifier));
        badges.grant(list, 1, attest(badges.grantDigest(list), 7));
        pvm.snapshotGasLastCall("Badges", "grant one, 3 of 5");
        list = new Grant[](100);
        for (uint256 i; i < 100; ++i) {
            (uint256 someone, bytes32 their) = persona(decimal(i));
            list[i] = wish(someone, their);
        }
        badges.grant(list, 1, attest(badges.grantDigest(list), 7));
        pvm.snapshotGasLastCall("Badges", "grant batch of 100, 3 of 5");
    }
}
