// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {
    Badge,
    Grant,
    IBadges,
    STATE_GRANTED,
    STATE_REVOKED,
    STATE_SUSPENDED
} from "../../src/interfaces/IBadges.sol";
import {Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {IValidatorSet} from "../../src/interfaces/IValidatorSet.sol";
import {ValidatorSet} from "../../src/passport/ValidatorSet.sol";
import {BadgesBase} from "../utils/BadgesBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

contract BadgeAttacksTest is BadgesBase {
    uint256 internal alice;
    uint256 internal bob;
    bytes32 internal aliceN;
    bytes32 internal bobN;

    function setUp() external {
        (alice, aliceN) = persona("alice");
        (bob, bobN) = persona("bob");
    }

    function refused(Grant memory wanted, bytes4 reason) internal {
        Grant[] memory list = one(wanted);
        bytes memory signatures = attest(badges.grantDigest(list), 7);
        pvm.expectPartialRevert(reason);
        badges.grant(list, 1, signatures);
    }

    /// @dev One human, two passports, one wallet moved between them: two badges. The wallet serves the first (BDG-011), whose
    ///      badge is suspended while its wallet is elsewhere (BDG-021), until attestors decide again.
    function test_attack_wallet_moved_between_passports_counted_twice() external {
        uint256 tokenId = grant(alice, aliceN);
        pvm.warp(block.timestamp + 1);
        bind(bob, aliceN);
        pvm.warp(block.timestamp + 45 days);
        nullifiers.completeMove(aliceN);
        pvm.assertEq(badges.stateOf(tokenId), STATE_SUSPENDED);
        refused(wish(bob, aliceN), IBadges.Badges_NullifierUsed.selector);
        change(tokenId, STATE_REVOKED, true); // control: checked again, the wallet was sold honestly
        uint256 other = grant(bob, aliceN);
        pvm.assertEq(badges.stateOf(other), STATE_GRANTED);
        pvm.assertEq(badges.totalSupply(), 1);
    }

    /// @dev The holder gives the badge up, moves the wallet and wants it again as someone new (BDG-022).
    function test_attack_renounced_and_granted_again_elsewhere() external {
        uint256 tokenId = grant(alice, aliceN);
        pvm.prank(addressOf(account("alice")));
        badges.renounce(tokenId, account("alice").key, Proof(0, 0, ""));
        pvm.warp(block.timestamp + 1);
        bind(bob, aliceN);
        pvm.warp(block.timestamp + 45 days);
        nullifiers.completeMove(aliceN);
        refused(wish(bob, aliceN), IBadges.Badges_NullifierUsed.selector);
        grant(bob, bobN); // control
    }

    /// @dev Two passports are granted by the same credential in one batch (BDG-011).
    function test_attack_one_nullifier_for_two_in_a_batch() external {
        Grant[] memory list = new Grant[](2);
        list[0] = wish(alice, aliceN);
        list[1] = wish(bob, aliceN);
        bytes memory signatures = attest(badges.grantDigest(list), 7);
        pvm.expectRevert(abi.encodeWithSelector(IBadges.Badges_NotHolder.selector, bob, aliceN));
        badges.grant(list, 1, signatures);
    }

    /// @dev The same wallet twice in a grant, to look like two wallets (BDG-011).
    function test_attack_nullifier_named_twice_in_a_grant() external {
        Grant memory wanted = wish(alice, aliceN);
        wanted.nullifiers = new bytes32[](2);
        (wanted.nullifiers[0], wanted.nullifiers[1]) = (aliceN, aliceN);
        refused(wanted, IBadges.Badges_NullifierUsed.selector);
    }

    /// @dev A revoked holder sends the old attestation again (BDG-012).
    function test_attack_old_attestation_after_revocation() external {
        Grant[] memory list = one(wish(alice, aliceN));
        bytes memory signatures = attest(badges.grantDigest(list), 7);
        badges.grant(list, 1, signatures);
        uint256 tokenId = badges.tokenOf(policy, alice);
        change(tokenId, STATE_REVOKED, true);
        pvm.expectPartialRevert(IBadges.Badges_Stale.selector);
        badges.grant(list, 1, signatures);
        pvm.warp(block.timestamp + 1);
        pvm.assertEq(grant(alice, aliceN), tokenId); // control: decided anew
        pvm.assertEq(badges.totalSupply(), 1);
    }

    /// @dev A higher level that was replaced is brought back by its old attestation (BDG-012).
    function test_attack_old_attestation_after_renewal() external {
        Grant memory high = wish(alice, aliceN);
        high.level = 5;
        Grant[] memory list = one(high);
        bytes memory signatures = attest(badges.grantDigest(list), 7);
        badges.grant(list, 1, signatures);
        pvm.warp(block.timestamp + 1);
        grant(alice, aliceN);
        pvm.expectPartialRevert(IBadges.Badges_Stale.selector);
        badges.grant(list, 1, signatures);
        pvm.assertEq(badges.levelOf(policy, alice), 2);
    }

    /// @dev Somebody else's attestation with the passport, level or points changed (BDG-010).
    function testFuzz_attack_attestation_changed_on_the_way(uint8 field, uint256 value) external {
        Grant memory wanted = wish(alice, aliceN);
        Grant[] memory list = one(wanted);
        bytes memory signatures = attest(badges.grantDigest(list), 7);
        bytes32 before = badges.grantDigest(list);
        if (field % 5 == 0) list[0].passport = value;
        if (field % 5 == 1) list[0].level = uint16(value);
        if (field % 5 == 2) list[0].points = uint32(value);
        if (field % 5 == 3) list[0].expiresAt = uint64(value);
        if (field % 5 == 4) list[0].evidence = bytes32(value);
        pvm.assume(before != badges.grantDigest(list));
        try badges.grant(list, 1, signatures) {
            pvm.assertTrue(false, "granted");
        } catch (bytes memory reason) {
            // Recovered strangers come in any order; either way nobody of the set has signed.
            pvm.assertTrue(
                bytes4(reason) == IValidatorSet.ValidatorSet_NotMember.selector
                    || bytes4(reason) == IValidatorSet.ValidatorSet_NotAscending.selector
            );
        }
        pvm.assertEq(badges.minted(), 0);
    }

    /// @dev Two of five keys are stolen: not enough (PAS-060). With a threshold of two they would be.
    function test_attack_minority_of_attestors() external {
        Grant[] memory list = one(wish(alice, aliceN));
        bytes memory signatures = attest(badges.grantDigest(list), 3);
        pvm.expectRevert(abi.encodeWithSelector(IValidatorSet.ValidatorSet_TooFew.selector, 2, 3));
        badges.grant(list, 1, signatures);
    }

    /// @dev Signatures of the testnet's set for the mainnet (PAS-004).
    function test_attack_replay_over_chains() external {
        Grant[] memory list = one(wish(alice, aliceN));
        bytes memory signatures = attest(badges.grantDigest(list), 7);
        uint256 chain = block.chainid;
        pvm.chainId(1628);
        pvm.expectRevert();
        badges.grant(list, 1, signatures);
        pvm.chainId(chain);
        badges.grant(list, 1, signatures);
    }

    /// @dev A publisher's name breaks out of the picture or the metadata (BDG-042).
    function test_attack_svg_script_and_json_break_out() external {
        policy = policies.publish(
            keccak256("evil"), 1, 1, "</text><script>alert(1)</script>", 'x","image":"javascript:1'
        );
        Grant memory wanted = wish(alice, aliceN);
        wanted.level = 1;
        uint256 tokenId = grantBy(wanted, 7);
        bytes memory json = decoded(badges.tokenURI(tokenId), 29);
        pvm.assertFalse(holds(json, '"image":"javascript'));
        bytes memory picture = decoded(string(between(json, '"image":"', '"')), 26);
        pvm.assertFalse(holds(picture, "<script"));
        // The guard removed: the name as it is would stand in the picture as an element.
        bytes memory naive = abi.encodePacked("<text>", policies.policyOf(policy).name, "</text>");
        pvm.assertTrue(holds(naive, "<script>alert(1)</script>"));
        pvm.assertTrue(holds(picture, "&lt;/text&gt;&lt;script"));
        pvm.assertTrue(holds(json, '\\"image\\":\\"javascript'));
    }

    function holds(bytes memory whole, bytes memory part) internal pure returns (bool) {
        return find(whole, part, 0) != type(uint256).max;
    }

    function find(bytes memory whole, bytes memory part, uint256 from) internal pure returns (uint256) {
        for (uint256 i = from; i + part.length <= whole.length; ++i) {
            uint256 j;
            while (j < part.length && whole[i + j] == part[j]) ++j;
            if (j == part.length) return i;
        }
        return type(uint256).max;
    }

    function between(bytes memory whole, bytes memory start, bytes memory end)
        internal
        pure
        returns (bytes memory out)
    {
        uint256 first = find(whole, start, 0) + start.length;
        out = new bytes(find(whole, end, first) - first);
        for (uint256 i; i < out.length; ++i) {
            out[i] = whole[first + i];
        }
    }

    /// @dev What stands in base64 after a prefix.
    function decoded(string memory uri, uint256 prefix) internal pure returns (bytes memory out) {
        bytes memory text = bytes(uri);
        out = new bytes((text.length - prefix) / 4 * 3);
        uint256 length;
        for (uint256 i = prefix; i < text.length; i += 4) {
            uint256 word;
            uint256 pad;
            for (uint256 j; j < 4; ++j) {
                uint8 c = uint8(text[i + j]);
                uint256 digit =
                    c >= 97 ? c - 71 : c >= 65 ? c - 65 : c >= 48 && c < 58 ? c + 4 : c == 43 ? 62 : 63;
                if (c == 61) (digit, pad) = (0, pad + 1);
                word = word << 6 | digit;
            }
            for (uint256 j; j < 3 - pad; ++j) {
                out[length++] = bytes1(uint8(word >> (16 - 8 * j)));
            }
        }
        assembly ("memory-safe") {
            mstore(out, length)
        }
    }
}
