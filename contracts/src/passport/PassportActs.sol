// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {IKeyVerifier, KEY_EVM, Key, Proof} from "../interfaces/IKeyVerifier.sol";
import {IPassport} from "../interfaces/IPassport.sol";
import {Domain} from "./Domain.sol";

/// @title PassportActs
/// @notice Lets another contract take orders from a passport's acting keys, under its own domain and with its own nonces (PAS-004).
abstract contract PassportActs is Domain {
    /// @notice The key does not act for that passport.
    error PassportActs_NotActing(uint256 passport, bytes32 keyId);
    /// @notice Not signed by that key.
    error PassportActs_BadSignature(bytes32 keyId);
    /// @notice The signature's last second has passed.
    error PassportActs_Expired(uint256 deadline);
    /// @notice A sign-in text says it was issued in the future.
    error PassportActs_IssuedInFuture(uint256 issuedAt);

    /// @dev How far a signer's clock may be ahead.
    uint256 private constant CLOCK_SKEW_S = 5 minutes;

    /// @notice Passports whose keys give orders.
    IPassport public immutable PASSPORT;
    /// @notice Checks signatures.
    IKeyVerifier public immutable VERIFIER;

    /// @notice Number that a passport's next act here signs.
    mapping(uint256 passport => uint256) public actNonceOf;

    /// @param passport Passports whose keys give orders.
    /// @param verifier Checks signatures.
    constructor(IPassport passport, IKeyVerifier verifier) {
        (PASSPORT, VERIFIER) = (passport, verifier);
    }

    /// @dev The caller has counted the nonce into the hash.
    function _requireAct(
        uint256 passport,
        Key calldata actor,
        Proof calldata proof,
        bytes32 structHash,
        string memory action
    ) internal {
        bytes32 keyId = VERIFIER.keyId(actor);
        if (!PASSPORT.isActing(passport, keyId)) revert PassportActs_NotActing(passport, keyId);
        if (
            proof.signature.length == 0 && actor.kind == KEY_EVM && address(bytes20(actor.data)) == msg.sender
        ) {
            return;
        }
        if (block.timestamp > proof.deadline) revert PassportActs_Expired(proof.deadline);
        if (proof.issuedAt > block.timestamp + CLOCK_SKEW_S) {
            revert PassportActs_IssuedInFuture(proof.issuedAt);
        }
        string memory statement = string.concat(action, ": T-Rex passport ", Strings.toString(passport), ".");
        if (!VERIFIER.verify(actor, _digest(structHash), statement, proof)) {
            revert PassportActs_BadSignature(keyId);
        }
    }
}
