// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @title Who attests
/// @notice Sets of attestors by epoch, each with a threshold. Rules PAS-060 and PAS-061 of specs/passport.md.
interface IValidatorSet {
    /// @notice A set is in force.
    /// @param epoch Its number; rises by one.
    /// @param members Ascending; a member's place is its bit in bitmaps.
    /// @param threshold Signatures needed.
    /// @param previousUntil Last second at which the set before counts.
    event SetChanged(uint64 indexed epoch, address[] members, uint8 threshold, uint64 previousUntil);

    /// @notice Size or threshold is out of bounds.
    error ValidatorSet_BadShape(uint256 size, uint256 threshold);
    /// @notice Members, or signers, are not in ascending order.
    error ValidatorSet_NotAscending(address before, address next);
    /// @notice The signer is in no place of that set.
    error ValidatorSet_NotMember(uint64 epoch, address signer);
    /// @notice Fewer signatures than the threshold.
    error ValidatorSet_TooFew(uint256 signatures, uint256 threshold);
    /// @notice Signatures are not a multiple of 65 bytes, or one is not canonical.
    error ValidatorSet_BadSignature(uint256 index);
    /// @notice That set does not count, or no longer.
    error ValidatorSet_NotInForce(uint64 epoch);
    /// @notice The grace asked for the outgoing set is too long.
    error ValidatorSet_GraceTooLong(uint256 graceS, uint256 maximumS);
    /// @notice Only the governor.
    error ValidatorSet_NotGovernor(address sender);

    /// @notice Who signed a digest: bit i for member i of the set. Reverts unless the set is in force and its threshold is reached.
    /// @param digest What was signed (EIP-712 digest of the asking contract).
    /// @param setEpoch Which set.
    /// @param signatures 65 bytes each (r, s, v), ascending by signer.
    function check(bytes32 digest, uint64 setEpoch, bytes calldata signatures)
        external
        view
        returns (uint256 bitmap);

    /// @notice Puts the next set in force, by attestation of the present one.
    /// @param members Ascending, none zero.
    /// @param threshold More than half of the members.
    /// @param graceS Seconds for which the outgoing set still counts; zero when one of it is compromised.
    /// @param signatures Of the present set over `RotateSet(uint64 epoch,address[] members,uint8 threshold,uint64 graceS)`.
    function rotate(address[] calldata members, uint8 threshold, uint64 graceS, bytes calldata signatures)
        external;

    /// @notice Puts the next set in force by the governor (a timelock), when the present set has lost its quorum. No grace.
    function replace(address[] calldata members, uint8 threshold) external;

    /// @notice Number of the set in force.
    function epoch() external view returns (uint64);
    /// @notice Members of a set, ascending.
    function membersOf(uint64 setEpoch) external view returns (address[] memory);
    /// @notice A member's bit in bitmaps of a set, from 1; zero for who is none.
    function placeOf(uint64 setEpoch, address member) external view returns (uint256 place);
    /// @notice Signatures that a set needs; zero for none.
    function thresholdOf(uint64 setEpoch) external view returns (uint8);
    /// @notice Whether attestations of a set count now.
    function inForce(uint64 setEpoch) external view returns (bool);
    /// @notice The timelock that may {replace}.
    function GOVERNOR() external view returns (address);
    /// @notice EIP-712 digest of a rotation from the present set.
    function rotationDigest(address[] calldata members, uint8 threshold, uint64 graceS)
        external
        view
        returns (bytes32);
}
