// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {INullifiers} from "../interfaces/INullifiers.sol";
import {IReclaimClaims, ReclaimClaim, ReclaimMeaning, ReclaimRecord} from "../interfaces/IReclaimClaims.sol";
import {IValidatorSet} from "../interfaces/IValidatorSet.sol";
import {Domain} from "../passport/Domain.sol";

/// @title ReclaimClaims
/// @notice Records claims by identifier and signature; see {IReclaimClaims}.
contract ReclaimClaims is IReclaimClaims, Domain {
    /// @dev PTS-042. An attestor's clock and the claimant's may be ahead a little.
    uint256 private constant OLDEST_S = 30 days;
    uint256 private constant AHEAD_S = 10 minutes;
    bytes32 private constant MEANING_TYPE = keccak256(
        "ReclaimMeaning(bytes32 identifier,uint256 passport,bytes32 provider,bytes32 nullifier,uint16 level,uint64 deadline)"
    );
    bytes32 private constant TRUST_TYPE =
        keccak256("TrustAttestor(address attestor,bool trusted,uint256 number)");

    /// @notice Accounts of humans.
    INullifiers public immutable NULLIFIERS;
    /// @notice Who attests.
    IValidatorSet public immutable VALIDATORS;

    /// @inheritdoc IReclaimClaims
    mapping(address attestor => bool) public isTrusted;
    /// @inheritdoc IReclaimClaims
    uint256 public trustCount;
    mapping(bytes32 identifier => ReclaimRecord) private _records;

    /// @param nullifiers Accounts of humans.
    /// @param validators Who attests.
    /// @param attestor First trusted attestor.
    constructor(INullifiers nullifiers, IValidatorSet validators, address attestor) {
        (NULLIFIERS, VALIDATORS) = (nullifiers, validators);
        isTrusted[attestor] = true;
        emit AttestorTrusted(attestor, true);
    }

    /// @inheritdoc IReclaimClaims
    function record(
        ReclaimClaim calldata claim,
        bytes calldata signature,
        ReclaimMeaning calldata meaning,
        uint64 setEpoch,
        bytes calldata signatures
    ) external {
        address attestor = attestorOf(claim, signature);
        if (block.timestamp > meaning.deadline) revert ReclaimClaims_Expired(meaning.deadline);
        if (claim.timestampS + OLDEST_S < block.timestamp || claim.timestampS > block.timestamp + AHEAD_S) {
            revert ReclaimClaims_Stale(claim.timestampS);
        }
        if (claim.identifier != meaning.identifier) {
            revert ReclaimClaims_OtherClaim(claim.identifier, meaning.identifier);
        }
        if (_records[claim.identifier].recordedAt != 0) revert ReclaimClaims_Used(claim.identifier);
        VALIDATORS.check(meaningDigest(meaning), setEpoch, signatures); // PTS-042
        bytes32 nullifier = NULLIFIERS.canonicalOf(meaning.nullifier);
        if (nullifier == 0 || NULLIFIERS.holderOf(nullifier) != meaning.passport) {
            revert ReclaimClaims_NotHolder(meaning.passport, meaning.nullifier);
        }
        _records[claim.identifier] = ReclaimRecord(
            meaning.passport,
            meaning.provider,
            nullifier,
            meaning.level,
            claim.timestampS,
            uint64(block.timestamp),
            attestor
        );
        emit ClaimRecorded(claim.identifier, meaning.passport, meaning.provider, meaning.level, attestor);
    }

    /// @inheritdoc IReclaimClaims
    function trust(address attestor, bool trusted, uint64 setEpoch, bytes calldata signatures) external {
        VALIDATORS.check(trustDigest(attestor, trusted), setEpoch, signatures); // PTS-043
        ++trustCount;
        isTrusted[attestor] = trusted;
        emit AttestorTrusted(attestor, trusted);
    }

    /// @inheritdoc IReclaimClaims
    function recordOf(bytes32 identifier) external view returns (ReclaimRecord memory) {
        return _records[identifier];
    }

    /// @inheritdoc IReclaimClaims
    function attestorOf(ReclaimClaim calldata claim, bytes calldata signature)
        public
        view
        returns (address attestor)
    {
        bytes32 hash = MessageHashUtils.toEthSignedMessageHash(bytes(textOf(claim)));
        ECDSA.RecoverError problem;
        (attestor, problem,) = ECDSA.tryRecoverCalldata(hash, signature);
        if (problem != ECDSA.RecoverError.NoError) revert ReclaimClaims_BadSignature(); // PTS-041
        if (!isTrusted[attestor]) revert ReclaimClaims_Untrusted(attestor);
    }

    /// @inheritdoc IReclaimClaims
    function textOf(ReclaimClaim calldata claim) public pure returns (string memory) {
        return string.concat(
            Strings.toHexString(uint256(claim.identifier), 32),
            "\n",
            Strings.toHexString(claim.owner),
            "\n",
            Strings.toString(claim.timestampS),
            "\n",
            Strings.toString(claim.epoch)
        ); // PTS-040
    }

    /// @inheritdoc IReclaimClaims
    function meaningDigest(ReclaimMeaning calldata meaning) public view returns (bytes32) {
        return _digest(keccak256(abi.encode(MEANING_TYPE, meaning)));
    }

    /// @inheritdoc IReclaimClaims
    function trustDigest(address attestor, bool trusted) public view returns (bytes32) {
        return _digest(keccak256(abi.encode(TRUST_TYPE, attestor, trusted, trustCount)));
    }

    function _domainName() internal pure override returns (string memory) {
        return "T-Rex ReclaimClaims";
    }
}
