// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IKeyVerifier, KEY_ED25519, KEY_EVM, KEY_PASSKEY, Key, Proof} from "../interfaces/IKeyVerifier.sol";
import {SignInText} from "./SignInText.sol";

/// @title KeyVerifier
/// @notice Checks signatures of every kind of key; see {IKeyVerifier}.
contract KeyVerifier is IKeyVerifier {
    /// @dev EIP-7951.
    address private constant P256_VERIFY = address(0x100);
    /// @dev PRE-001.
    address private constant ED25519_VERIFY = address(0x201);
    /// @dev Half the order of P-256: a greater s has a twin.
    uint256 private constant P256_HALF_ORDER =
        0x7FFFFFFF800000007FFFFFFFFFFFFFFFDE737D56D38BCF4279DCE5617E3192A8;
    /// @dev What an ERC-6492 signature ends with.
    bytes32 private constant ERC6492_MAGIC =
        0x6492649264926492649264926492649264926492649264926492649264926492;
    /// @dev User present (1) and user verified (4), WebAuthn's flags.
    uint8 private constant PRESENT_AND_VERIFIED = 0x05;
    /// @dev What `clientDataJSON` of an assertion begins with by WebAuthn's serialisation.
    bytes private constant ASSERTION = '{"type":"webauthn.get","challenge":"';
    bytes private constant ORIGIN = '","origin":"';
    bytes private constant NOT_CROSS_ORIGIN = ',"crossOrigin":false';

    /// @inheritdoc IKeyVerifier
    string public domain;
    /// @inheritdoc IKeyVerifier
    string public uri;

    /// @param domain_ Domain of sign-in texts.
    /// @param uri_ URI of sign-in texts.
    constructor(string memory domain_, string memory uri_) {
        domain = domain_;
        uri = uri_;
    }

    /// @inheritdoc IKeyVerifier
    function verify(Key calldata key, bytes32 digest, string calldata statement, Proof calldata proof)
        external
        returns (bool signed)
    {
        _requireWellFormed(key);
        if (key.kind == KEY_EVM) {
            bytes32 hash = proof.issuedAt == 0
                ? digest
                : MessageHashUtils.toEthSignedMessageHash(
                    bytes(signInText(key, digest, statement, proof.issuedAt, proof.deadline))
                );
            return _evm(address(bytes20(key.data)), hash, proof.signature);
        }
        if (key.kind == KEY_PASSKEY) {
            return proof.issuedAt == 0 && _passkey(key.data, digest, proof.signature);
        }
        if (proof.issuedAt == 0 || proof.signature.length != 64) return false;
        string memory text = signInText(key, digest, statement, proof.issuedAt, proof.deadline);
        return _one(ED25519_VERIFY, abi.encodePacked(key.data, proof.signature, text)); // PAS-008
    }

    /// @inheritdoc IKeyVerifier
    function keyId(Key calldata key) external pure returns (bytes32 id) {
        _requireWellFormed(key);
        return keccak256(abi.encode(key.kind, key.data)); // PAS-002
    }

    /// @inheritdoc IKeyVerifier
    function signInText(
        Key calldata key,
        bytes32 digest,
        string calldata statement,
        uint64 issuedAt,
        uint64 deadline
    ) public view returns (string memory text) {
        SignInText.Parts memory parts;
        (parts.domain, parts.uri) = (domain, uri);
        (parts.statement, parts.nonce) = (statement, digest);
        (parts.issuedAt, parts.deadline) = (issuedAt, deadline);
        if (key.kind == KEY_EVM) {
            (parts.chain, parts.chainId) = ("Ethereum", Strings.toString(block.chainid));
            parts.account = Strings.toChecksumHexString(address(bytes20(key.data)));
        } else {
            (parts.chain, parts.chainId) = ("Solana", "mainnet");
            parts.account = SignInText.base58(bytes32(key.data));
        }
        return SignInText.write(parts);
    }

    /// @dev PAS-002.
    function _requireWellFormed(Key calldata key) private pure {
        uint256 length = key.data.length;
        bool right = key.kind == KEY_EVM
            ? length == 20
            : key.kind == KEY_PASSKEY ? length == 96 : key.kind == KEY_ED25519 && length == 32;
        if (!right) revert KeyVerifier_MalformedKey(key.kind, length);
    }

    /// @dev PAS-006.
    function _evm(address account, bytes32 hash, bytes calldata signature) private returns (bool) {
        uint256 length = signature.length;
        if (length > 32 && bytes32(signature[length - 32:]) == ERC6492_MAGIC) {
            (address factory, bytes memory create, bytes memory inner) =
                abi.decode(signature[:length - 32], (address, bytes, bytes));
            if (account.code.length == 0) {
                (bool deployed,) = factory.call(create);
                if (!deployed) return false;
            }
            return _erc1271(account, hash, inner);
        }
        if (length == 65) {
            (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(hash, signature);
            if (problem == ECDSA.RecoverError.NoError && signer == account) return true;
        }
        return _erc1271(account, hash, signature);
    }

    /// @dev EIP-1271 of an account with code; everything but the magic word is a no.
    function _erc1271(address account, bytes32 hash, bytes memory signature) private view returns (bool) {
        if (account.code.length == 0) return false;
        (bool done, bytes memory answer) =
            account.staticcall(abi.encodeCall(IERC1271.isValidSignature, (hash, signature)));
        return done && answer.length >= 32 && bytes32(answer) == bytes32(IERC1271.isValidSignature.selector);
    }

    /// @dev PAS-007.
    function _passkey(bytes calldata key, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool)
    {
        (bytes memory authenticatorData, bytes memory clientData, uint256 r, uint256 s) =
            abi.decode(signature, (bytes, bytes, uint256, uint256));
        if (s > P256_HALF_ORDER || authenticatorData.length < 37) return false;
        if (bytes32(authenticatorData) != bytes32(key[64:])) return false;
        if (uint8(authenticatorData[32]) & PRESENT_AND_VERIFIED != PRESENT_AND_VERIFIED) return false;
        if (!_isAssertionOf(clientData, digest)) return false;
        bytes32 hash = sha256(abi.encodePacked(authenticatorData, sha256(clientData)));
        return _one(P256_VERIFY, abi.encodePacked(hash, r, s, key[:64]));
    }

    /// @dev Whether client data are an assertion's whose challenge is the digest, member by member in WebAuthn's order.
    function _isAssertionOf(bytes memory clientData, bytes32 digest) private pure returns (bool) {
        bytes memory start = abi.encodePacked(ASSERTION, Base64.encodeURL(abi.encodePacked(digest)), ORIGIN);
        if (!_holdsAt(clientData, start, 0)) return false;
        uint256 offset = start.length;
        for (; offset < clientData.length && clientData[offset] != '"'; ++offset) {
            if (clientData[offset] == "\\" || uint8(clientData[offset]) < 0x20) return false;
        }
        if (++offset >= clientData.length) return false;
        if (_holdsAt(clientData, NOT_CROSS_ORIGIN, offset)) {
            offset += NOT_CROSS_ORIGIN.length;
            if (offset >= clientData.length) return false;
            if (clientData[offset] == ",") return clientData[clientData.length - 1] == "}";
        }
        return clientData[offset] == "}" && offset + 1 == clientData.length;
    }

    /// @dev Whether `part` stands in `whole` at a place.
    function _holdsAt(bytes memory whole, bytes memory part, uint256 offset) private pure returns (bool) {
        if (whole.length < offset + part.length) return false;
        for (uint256 i; i < part.length; ++i) {
            if (whole[offset + i] != part[i]) return false;
        }
        return true;
    }

    /// @dev Whether a precompile answers with the word 1.
    function _one(address precompile, bytes memory input) private view returns (bool) {
        (bool done, bytes memory answer) = precompile.staticcall(input);
        return done && answer.length == 32 && uint256(bytes32(answer)) == 1;
    }
}
