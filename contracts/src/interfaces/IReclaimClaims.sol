// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @notice What a Reclaim attestor signed, without the plaintext behind the identifier (PTS-040).
/// @param identifier `keccak256(provider \n parameters \n context)`.
/// @param owner Who made the claim.
/// @param timestampS When, seconds since 1970, as the claimant's client said.
/// @param epoch Attestors' epoch.
struct ReclaimClaim {
    bytes32 identifier;
    address owner;
    uint32 timestampS;
    uint32 epoch;
}

/// @notice What the validator set says of an identifier whose plaintext it saw.
/// @param identifier Of which claim.
/// @param passport Whom it speaks of.
/// @param provider Hash that names what was proved, and the template it was checked against.
/// @param nullifier Account of the human.
/// @param level What it comes to.
/// @param deadline Last second at which the attestation counts.
struct ReclaimMeaning {
    bytes32 identifier;
    uint256 passport;
    bytes32 provider;
    bytes32 nullifier;
    uint16 level;
    uint64 deadline;
}

/// @notice A claim that was recorded.
struct ReclaimRecord {
    uint256 passport;
    bytes32 provider;
    bytes32 nullifier;
    uint16 level;
    uint32 timestampS;
    uint64 recordedAt;
    address attestor;
}

/// @title Claims about private facts: identifier and signature, never plaintext
/// @notice Rules PTS-040 to PTS-043 of specs/points.md.
interface IReclaimClaims {
    /// @notice A claim was recorded.
    event ClaimRecorded(
        bytes32 indexed identifier,
        uint256 indexed passport,
        bytes32 indexed provider,
        uint16 level,
        address attestor
    );
    /// @notice An attestor is trusted, or no longer.
    event AttestorTrusted(address indexed attestor, bool trusted);

    /// @notice The signature is not 65 canonical bytes.
    error ReclaimClaims_BadSignature();
    /// @notice Signed by nobody whom we trust: another signer, or another text.
    error ReclaimClaims_Untrusted(address signer);
    /// @notice The attestation is of another claim.
    error ReclaimClaims_OtherClaim(bytes32 claimed, bytes32 attested);
    /// @notice The claim was recorded before.
    error ReclaimClaims_Used(bytes32 identifier);
    /// @notice The claim is too old or from the future.
    error ReclaimClaims_Stale(uint256 timestampS);
    /// @notice The attestation's last second has passed.
    error ReclaimClaims_Expired(uint256 deadline);
    /// @notice The passport does not hold the account.
    error ReclaimClaims_NotHolder(uint256 passport, bytes32 nullifier);

    /// @notice The trusted attestor who signed a claim; reverts if none did.
    function attestorOf(ReclaimClaim calldata claim, bytes calldata signature)
        external
        view
        returns (address attestor);
    /// @notice Records what a claim means. Attested: `ReclaimMeaning(bytes32 identifier,uint256 passport,bytes32 provider,bytes32
    ///         nullifier,uint16 level,uint64 deadline)`.
    function record(
        ReclaimClaim calldata claim,
        bytes calldata signature,
        ReclaimMeaning calldata meaning,
        uint64 setEpoch,
        bytes calldata signatures
    ) external;
    /// @notice Trusts an attestor, or no longer. Attested: `TrustAttestor(address attestor,bool trusted,uint256 number)`.
    function trust(address attestor, bool trusted, uint64 setEpoch, bytes calldata signatures) external;

    /// @notice What was recorded of an identifier; zeros for none.
    function recordOf(bytes32 identifier) external view returns (ReclaimRecord memory);
    /// @notice Whether an attestor is trusted.
    function isTrusted(address attestor) external view returns (bool);
    /// @notice Number that the next change of trust signs.
    function trustCount() external view returns (uint256);
    /// @notice The text that an attestor signs by EIP-191.
    function textOf(ReclaimClaim calldata claim) external pure returns (string memory);
    /// @notice EIP-712 digest of a meaning.
    function meaningDigest(ReclaimMeaning calldata meaning) external view returns (bytes32);
    /// @notice EIP-712 digest of the next change of trust.
    function trustDigest(address attestor, bool trusted) external view returns (bytes32);
}
