// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {KEY_ED25519, KEY_EVM, KEY_PASSKEY, Key, Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {Approval, IPassport, ROLE_ACTING} from "../../src/interfaces/IPassport.sol";
import {KeyVerifier} from "../../src/passport/KeyVerifier.sol";
import {Passport} from "../../src/passport/Passport.sol";
import {PersonaProxy} from "../../src/passport/PersonaProxy.sol";
import {ValidatorSet} from "../../src/passport/ValidatorSet.sol";
import {pvm} from "./PersonaVm.sol";

/// @notice What the precompile of PRE-001 does, by forge's own ed25519, as forge's EVM lacks that precompile.
contract Ed25519Precompile {
    fallback(bytes calldata input) external returns (bytes memory) {
        if (input.length < 96) return "";
        bool valid = pvm.verifyEd25519(input[32:96], "", input[96:], bytes32(input[:32]));
        return valid ? abi.encode(uint256(1)) : bytes("");
    }
}

/// @notice A signer of a test: an account, a passkey or an ed25519 key, and its secret.
struct Signer {
    Key key;
    bytes32 id;
    uint256 secret;
}

/// @notice A passport contract behind its proxy, a validator set of five, and signing as wallets do.
abstract contract PersonaBase {
    uint256 internal constant P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;
    bytes32 internal constant RP_ID_HASH = sha256("trex.example");
    string internal constant TAKE =
        "TakeKey(uint256 passport,bytes32 keyId,uint8 role,uint256 nonce,uint256 deadline)";
    string internal constant ENTER =
        "EnterPassport(uint256 passport,bytes32 keyId,uint8 role,uint256 keyNonce,uint256 deadline)";

    address internal timelock = address(0x7173);
    KeyVerifier internal verifier;
    Passport internal passports;
    ValidatorSet internal validators;
    uint256[] internal validatorSecrets;

    constructor() {
        pvm.warp(1_800_000_000);
        pvm.etch(address(0x201), type(Ed25519Precompile).runtimeCode);
        pvm.allowCheatcodes(address(0x201));
        verifier = new KeyVerifier("trex.example", "https://trex.example/passport");
        passports = Passport(address(new PersonaProxy(address(new Passport(verifier, timelock)), "")));
        address[] memory members = new address[](5);
        for (uint256 i; i < 5; ++i) {
            validatorSecrets.push(uint256(keccak256(abi.encode("validator", i))));
            members[i] = pvm.addr(validatorSecrets[i]);
        }
        // Ascending by address.
        for (uint256 i; i < 5; ++i) {
            for (uint256 j = i + 1; j < 5; ++j) {
                if (members[j] < members[i]) {
                    (members[i], members[j]) = (members[j], members[i]);
                    (validatorSecrets[i], validatorSecrets[j]) = (validatorSecrets[j], validatorSecrets[i]);
                }
            }
        }
        validators = new ValidatorSet(timelock, members, 3);
    }

    // Signers

    function account(string memory name) internal pure returns (Signer memory signer) {
        signer.secret = uint256(keccak256(bytes(name)));
        signer.key = accountKey(pvm.addr(signer.secret));
        signer.id = keccak256(abi.encode(signer.key.kind, signer.key.data));
    }

    function accountKey(address owner) internal pure returns (Key memory) {
        return Key(KEY_EVM, abi.encodePacked(owner));
    }

    function passkey(string memory name) internal pure returns (Signer memory signer) {
        signer.secret = uint256(keccak256(bytes(name))) % P256_ORDER;
        (uint256 x, uint256 y) = pvm.publicKeyP256(signer.secret);
        signer.key = Key(KEY_PASSKEY, abi.encode(x, y, RP_ID_HASH));
        signer.id = keccak256(abi.encode(signer.key.kind, signer.key.data));
    }

    function solana(string memory name) internal returns (Signer memory signer) {
        (bytes32 publicKey, bytes32 secret) = pvm.createEd25519Key(keccak256(bytes(name)));
        signer.secret = uint256(secret);
        signer.key = Key(KEY_ED25519, abi.encodePacked(publicKey));
        signer.id = keccak256(abi.encode(signer.key.kind, signer.key.data));
    }

    function addressOf(Signer memory signer) internal pure returns (address) {
        return address(bytes20(signer.key.data));
    }

    // Signatures

    function soon() internal view returns (uint64) {
        return uint64(block.timestamp) + 1 hours;
    }

    function packed(uint256 secret, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = pvm.sign(secret, digest);
        return abi.encodePacked(r, s, v);
    }

    function clientData(bytes32 digest) internal pure returns (bytes memory) {
        string memory challenge = Base64.encodeURL(abi.encodePacked(digest));
        return abi.encodePacked(
            '{"type":"webauthn.get","challenge":"',
            challenge,
            '","origin":"https://trex.example","crossOrigin":false}'
        );
    }

    function assertion(uint256 secret, bytes memory authenticatorData, bytes memory client)
        internal
        pure
        returns (bytes memory)
    {
        bytes32 hash = sha256(abi.encodePacked(authenticatorData, sha256(client)));
        (bytes32 r, bytes32 s) = pvm.signP256(secret, hash);
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
        return abi.encode(authenticatorData, client, r, s);
    }

    function authenticator(uint8 flags) internal pure returns (bytes memory) {
        return abi.encodePacked(RP_ID_HASH, flags, uint32(7));
    }

    function prove(Signer memory signer, bytes32 digest, string memory statement, uint64 deadline)
        internal
        view
        returns (Proof memory proof)
    {
        proof.deadline = deadline;
        if (signer.key.kind == KEY_EVM) {
            proof.signature = packed(signer.secret, digest);
        } else if (signer.key.kind == KEY_PASSKEY) {
            proof.signature = assertion(signer.secret, authenticator(0x05), clientData(digest));
        } else {
            proof.issuedAt = uint64(block.timestamp);
            string memory text = verifier.signInText(signer.key, digest, statement, proof.issuedAt, deadline);
            proof.signature = pvm.signEd25519("", bytes(text), bytes32(signer.secret));
        }
    }

    function digestFor(address verifying, bytes32 structHash) internal view returns (bytes32) {
        bytes32 separator = Passport(verifying).DOMAIN_SEPARATOR();
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    function say(string memory action, uint256 passport) internal pure returns (string memory) {
        return string.concat(action, ": T-Rex passport ", decimal(passport), ".");
    }

    function decimal(uint256 value) internal pure returns (string memory text) {
        do {
            text = string.concat(string(abi.encodePacked(bytes1(uint8(48 + value % 10)))), text);
            value /= 10;
        } while (value != 0);
    }

    /// @dev Proof for an act of a passport: type hash, passport, the act's words, nonce, deadline.
    function act(
        Signer memory signer,
        uint256 passport,
        string memory typed,
        bytes memory words,
        string memory action
    ) internal view returns (Proof memory) {
        bytes32 structHash = keccak256(
            abi.encodePacked(
                keccak256(bytes(typed)),
                passport,
                words,
                uint256(passports.nonceOf(passport)),
                uint256(soon())
            )
        );
        return prove(signer, digestFor(address(passports), structHash), say(action, passport), soon());
    }

    function entry(Signer memory signer, uint256 passport, uint8 role) internal view returns (Proof memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(bytes(ENTER)), passport, signer.id, role, passports.keyNonceOf(signer.id), soon()
            )
        );
        return prove(signer, digestFor(address(passports), structHash), say("Enter", passport), soon());
    }

    // Acts

    function make(Signer memory signer) internal returns (uint256) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("CreatePassport(bytes32 keyId,uint256 keyNonce,uint256 deadline)"),
                signer.id,
                passports.keyNonceOf(signer.id),
                soon()
            )
        );
        bytes32 digest = digestFor(address(passports), structHash);
        return passports.create(signer.key, prove(signer, digest, "Create a T-Rex passport.", soon()));
    }

    function take(uint256 passport, Signer memory actor, Signer memory signer, uint8 role) internal {
        Proof memory actorProof = act(actor, passport, TAKE, abi.encode(signer.id, role), "Take a key in");
        passports.addKey(passport, actor.key, actorProof, signer.key, role, entry(signer, passport, role));
    }

    // Attestations

    function attest(bytes32 digest, uint256 members) internal view returns (bytes memory signatures) {
        for (uint256 i; i < validatorSecrets.length; ++i) {
            if (members >> i & 1 == 1) {
                signatures = bytes.concat(signatures, packed(validatorSecrets[i], digest));
            }
        }
    }
}
