// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.36;

import {IKeyVerifier, KEY_ED25519, KEY_EVM, Key, Proof} from "../../src/interfaces/IKeyVerifier.sol";
import {SignInText} from "../../src/passport/SignInText.sol";
import {PersonaBase, Signer} from "../utils/PersonaBase.sol";
import {pvm} from "../utils/PersonaVm.sol";

/// @notice A contract wallet with one owner.
contract Wallet {
    address internal immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s) = (bytes32(signature[:32]), bytes32(signature[32:64]));
        return ecrecover(hash, uint8(signature[64]), r, s) == OWNER ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}

contract WalletFactory {
    function deploy(address owner) external returns (address) {
        return address(new Wallet{salt: 0}(owner));
    }

    function addressOf(address owner) external view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(Wallet).creationCode, abi.encode(owner)));
        return
            address(
                uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), bytes32(0), code))))
            );
    }
}

contract KeyVerifierTest is PersonaBase {
    bytes32 internal constant DIGEST = keccak256("digest");
    bytes32 internal constant MAGIC = 0x6492649264926492649264926492649264926492649264926492649264926492;

    function verify(Key memory key, bytes32 digest, Proof memory proof) internal returns (bool) {
        return verifier.verify(key, digest, "Say yes.", proof);
    }

    function refused(Signer memory signer, bytes memory signature) internal {
        pvm.assertFalse(verify(signer.key, DIGEST, Proof(soon(), 0, signature)));
    }

    /// @dev PAS-006, PAS-007, PAS-008.
    function testFuzz_verify_each_kind_signs_its_digest_and_no_other(bytes32 digest, bytes32 other) external {
        pvm.assume(digest != other);
        Signer[3] memory signers = [account("a"), passkey("p"), solana("s")];
        for (uint256 i; i < 3; ++i) {
            Proof memory proof = prove(signers[i], digest, "Say yes.", soon());
            pvm.assertTrue(verify(signers[i].key, digest, proof));
            pvm.assertFalse(verify(signers[i].key, other, proof));
            pvm.assertFalse(
                verifier.verify(signers[i].key, digest, "Say no.", proof)
                    && signers[i].key.kind == KEY_ED25519
            );
        }
    }

    /// @dev PAS-002.
    function testFuzz_keyId_malformed_reverts(uint8 kind, bytes calldata data) external {
        uint256 right = kind == 1 ? 20 : kind == 2 ? 96 : kind == 3 ? 32 : type(uint256).max;
        pvm.assume(data.length != right);
        pvm.expectRevert(
            abi.encodeWithSelector(IKeyVerifier.KeyVerifier_MalformedKey.selector, kind, data.length)
        );
        verifier.keyId(Key(kind, data));
    }

    function test_verify_high_s_twin_is_refused() external {
        Signer memory owner = account("a");
        (uint8 v, bytes32 r, bytes32 s) = pvm.sign(owner.secret, DIGEST);
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        refused(owner, abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27)));

        Signer memory holder = passkey("p");
        (bytes memory data, bytes memory client, uint256 pr, uint256 ps) =
            abi.decode(prove(holder, DIGEST, "", soon()).signature, (bytes, bytes, uint256, uint256));
        refused(holder, abi.encode(data, client, pr, P256_ORDER - ps));
    }

    /// @dev PAS-006.
    function test_verify_contract_wallet_deployed_and_not_yet() external {
        Signer memory owner = account("owner");
        WalletFactory factory = new WalletFactory();
        address wallet = factory.addressOf(addressOf(owner));
        bytes memory inner = packed(owner.secret, DIGEST);
        bytes memory create = abi.encodeCall(WalletFactory.deploy, (addressOf(owner)));
        bytes memory wrapped = bytes.concat(abi.encode(address(factory), create, inner), MAGIC);
        Key memory key = accountKey(wallet);
        pvm.assertFalse(verify(key, DIGEST, Proof(soon(), 0, inner)));
        pvm.assertTrue(verify(key, DIGEST, Proof(soon(), 0, wrapped)));
        pvm.assertGt(wallet.code.length, 0);
        pvm.assertTrue(verify(key, DIGEST, Proof(soon(), 0, wrapped)));
        pvm.assertTrue(verify(key, DIGEST, Proof(soon(), 0, inner)));
        pvm.assertFalse(verify(key, keccak256("other"), Proof(soon(), 0, wrapped)));
    }

    /// @dev PAS-006: an account delegated by EIP-7702 still signs by ECDSA.
    function test_verify_account_with_code_own_signature_counts() external {
        Signer memory owner = account("a");
        pvm.etch(addressOf(owner), hex"ef01000000000000000000000000000000000000000001");
        pvm.assertTrue(verify(owner.key, DIGEST, prove(owner, DIGEST, "", soon())));
    }

    /// @dev PAS-008: the text form of ERC-4361.
    function test_verify_sign_in_with_ethereum_text() external {
        Key memory key = accountKey(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266);
        uint256 secret = 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80;
        pvm.chainId(1962);
        string memory text = verifier.signInText(key, DIGEST, "Say yes.", 1_800_000_000, 1_800_003_600);
        pvm.assertEq(
            text,
            string.concat(
                "trex.example wants you to sign in with your Ethereum account:\n",
                "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\n\nSay yes.\n\n",
                "URI: https://trex.example/passport\nVersion: 1\nChain ID: 1962\nNonce: ",
                "682a7e258d80bd2421d3103cbe71e3e3b82138116756b97b8256f061dc2f11fb\n",
                "Issued At: 2027-01-15T08:00:00Z\nExpiration Time: 2027-01-15T09:00:00Z"
            )
        );
        string memory head = "\x19Ethereum Signed Message:\n";
        bytes32 hash = keccak256(abi.encodePacked(head, decimal(bytes(text).length), text));
        Proof memory proof = Proof(1_800_003_600, 1_800_000_000, packed(secret, hash));
        pvm.assertTrue(verify(key, DIGEST, proof));
        pvm.assertFalse(verify(key, keccak256("other"), proof));
        proof.issuedAt += 1;
        pvm.assertFalse(verify(key, DIGEST, proof));
        // A personal signature of the text is none of the digest.
        pvm.assertFalse(verify(key, DIGEST, Proof(1_800_003_600, 0, proof.signature)));
    }

    /// @dev PAS-008: Solana's addresses and RFC 3339 dates, against known ones.
    function test_signInText_base58_and_dates() external pure {
        pvm.assertEq(SignInText.base58(0), "11111111111111111111111111111111");
        bytes32 usdc = 0xc6fa7af3bedbad3a3d65f36aabc97431b1bbe4c2d2f6e0e47ca60203452f5d61;
        pvm.assertEq(SignInText.base58(usdc), "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v");
        pvm.assertEq(
            SignInText.base58(bytes32(type(uint256).max)), "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG"
        );
        pvm.assertEq(SignInText.date(0), "1970-01-01T00:00:00Z");
        pvm.assertEq(SignInText.date(951_782_400), "2000-02-29T00:00:00Z");
        pvm.assertEq(SignInText.date(4_107_542_399), "2100-02-28T23:59:59Z");
        pvm.assertEq(SignInText.date(4_107_542_400), "2100-03-01T00:00:00Z");
        pvm.assertEq(SignInText.date(253_402_300_799), "9999-12-31T23:59:59Z");
    }

    /// @dev PAS-007: each member of client data and each flag is looked at.
    function test_verify_passkey_strict_parsing() external {
        Signer memory holder = passkey("p");
        bytes memory good = clientData(DIGEST);
        bytes memory start = new bytes(good.length - 21);
        for (uint256 i; i < start.length; ++i) {
            start[i] = good[i];
        }
        bytes memory present = authenticator(0x05);
        pvm.assertTrue(signedBy(holder, present, good));
        pvm.assertTrue(signedBy(holder, authenticator(0x1d), good));
        pvm.assertTrue(signedBy(holder, present, bytes.concat(start, "}")));
        pvm.assertTrue(signedBy(holder, present, bytes.concat(start, ',"crossOrigin":false,"other":1}')));
        pvm.assertFalse(signedBy(holder, authenticator(0x01), good)); // not verified
        pvm.assertFalse(signedBy(holder, authenticator(0x04), good)); // not present
        pvm.assertFalse(signedBy(holder, abi.encodePacked(sha256("evil.example"), uint8(5), uint32(7)), good));
        pvm.assertFalse(signedBy(holder, abi.encodePacked(RP_ID_HASH, uint8(5)), good)); // too short
        pvm.assertFalse(signedBy(holder, present, bytes.concat(start, ',"crossOrigin":true}')));
        pvm.assertFalse(signedBy(holder, present, bytes.concat(start, ',"crossOrigin":false')));
        pvm.assertFalse(signedBy(holder, present, bytes.concat(start, ',"crossOrigin":false} ')));
        pvm.assertFalse(signedBy(holder, present, start));
        pvm.assertFalse(signedBy(holder, present, bytes.concat(" ", good)));
        good[9] = "x"; // the type
        pvm.assertFalse(signedBy(holder, present, good));
    }

    function signedBy(Signer memory holder, bytes memory data, bytes memory client) internal returns (bool) {
        return verify(holder.key, DIGEST, Proof(soon(), 0, assertion(holder.secret, data, client)));
    }

    /// @dev PAS-008: a raw signature of the digest is no sign-in text.
    function test_verify_ed25519_wants_the_text() external {
        Signer memory owner = solana("s");
        bytes memory raw = pvm.signEd25519("", abi.encodePacked(DIGEST), bytes32(owner.secret));
        refused(owner, raw);
        pvm.assertFalse(verify(owner.key, DIGEST, Proof(soon(), uint64(block.timestamp), raw)));
    }
}
