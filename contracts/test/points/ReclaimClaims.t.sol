// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {
    IReclaimClaims,
    ReclaimClaim,
    ReclaimMeaning,
    ReclaimRecord
} from "../../src/interfaces/IReclaimClaims.sol";
import {ReclaimClaims} from "../../src/points/ReclaimClaims.sol";
import {BadgesBase} from "../utils/BadgesBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

contract ReclaimClaimsTest is BadgesBase {
    /// @dev Reclaim's production attestor.
    address internal constant ATTESTOR = 0x244897572368Eadf65bfBc5aec98D8e5443a9072;
    /// @dev A price claim that it signed, from reclaimprotocol/fuel-sdk-onchain-integration, frontend/src/utils/constants.ts.
    bytes internal constant SIGNATURE =
        hex"a8dbc31a5b368e4fde90f01430c69a4682cff4d145538d54120ff4430c214be967f06d6e142cf4e6f74b26eacb4bdae33e2327b3aabe107ea5fe56df2d8bfeb81b";

    ReclaimClaims internal claims;
    ReclaimClaim internal claim = ReclaimClaim(
        0x5ecb7fed5a589b5d6babcf5cc6134b6323eb2b201a3d2a40c2318b6dc8ad8403,
        0x381994d6B9B08C3e7CfE3A4Cd544C85101b8f201,
        1_752_056_698,
        1
    );
    uint256 internal passport;
    bytes32 internal nullifier;

    function setUp() external {
        pvm.warp(1_752_056_700);
        claims = new ReclaimClaims(nullifiers, validators, ATTESTOR);
        (passport, nullifier) = persona("alice");
    }

    function meaning() internal view returns (ReclaimMeaning memory) {
        return ReclaimMeaning(claim.identifier, passport, keccak256("provider"), nullifier, 3, soon());
    }

    function record(ReclaimMeaning memory wanted, bytes4 reason) internal {
        bytes memory signatures = attest(claims.meaningDigest(wanted), 7);
        if (reason != 0) pvm.expectPartialRevert(reason);
        claims.record(claim, SIGNATURE, wanted, 1, signatures);
    }

    /// @dev PTS-040, PTS-041: a real proof.
    function test_attestorOf_production_proof() external view {
        pvm.assertEq(claims.attestorOf(claim, SIGNATURE), ATTESTOR);
        pvm.assertEq(
            claims.textOf(claim),
            "0x5ecb7fed5a589b5d6babcf5cc6134b6323eb2b201a3d2a40c2318b6dc8ad8403\n0x381994d6b9b08c3e7cfe3a4cd544c85101b8f201\n1752056698\n1"
        );
    }

    /// @dev PTS-042.
    function test_record_once() external {
        record(meaning(), 0);
        ReclaimRecord memory found = claims.recordOf(claim.identifier);
        pvm.assertEq(found.passport, passport);
        pvm.assertEq(found.level, 3);
        pvm.assertEq(found.attestor, ATTESTOR);
        record(meaning(), IReclaimClaims.ReclaimClaims_Used.selector);
    }

    /// @dev Someone else's owner, another time to make it fresh, another epoch (PTS-040).
    function testFuzz_attack_claim_changed(address owner, uint32 timestampS, uint32 epoch, bytes32 identifier)
        external
    {
        ReclaimClaim memory forged = ReclaimClaim(identifier, owner, timestampS, epoch);
        pvm.expectPartialRevert(IReclaimClaims.ReclaimClaims_Untrusted.selector);
        claims.attestorOf(forged, SIGNATURE);
        (forged.identifier, forged.owner) = (claim.identifier, claim.owner);
        (forged.timestampS, forged.epoch) = (claim.timestampS + 1, claim.epoch);
        pvm.expectPartialRevert(IReclaimClaims.ReclaimClaims_Untrusted.selector);
        claims.attestorOf(forged, SIGNATURE);
    }

    /// @dev The same signature with its other s (PTS-041).
    function test_attack_signature_twin() external {
        (bytes32 r, bytes32 s, uint8 v) = (bytes32(0), bytes32(0), 0);
        bytes memory signature = SIGNATURE;
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
            v := byte(0, mload(add(signature, 96)))
        }
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory twin = abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27));
        // The guard removed: ecrecover alone takes the twin.
        bytes32 hash = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n122", claims.textOf(claim)));
        pvm.assertEq(ecrecover(hash, v == 27 ? 28 : 27, r, bytes32(order - uint256(s))), ATTESTOR);
        pvm.expectRevert(IReclaimClaims.ReclaimClaims_BadSignature.selector);
        claims.attestorOf(claim, twin);
        pvm.expectRevert(IReclaimClaims.ReclaimClaims_BadSignature.selector);
        claims.attestorOf(claim, hex"00");
    }

    /// @dev PTS-042: stale, from the future, of another claim, another's account.
    function test_attack_record_what_is_not_so() external {
        ReclaimMeaning memory wanted = meaning();
        wanted.identifier = keccak256("other");
        record(wanted, IReclaimClaims.ReclaimClaims_OtherClaim.selector);
        wanted = meaning();
        wanted.nullifier = keccak256("unbound");
        record(wanted, IReclaimClaims.ReclaimClaims_NotHolder.selector);
        wanted = meaning();
        wanted.deadline = uint64(block.timestamp) - 1;
        record(wanted, IReclaimClaims.ReclaimClaims_Expired.selector);
        pvm.warp(claim.timestampS - 601);
        record(meaning(), IReclaimClaims.ReclaimClaims_Stale.selector);
        pvm.warp(claim.timestampS + 30 days + 1);
        record(meaning(), IReclaimClaims.ReclaimClaims_Stale.selector);
        pvm.warp(claim.timestampS + 30 days);
        record(meaning(), 0); // control
    }

    /// @dev PTS-043.
    function test_trust_by_attestation_and_not_again() external {
        bytes memory signatures = attest(claims.trustDigest(ATTESTOR, false), 7);
        claims.trust(ATTESTOR, false, 1, signatures);
        pvm.expectRevert(abi.encodeWithSelector(IReclaimClaims.ReclaimClaims_Untrusted.selector, ATTESTOR));
        claims.attestorOf(claim, SIGNATURE);
        claims.trust(ATTESTOR, true, 1, attest(claims.trustDigest(ATTESTOR, true), 7));
        pvm.expectRevert();
        claims.trust(ATTESTOR, false, 1, signatures);
        pvm.assertTrue(claims.isTrusted(ATTESTOR));
    }

    function test_gas() external {
        ReclaimMeaning memory wanted = meaning();
        claims.record(claim, SIGNATURE, wanted, 1, attest(claims.meaningDigest(wanted), 7));
        pvm.snapshotGasLastCall("ReclaimClaims", "record, 3 of 5");
    }
}
