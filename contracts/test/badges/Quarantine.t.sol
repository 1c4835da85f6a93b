// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Grant, IBadges, STATE_GRANTED, STATE_SUSPENDED} from "../../src/interfaces/IBadges.sol";
import {CASE_ATTESTOR, CASE_VERSION, Case, IQuarantine} from "../../src/interfaces/IQuarantine.sol";
import {BadgesBase} from "../utils/BadgesBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

contract QuarantineTest is BadgesBase {
    uint256 internal number;

    struct Given {
        uint256 tokenId;
        uint256 passport;
        bytes32 nullifier;
        uint256 signers;
        bytes32 version;
        uint256 recordedAt;
    }

    Given[] internal given;

    function member(uint256 place) internal view returns (bytes32) {
        return bytes32(uint256(uint160(pvm.addr(validatorSecrets[place]))));
    }

    function open(uint8 kind, bytes32 subject, uint64 since, uint64 until) internal returns (uint256) {
        Case memory distrust = Case(kind, subject, since, until, keccak256("why"), ++number, soon());
        return quarantine.openCase(distrust, 1, attest(quarantine.caseDigest(distrust), 28));
    }

    function close(uint256 caseId) internal {
        quarantine.closeCase(caseId, 1, attest(quarantine.closeDigest(caseId), 28));
    }

    function popcount(uint256 bits) internal pure returns (uint256 ones) {
        for (; bits != 0; bits &= bits - 1) {
            ++ones;
        }
    }

    function give(uint256 i, uint256 signers, bytes32 version) internal {
        (uint256 passport, bytes32 nullifier) = persona(decimal(i));
        Grant memory wanted = wish(passport, nullifier);
        wanted.validatorVersion = version;
        uint256 tokenId = grantBy(wanted, signers);
        given.push(Given(tokenId, passport, nullifier, signers, version, block.timestamp));
    }

    /// @dev BDG-031, to the last badge: random badges, random cases; each badge is suspended exactly if the rule says so, and
    ///      all are granted again when all cases are closed.
    /// forge-config: default.fuzz.runs = 40
    function testFuzz_quarantine_touches_exactly(uint256 seed) external {
        bytes32[3] memory versions = [keccak256("v1"), keccak256("v2"), keccak256("v3")];
        uint256 start = block.timestamp;
        for (uint256 i; i < 12; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 signers = random % 32;
            while (popcount(signers) < 3) signers |= 1 << (random = random / 7 + 1) % 5;
            pvm.warp(block.timestamp + random % 100);
            give(i, signers, versions[random / 32 % 3]);
        }
        Case[3] memory cases;
        uint256[3] memory ids;
        for (uint256 i; i < 3; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, "case", i)));
            (uint64 since, uint64 until) =
                (uint64(start + random % 600), uint64(start + random % 600 + random % 500));
            bool byMember = random >> 128 & 1 == 0;
            bytes32 subject = byMember ? member(random % 5) : versions[random % 3];
            cases[i] = Case(byMember ? CASE_ATTESTOR : CASE_VERSION, subject, since, until, 0, 0, 0);
            ids[i] = open(cases[i].kind, subject, since, until);
        }
        for (uint256 i; i < given.length; ++i) {
            pvm.assertEq(
                badges.stateOf(given[i].tokenId), expected(given[i], cases) ? STATE_SUSPENDED : STATE_GRANTED
            );
        }
        for (uint256 i; i < 3; ++i) {
            close(ids[i]);
        }
        for (uint256 i; i < given.length; ++i) {
            pvm.assertEq(badges.stateOf(given[i].tokenId), STATE_GRANTED);
        }
    }

    /// @dev The rule again, from what this test knows.
    function expected(Given memory badge, Case[3] memory cases) internal view returns (bool touched) {
        for (uint256 i; i < 3; ++i) {
            if (badge.recordedAt < cases[i].since || badge.recordedAt > cases[i].until) continue;
            if (cases[i].kind == CASE_VERSION && cases[i].subject == badge.version) touched = true;
            for (uint256 j; j < 5 && cases[i].kind == CASE_ATTESTOR; ++j) {
                if (cases[i].subject == member(j) && badge.signers >> j & 1 == 1) touched = true;
            }
        }
    }

    /// @dev BDG-032.
    function test_quarantine_is_left_by_re_execution_only() external {
        give(0, 7, VERSION);
        uint256 caseId = open(CASE_ATTESTOR, member(0), uint64(block.timestamp), type(uint64).max);
        pvm.assertEq(badges.touchedBy(given[0].tokenId), caseId);
        pvm.warp(block.timestamp + 1);
        Grant[] memory list = one(wish(given[0].passport, given[0].nullifier));
        bytes memory again = attest(badges.grantDigest(list), 7);
        pvm.expectRevert(abi.encodeWithSelector(IBadges.Badges_Quarantined.selector, caseId));
        badges.grant(list, 1, again); // the distrusted one co-signs
        badges.grant(list, 1, attest(badges.grantDigest(list), 28));
        pvm.assertEq(badges.stateOf(given[0].tokenId), STATE_GRANTED);
        pvm.assertEq(badges.touchedBy(given[0].tokenId), 0);
    }

    /// @dev A stolen attestor key dates its decisions back to before the theft: the time recorded by the chain counts (BDG-031).
    function test_attack_backdated_to_escape_quarantine() external {
        uint64 theft = uint64(block.timestamp) + 10 days;
        pvm.warp(theft + 1);
        (uint256 passport, bytes32 nullifier) = persona("thief");
        Grant memory wanted = wish(passport, nullifier);
        wanted.attestedAt = theft - 5 days;
        uint256 tokenId = grantBy(wanted, 7);
        give(1, 28, VERSION); // control: others signed
        open(CASE_ATTESTOR, member(1), theft, type(uint64).max);
        pvm.assertEq(badges.stateOf(tokenId), STATE_SUSPENDED);
        pvm.assertEq(badges.stateOf(given[0].tokenId), STATE_GRANTED);
        // The guard removed: by the time that the attestors wrote, the badge lies before the theft.
        pvm.assertLt(badges.badgeOf(tokenId).attestedAt, theft);
        pvm.assertGt(badges.badgeOf(tokenId).recordedAt, theft);
    }

    /// @dev The steward can suspend at once, and nothing else (BDG-030).
    function test_steward_opens_but_does_not_close() external {
        give(0, 7, VERSION);
        Case memory distrust = Case(CASE_VERSION, VERSION, 0, type(uint64).max, 0, 0, 0);
        pvm.expectRevert();
        quarantine.openCase(distrust, 1, "");
        pvm.prank(steward);
        uint256 caseId = quarantine.openCase(distrust, 0, "");
        pvm.assertEq(badges.stateOf(given[0].tokenId), STATE_SUSPENDED);
        pvm.prank(steward);
        pvm.expectRevert();
        quarantine.closeCase(caseId, 1, "");
        close(caseId);
        pvm.assertEq(badges.stateOf(given[0].tokenId), STATE_GRANTED);
        pvm.assertEq(quarantine.caseOf(caseId).subject, VERSION);
        bytes memory signatures = attest(quarantine.closeDigest(caseId), 28);
        pvm.expectRevert(abi.encodeWithSelector(IQuarantine.Quarantine_NoCase.selector, caseId));
        quarantine.closeCase(caseId, 1, signatures);
    }

    /// @dev BDG-023: the attestation of a case that was closed, again.
    function test_attack_case_replayed() external {
        Case memory distrust = Case(CASE_VERSION, VERSION, 0, 1, 0, 1, soon());
        bytes memory signatures = attest(quarantine.caseDigest(distrust), 7);
        close(quarantine.openCase(distrust, 1, signatures));
        bytes32 digest = quarantine.caseDigest(distrust);
        pvm.expectRevert(abi.encodeWithSelector(IQuarantine.Quarantine_Used.selector, digest));
        quarantine.openCase(distrust, 1, signatures);
        pvm.warp(block.timestamp + 2 hours);
        pvm.expectRevert(abi.encodeWithSelector(IQuarantine.Quarantine_Expired.selector, distrust.deadline));
        quarantine.openCase(distrust, 1, signatures);
    }

    /// @dev BDG-033.
    function test_openCase_unsound_or_seventeenth_reverts() external {
        pvm.startPrank(steward);
        pvm.expectPartialRevert(IQuarantine.Quarantine_BadCase.selector);
        quarantine.openCase(Case(3, 0, 0, 1, 0, 0, 0), 0, "");
        pvm.expectPartialRevert(IQuarantine.Quarantine_BadCase.selector);
        quarantine.openCase(Case(CASE_VERSION, 0, 1, 0, 0, 0, 0), 0, "");
        pvm.expectPartialRevert(IQuarantine.Quarantine_BadCase.selector);
        quarantine.openCase(Case(CASE_ATTESTOR, bytes32(uint256(1) << 160), 0, 1, 0, 0, 0), 0, "");
        for (uint256 i; i < 16; ++i) {
            quarantine.openCase(Case(CASE_VERSION, bytes32(i), 0, 1, 0, i, 0), 0, "");
        }
        pvm.expectRevert(abi.encodeWithSelector(IQuarantine.Quarantine_TooManyCases.selector, 16));
        quarantine.openCase(Case(CASE_VERSION, 0, 0, 1, 0, 0, 0), 0, "");
        pvm.assertEq(quarantine.openCases().length, 16);
    }
}
