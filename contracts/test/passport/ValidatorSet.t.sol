// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IValidatorSet} from "../../src/interfaces/IValidatorSet.sol";
import {ValidatorSet} from "../../src/passport/ValidatorSet.sol";
import {PersonaBase} from "../utils/PersonaBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

contract ValidatorSetTest is PersonaBase {
    bytes32 internal constant DIGEST = keccak256("digest");

    function popcount(uint256 bits) internal pure returns (uint256 ones) {
        for (; bits != 0; bits &= bits - 1) {
            ++ones;
        }
    }

    function someone(uint256 size) internal pure returns (address[] memory members) {
        members = new address[](size);
        for (uint256 i; i < size; ++i) {
            members[i] = address(uint160(1000 + i));
        }
    }

    /// @dev PAS-060: every subset of the five.
    function test_check_every_subset_counts_from_the_threshold_on() external {
        for (uint256 subset; subset < 32; ++subset) {
            bytes memory signatures = attest(DIGEST, subset);
            if (popcount(subset) < 3) {
                pvm.expectRevert(
                    abi.encodeWithSelector(IValidatorSet.ValidatorSet_TooFew.selector, popcount(subset), 3)
                );
                validators.check(DIGEST, 1, signatures);
            } else {
                pvm.assertEq(validators.check(DIGEST, 1, signatures), subset);
            }
        }
    }

    /// @dev PAS-060: one signer three times is one.
    function test_attack_attestor_counted_three_times() external {
        bytes memory one = attest(DIGEST, 1);
        pvm.expectPartialRevert(IValidatorSet.ValidatorSet_NotAscending.selector);
        validators.check(DIGEST, 1, bytes.concat(one, one, one));
        // The guard removed: counting valid signatures of members, without order, one attestor makes a quorum.
        uint256 counted;
        (uint8 v, bytes32 r, bytes32 s) = pvm.sign(validatorSecrets[0], DIGEST);
        for (uint256 i; i < 3; ++i) {
            if (validators.placeOf(1, ecrecover(DIGEST, v, r, s)) != 0) ++counted;
        }
        pvm.assertEq(counted, validators.thresholdOf(1));
        pvm.assertEq(validators.check(DIGEST, 1, attest(DIGEST, 7)), 7); // control
    }

    function test_attack_stranger_among_signers() external {
        bytes memory stranger = packed(12345, DIGEST);
        pvm.expectPartialRevert(IValidatorSet.ValidatorSet_NotMember.selector);
        validators.check(DIGEST, 1, bytes.concat(stranger, attest(DIGEST, 3)));
    }

    function test_check_torn_or_twin_signature_reverts() external {
        bytes memory good = attest(DIGEST, 7);
        pvm.expectPartialRevert(IValidatorSet.ValidatorSet_BadSignature.selector);
        validators.check(DIGEST, 1, bytes.concat(good, hex"00"));
        (uint8 v, bytes32 r, bytes32 s) = pvm.sign(validatorSecrets[0], DIGEST);
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory twin = abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27));
        pvm.expectRevert(abi.encodeWithSelector(IValidatorSet.ValidatorSet_BadSignature.selector, 0));
        validators.check(DIGEST, 1, bytes.concat(twin, attest(DIGEST, 6)));
    }

    /// @dev PAS-061.
    function test_rotate_with_grace_and_without() external {
        address[] memory next = someone(3);
        bytes memory signatures = attest(validators.rotationDigest(next, 2, 1 days), 7);
        validators.rotate(next, 2, 1 days, signatures);
        pvm.assertEq(validators.epoch(), 2);
        pvm.assertEq(validators.check(DIGEST, 1, attest(DIGEST, 7)), 7);
        pvm.warp(block.timestamp + 1 days);
        bytes memory late = attest(DIGEST, 7);
        pvm.expectRevert(abi.encodeWithSelector(IValidatorSet.ValidatorSet_NotInForce.selector, 1));
        validators.check(DIGEST, 1, late);
        pvm.expectPartialRevert(IValidatorSet.ValidatorSet_NotMember.selector);
        validators.rotate(next, 2, 1 days, signatures); // the old set again
    }

    function test_attack_compromised_set_goes_at_once() external {
        address[] memory next = someone(3);
        validators.rotate(next, 2, 0, attest(validators.rotationDigest(next, 2, 0), 31));
        pvm.assertFalse(validators.inForce(1));
        pvm.assertTrue(validators.inForce(2));
        pvm.assertFalse(validators.inForce(3));
        pvm.assertFalse(validators.inForce(0));
    }

    function test_rotate_grace_too_long_reverts() external {
        address[] memory next = someone(3);
        bytes memory signatures = attest(validators.rotationDigest(next, 2, 7 days + 1), 7);
        pvm.expectRevert(
            abi.encodeWithSelector(IValidatorSet.ValidatorSet_GraceTooLong.selector, 7 days + 1, 7 days)
        );
        validators.rotate(next, 2, 7 days + 1, signatures);
    }

    /// @dev PAS-062.
    function test_replace_only_by_the_governor() external {
        address[] memory next = someone(1);
        pvm.expectRevert(
            abi.encodeWithSelector(IValidatorSet.ValidatorSet_NotGovernor.selector, address(this))
        );
        validators.replace(next, 1);
        pvm.prank(timelock);
        validators.replace(next, 1);
        pvm.assertFalse(validators.inForce(1));
        pvm.assertEq(validators.membersOf(2)[0], next[0]);
    }

    /// @dev PAS-060.
    function testFuzz_shape(uint16 size, uint8 threshold) external {
        size %= 300;
        address[] memory members = someone(size);
        bool sound = size > 0 && size <= 255 && threshold <= size && uint256(threshold) * 2 > size;
        if (!sound) {
            pvm.expectRevert(
                abi.encodeWithSelector(IValidatorSet.ValidatorSet_BadShape.selector, size, threshold)
            );
        }
        new ValidatorSet(timelock, members, threshold);
    }

    function test_constructor_members_not_ascending_reverts() external {
        address[] memory members = someone(2);
        members[1] = members[0];
        pvm.expectPartialRevert(IValidatorSet.ValidatorSet_NotAscending.selector);
        new ValidatorSet(timelock, members, 2);
    }

    function test_gas() external {
        validators.check(DIGEST, 1, attest(DIGEST, 7));
        pvm.snapshotGasLastCall("ValidatorSet", "check, 3 of 5");
    }
}
