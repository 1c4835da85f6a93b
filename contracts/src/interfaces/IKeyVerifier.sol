// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.36;

/// @dev Kinds of keys (PAS-002).
uint8 constant KEY_EVM = 1;
uint8 constant KEY_PASSKEY = 2;
uint8 constant KEY_ED25519 = 3;

/// @notice A public key or account.
/// @param kind KEY_EVM, KEY_PASSKEY or KEY_ED25519.
/// @param data EVM: the account, 20 bytes. Passkey: x, y and SHA-256 of the relying party's id, 96 bytes. ed25519: 32 bytes.
struct Key {
    uint8 kind;
    bytes data;
}

/// @notice What shows that a key's owner agrees.
/// @param deadline Last second at which the signature counts.
/// @param issuedAt Zero: the EIP-712 digest is signed. Else a sign-in text is signed that says it was issued then, seconds since 1970.
/// @param signature EVM: 65 bytes, or what EIP-1271 or ERC-6492 take; passkey: `abi.encode(bytes authenticatorData, bytes
///        clientDataJSON, uint256 r, uint256 s)`; ed25519: 64 bytes. Empty: the EVM key is itself the sender.
struct Proof {
    uint64 deadline;
    uint64 issuedAt;
    bytes signature;
}

/// @title Whether a key has signed
/// @notice Owns nothing and has no rights, as ERC-6492 makes it call what a signer names. Rules PAS-006 to PAS-008 of specs/passport.md.
interface IKeyVerifier {
    /// @notice The key's data do not have the length its kind wants.
    /// @param kind Kind given.
    /// @param length Bytes given.
    error KeyVerifier_MalformedKey(uint8 kind, uint256 length);

    /// @notice Whether the key has signed the digest, or the sign-in text that holds it. Never reverts for a signature that is
    ///         merely wrong; a passkey's signature that is no ABI encoding reverts.
    /// @dev Not a view: an ERC-6492 signature deploys its wallet.
    /// @param key Who is to have signed.
    /// @param digest EIP-712 digest.
    /// @param statement The sentence that a sign-in text shows the signer.
    /// @param proof The signature.
    function verify(Key calldata key, bytes32 digest, string calldata statement, Proof calldata proof)
        external
        returns (bool signed);

    /// @notice Identity of a key: `keccak256(abi.encode(kind, data))`; reverts when malformed.
    function keyId(Key calldata key) external pure returns (bytes32 id);

    /// @notice The sign-in text (ERC-4361 for an EVM account, Sign In With Solana for ed25519) that `verify` expects to be signed.
    function signInText(
        Key calldata key,
        bytes32 digest,
        string calldata statement,
        uint64 issuedAt,
        uint64 deadline
    ) external view returns (string memory text);

    /// @notice The domain that sign-in texts name (RFC 3986 authority); wallets compare it with the page.
    function domain() external view returns (string memory);

    /// @notice The URI that sign-in texts name.
    function uri() external view returns (string memory);
}
