// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

import {Key, Proof} from "./IKeyVerifier.sol";

/// @notice What the validator set attests: this account of this human belongs to that passport.
/// @param passport Whom it is bound to.
/// @param nullifier Its form under the epoch of k.
/// @param scope keccak256 of what is counted, such as "wallet" or "account/github".
/// @param commitment Hiding commitment to a linked wallet, `keccak256(abi.encode(passport, keyId, salt))`; zero for none.
/// @param keyEpoch Epoch of k.
/// @param attestedAt When control was shown, seconds since 1970.
/// @param deadline Last second at which the attestation counts.
struct Binding {
    uint256 passport;
    bytes32 nullifier;
    bytes32 scope;
    bytes32 commitment;
    uint64 keyEpoch;
    uint64 attestedAt;
    uint64 deadline;
}

/// @notice What is known of a canonical nullifier.
/// @param passport Holder.
/// @param attestedAt Newest attestation of control by the holder.
/// @param keyEpoch Newest epoch of k it has a form for.
/// @param releasedAt When the holder let go; zero when not.
/// @param releaseGeneration Generation of the holder's keys that let go.
/// @param movingTo Who has shown control instead of the holder; zero for nobody.
/// @param moveReadyAt When that move can be completed.
/// @param moveAttestedAt When that control was shown.
/// @param scope What is counted.
/// @param commitment Commitment to a private link.
struct Credential {
    uint96 passport;
    uint64 attestedAt;
    uint64 keyEpoch;
    uint64 releasedAt;
    uint64 releaseGeneration;
    uint96 movingTo;
    uint64 moveReadyAt;
    uint64 moveAttestedAt;
    bytes32 scope;
    bytes32 commitment;
}

/// @title Which accounts of humans belong to which passport, without saying which accounts they are
/// @notice Rules PAS-040 to PAS-045 of specs/passport.md. Nobody owns it.
interface INullifiers {
    /// @notice A nullifier is bound for the first time, or control was shown anew by its holder.
    event Bound(
        uint256 indexed passport,
        bytes32 indexed nullifier,
        bytes32 indexed canonical,
        bytes32 scope,
        bytes32 commitment
    );
    /// @notice The holder let go; it may be bound elsewhere from then, unless a recovery comes between.
    event Released(uint256 indexed passport, bytes32 indexed canonical, uint64 freeAt);
    /// @notice Someone else has shown control; the move can be completed from then, unless the holder shows newer control.
    event MoveStarted(bytes32 indexed canonical, uint256 indexed from, uint256 indexed to, uint64 readyAt);
    /// @notice It has another holder. Whatever depended on it is to be checked again.
    event Moved(bytes32 indexed canonical, uint256 indexed from, uint256 indexed to);
    /// @notice It has a form under the next epoch of k.
    event Mapped(bytes32 indexed canonical, bytes32 from, bytes32 to, uint64 keyEpoch);
    /// @notice An epoch of k is in force.
    event KeyEpochOpened(uint64 keyEpoch);
    /// @notice The owner opened a private link.
    event Published(uint256 indexed passport, bytes32 indexed canonical, bytes32 indexed keyId);

    /// @notice There is no such passport.
    error Nullifiers_UnknownPassport(uint256 passport);
    /// @notice Nobody has bound it.
    error Nullifiers_Unknown(bytes32 nullifier);
    /// @notice The attestation's last second has passed.
    error Nullifiers_Expired(uint256 deadline);
    /// @notice Control was shown no later than what is known already, or in the future.
    error Nullifiers_Stale(uint256 attestedAt, uint256 newest);
    /// @notice The attestation names another epoch of k than the one that counts.
    error Nullifiers_WrongKeyEpoch(uint256 given, uint256 expected);
    /// @notice A nullifier does not change its scope.
    error Nullifiers_WrongScope(bytes32 given, bytes32 expected);
    /// @notice The zero word is no nullifier.
    error Nullifiers_Zero();
    /// @notice It is not held by that passport.
    error Nullifiers_NotHolder(uint256 passport, bytes32 canonical);
    /// @notice No move is pending.
    error Nullifiers_NoMove(bytes32 canonical);
    /// @notice It waits until then.
    error Nullifiers_TooEarly(uint256 readyAt);
    /// @notice A move to that passport is pending already.
    error Nullifiers_MovePending(bytes32 canonical);
    /// @notice The form is taken, so it cannot be the form of another.
    error Nullifiers_FormTaken(bytes32 form);
    /// @notice The form is not the newest of its nullifier, or was mapped already.
    error Nullifiers_NotNewest(bytes32 form);
    /// @notice Lists differ in length.
    error Nullifiers_LengthMismatch(uint256 left, uint256 right);
    /// @notice An epoch of k cannot open while nullifiers lack a form for it.
    error Nullifiers_Incomplete(uint256 mapped, uint256 total);
    /// @notice The salt does not open the commitment.
    error Nullifiers_WrongOpening(bytes32 canonical);
    /// @notice The wallet is not publicly linked to the passport.
    error Nullifiers_NotLinked(uint256 passport, bytes32 keyId);

    /// @notice Binds a nullifier, renews it, or starts or carries out a move. Attested: `BindNullifier(uint256 passport,bytes32
    ///         nullifier,bytes32 scope,bytes32 commitment,uint64 keyEpoch,uint64 attestedAt,uint64 deadline)`.
    function bind(Binding calldata binding, uint64 setEpoch, bytes calldata signatures) external;

    /// @notice The holder lets go. `ReleaseNullifier(uint256 passport,bytes32 canonical,uint256 nonce,uint256 deadline)`.
    function release(uint256 passport, Key calldata actor, Proof calldata proof, bytes32 nullifier) external;

    /// @notice Completes a move that was attested without the holder. Anyone may call.
    function completeMove(bytes32 nullifier) external;

    /// @notice Maps nullifiers to their forms under the next epoch of k. Attested: `MapNullifiers(uint64 keyEpoch,bytes32[] from,bytes32[]
    ///         to)`.
    function map(bytes32[] calldata from, bytes32[] calldata to, uint64 setEpoch, bytes calldata signatures)
        external;

    /// @notice Puts the next epoch of k in force. Attested: `OpenKeyEpoch(uint64 keyEpoch)`.
    function openKeyEpoch(uint64 setEpoch, bytes calldata signatures) external;

    /// @notice Opens a private link whose wallet is publicly linked by now.
    function publish(bytes32 nullifier, bytes32 keyId, bytes32 salt) external;

    /// @notice Name under which a nullifier counts, whatever its form; zero when unknown.
    function canonicalOf(bytes32 nullifier) external view returns (bytes32);
    /// @notice Holder of a nullifier; zero when unknown.
    function holderOf(bytes32 nullifier) external view returns (uint256 passport);
    /// @notice What is known of a nullifier.
    function credentialOf(bytes32 nullifier) external view returns (Credential memory);
    /// @notice Nullifiers that a passport holds.
    function countOf(uint256 passport) external view returns (uint256);
    /// @notice Canonical nullifiers there are.
    function total() external view returns (uint256);
    /// @notice Epoch of k in force.
    function keyEpoch() external view returns (uint64);
    /// @notice Nullifiers that have a form for the next epoch.
    function mapped() external view returns (uint256);
    /// @notice EIP-712 digest of a binding.
    function bindingDigest(Binding calldata binding) external view returns (bytes32);
    /// @notice EIP-712 digest of a mapping to the next epoch.
    function mappingDigest(bytes32[] calldata from, bytes32[] calldata to) external view returns (bytes32);
    /// @notice EIP-712 digest of the opening of the next epoch.
    function openingDigest() external view returns (bytes32);
}
