// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Key, Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {Binding, INullifiers} from "../../src/interfaces/INullifiers.sol";
import {ROLE_ACTING, ROLE_LINKED} from "../../src/interfaces/IPassport.sol";
import {Nullifiers} from "../../src/passport/Nullifiers.sol";
import {PassportActs} from "../../src/passport/PassportActs.sol";
import {PersonaBase, Signer} from "../utils/PersonaBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

contract NullifiersTest is PersonaBase {
    string internal constant RELEASE =
        "ReleaseNullifier(uint256 passport,bytes32 canonical,uint256 nonce,uint256 deadline)";
    bytes32 internal constant WALLET = keccak256("wallet");
    bytes32 internal constant N = keccak256("nullifier");

    Nullifiers internal nullifiers;
    Signer internal alice = account("alice");
    Signer internal bob = passkey("bob");

    function setUp() external {
        nullifiers = new Nullifiers(passports, verifier, validators);
        make(alice);
        make(bob);
    }

    function binding(uint256 passport, bytes32 nullifier) internal view returns (Binding memory) {
        uint64 now_ = uint64(block.timestamp);
        return Binding(passport, nullifier, WALLET, 0, nullifiers.keyEpoch(), now_, now_ + 1 hours);
    }

    function bind(uint256 passport, bytes32 nullifier) internal {
        Binding memory wanted = binding(passport, nullifier);
        nullifiers.bind(wanted, 1, attest(nullifiers.bindingDigest(wanted), 7));
    }

    function bindFails(uint256 passport, bytes32 nullifier, bytes4 reason) internal {
        Binding memory wanted = binding(passport, nullifier);
        bytes memory signatures = attest(nullifiers.bindingDigest(wanted), 7);
        pvm.expectPartialRevert(reason);
        nullifiers.bind(wanted, 1, signatures);
    }

    function release(Signer memory actor, uint256 passport, bytes32 nullifier) internal {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(bytes(RELEASE)), passport, nullifier, nullifiers.actNonceOf(passport), soon()
            )
        );
        bytes32 digest = digestFor(address(nullifiers), structHash);
        Proof memory proof = prove(actor, digest, say("Let go of an account", passport), soon());
        nullifiers.release(passport, actor.key, proof, nullifier);
    }

    function map(bytes32 from, bytes32 to) internal {
        (bytes32[] memory left, bytes32[] memory right) = (new bytes32[](1), new bytes32[](1));
        (left[0], right[0]) = (from, to);
        nullifiers.map(left, right, 1, attest(nullifiers.mappingDigest(left, right), 7));
    }

    /// @dev PAS-040.
    function test_bind_is_held_and_counted() external {
        bind(1, N);
        pvm.assertEq(nullifiers.holderOf(N), 1);
        pvm.assertEq(nullifiers.canonicalOf(N), N);
        pvm.assertEq(nullifiers.countOf(1), 1);
        pvm.assertEq(nullifiers.total(), 1);
        pvm.warp(block.timestamp + 1);
        bind(1, N);
        pvm.assertEq(nullifiers.total(), 1);
    }

    /// @dev A human with one account and two passports: the account counts for the first (PAS-040, PAS-043).
    function test_attack_second_passport_with_the_same_account() external {
        bind(1, N);
        pvm.warp(block.timestamp + 1);
        bind(2, N);
        pvm.assertEq(nullifiers.holderOf(N), 1);
        pvm.expectPartialRevert(INullifiers.Nullifiers_TooEarly.selector);
        nullifiers.completeMove(N);
        bindFails(2, N, INullifiers.Nullifiers_Stale.selector);
        pvm.warp(block.timestamp + 1);
        bindFails(2, N, INullifiers.Nullifiers_MovePending.selector);
        pvm.warp(block.timestamp + 45 days);
        nullifiers.completeMove(N); // control: an account that was sold, its holder silent
        pvm.assertEq(nullifiers.holderOf(N), 2);
        pvm.assertEq(nullifiers.countOf(1), 0);
        pvm.assertEq(nullifiers.countOf(2), 1);
    }

    /// @dev Someone who had the account for an hour moves it; its owner, still there, shows control again (PAS-043).
    function test_attack_borrowed_account_moved_away() external {
        bind(1, N);
        pvm.warp(block.timestamp + 1);
        bind(2, N);
        pvm.warp(block.timestamp + 30 days);
        bind(1, N);
        pvm.warp(block.timestamp + 30 days);
        pvm.expectRevert(abi.encodeWithSelector(INullifiers.Nullifiers_NoMove.selector, N));
        nullifiers.completeMove(N);
        pvm.assertEq(nullifiers.holderOf(N), 1);
    }

    /// @dev PAS-042.
    function test_release_waits_for_the_cooldown() external {
        bind(1, N);
        release(alice, 1, N);
        pvm.warp(block.timestamp + 45 days);
        bind(2, N);
        pvm.assertEq(nullifiers.holderOf(N), 2);
    }

    /// @dev A thief lets accounts go to take them; the owner recovers meanwhile (PAS-042).
    function test_attack_thief_releases_before_recovery() external {
        bind(1, N);
        uint256 honest = uint256(keccak256("kept by bob, released and moved as control"));
        bind(2, bytes32(honest));
        release(alice, 1, N); // alice's key in the thief's hand
        release(bob, 2, bytes32(honest));
        // Recovery raises the generation; here in the slot where it stands above the payout address.
        bytes32 slot = keccak256(abi.encode(uint256(1), uint256(1)));
        uint256 word = uint256(pvm.load(address(passports), slot));
        pvm.store(address(passports), slot, bytes32(word + (1 << 160)));
        pvm.assertEq(passports.generationOf(1), 2);
        pvm.warp(block.timestamp + 46 days);
        bind(2, N);
        pvm.assertEq(nullifiers.holderOf(N), 1); // only a move with its own cooldown has begun
        bind(1, bytes32(honest));
        pvm.assertEq(nullifiers.holderOf(bytes32(honest)), 1);
    }

    function test_release_by_others_reverts() external {
        bind(1, N);
        pvm.expectRevert(abi.encodeWithSelector(INullifiers.Nullifiers_NotHolder.selector, 2, N));
        nullifiers.release(2, bob.key, Proof(soon(), 0, ""), N);
        pvm.expectRevert(abi.encodeWithSelector(PassportActs.PassportActs_NotActing.selector, 1, bob.id));
        nullifiers.release(1, bob.key, Proof(soon(), 0, ""), N);
    }

    /// @dev PAS-044: k rotates; the human comes again with the new form, to be counted twice.
    function test_attack_counted_again_under_a_new_key() external {
        bytes32 later = keccak256("nullifier under the next k");
        bind(1, N);
        bytes memory opening = attest(nullifiers.openingDigest(), 7);
        pvm.expectRevert(abi.encodeWithSelector(INullifiers.Nullifiers_Incomplete.selector, 0, 1));
        nullifiers.openKeyEpoch(1, opening);
        map(N, later);
        // One who comes during the rotation must be mapped too.
        bytes32 other = keccak256("other");
        bind(2, other);
        pvm.expectRevert(abi.encodeWithSelector(INullifiers.Nullifiers_Incomplete.selector, 1, 2));
        nullifiers.openKeyEpoch(1, opening);
        map(other, keccak256("other under the next k"));
        nullifiers.openKeyEpoch(1, opening);
        pvm.assertEq(nullifiers.keyEpoch(), 2);
        pvm.assertEq(nullifiers.canonicalOf(later), N);
        pvm.warp(block.timestamp + 1);
        bind(2, later);
        pvm.assertEq(nullifiers.holderOf(later), 1);
        pvm.assertEq(nullifiers.total(), 2);
        pvm.warp(block.timestamp + 1);
        bind(1, later); // control: the holder goes on under the new form
    }

    function test_map_twice_or_onto_a_taken_form_reverts() external {
        bytes32 other = keccak256("other");
        bind(1, N);
        bind(2, other);
        (bytes32[] memory from, bytes32[] memory to) = (new bytes32[](1), new bytes32[](1));
        (from[0], to[0]) = (N, other);
        bytes memory signatures = attest(nullifiers.mappingDigest(from, to), 7);
        pvm.expectRevert(abi.encodeWithSelector(INullifiers.Nullifiers_FormTaken.selector, other));
        nullifiers.map(from, to, 1, signatures);
        map(N, keccak256("1"));
        to[0] = keccak256("2");
        signatures = attest(nullifiers.mappingDigest(from, to), 7);
        pvm.expectRevert(abi.encodeWithSelector(INullifiers.Nullifiers_NotNewest.selector, N));
        nullifiers.map(from, to, 1, signatures);
        from[0] = keccak256("1");
        signatures = attest(nullifiers.mappingDigest(from, to), 7);
        pvm.expectRevert(abi.encodeWithSelector(INullifiers.Nullifiers_NotNewest.selector, from[0]));
        nullifiers.map(from, to, 1, signatures);
    }

    /// @dev PAS-041.
    function test_bind_expired_future_wrong_epoch_scope_or_passport_reverts() external {
        bind(1, N);
        Binding memory wanted = binding(1, keccak256("x"));
        wanted.deadline = uint64(block.timestamp) - 1;
        expectBindRevert(wanted, INullifiers.Nullifiers_Expired.selector);
        wanted = binding(1, keccak256("x"));
        wanted.attestedAt += 1;
        expectBindRevert(wanted, INullifiers.Nullifiers_Stale.selector);
        wanted = binding(1, keccak256("x"));
        wanted.keyEpoch = 2;
        expectBindRevert(wanted, INullifiers.Nullifiers_WrongKeyEpoch.selector);
        expectBindRevert(binding(3, keccak256("x")), INullifiers.Nullifiers_UnknownPassport.selector);
        expectBindRevert(binding(1, 0), INullifiers.Nullifiers_Zero.selector);
        wanted = binding(1, N);
        wanted.scope = keccak256("account/github");
        expectBindRevert(wanted, INullifiers.Nullifiers_WrongScope.selector);
    }

    function expectBindRevert(Binding memory wanted, bytes4 reason) internal {
        bytes memory signatures = attest(nullifiers.bindingDigest(wanted), 7);
        pvm.expectPartialRevert(reason);
        nullifiers.bind(wanted, 1, signatures);
    }

    /// @dev PAS-045.
    function test_publish_opens_the_commitment_of_a_linked_wallet() external {
        Signer memory wallet = account("wallet");
        Binding memory wanted = binding(1, N);
        bytes32 salt = keccak256("salt");
        wanted.commitment = keccak256(abi.encode(1, wallet.id, salt));
        nullifiers.bind(wanted, 1, attest(nullifiers.bindingDigest(wanted), 7));
        pvm.expectRevert(abi.encodeWithSelector(INullifiers.Nullifiers_NotLinked.selector, 1, wallet.id));
        nullifiers.publish(N, wallet.id, salt);
        take(1, alice, wallet, ROLE_LINKED);
        pvm.expectRevert(abi.encodeWithSelector(INullifiers.Nullifiers_WrongOpening.selector, N));
        nullifiers.publish(N, wallet.id, keccak256("other"));
        pvm.expectEmit(address(nullifiers));
        emit INullifiers.Published(1, N, wallet.id);
        nullifiers.publish(N, wallet.id, salt);
    }

    function test_gas() external {
        Binding memory wanted = binding(1, N);
        nullifiers.bind(wanted, 1, attest(nullifiers.bindingDigest(wanted), 7));
        pvm.snapshotGasLastCall("Nullifiers", "bind");
    }
}
