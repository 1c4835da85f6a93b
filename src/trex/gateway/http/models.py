"""Bodies as they stand in HTTP: checked when they come in, described by the OpenAPI document."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from trex.passport.keys import Key, KeyKind
from trex.passport.texts import account_text


class Body(BaseModel):
    """What all have in common: camelCase names, nothing unknown."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, ser_json_bytes="utf8"
    )


def _even(text: str) -> str:
    if len(text) % 2:
        raise ValueError("hexadecimal digits come in pairs")
    return text


HexBytes = Annotated[
    str, StringConstraints(pattern=r"^0x[0-9a-fA-F]*$", max_length=65_536), AfterValidator(_even)
]
"""Bytes as 0x and hexadecimal digits."""
Hash = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]
"""Thirty-two bytes."""


class KeyBody(Body):
    """A key or account."""

    kind: Literal["evm", "passkey", "ed25519"]
    """How it signs."""
    data: HexBytes
    """EVM: the account; passkey: x, y, hash of the relying party; ed25519: the public key."""

    def key(self) -> Key:
        """As the packages inside know it.

        Raises:
            ValueError: data of another length.
        """
        return Key(KeyKind[self.kind.upper()], bytes.fromhex(self.data[2:]))


def key_body(key: Key) -> KeyBody:
    """Write a key."""
    return KeyBody.model_validate({"kind": key.kind.name.lower(), "data": f"0x{key.data.hex()}"})


def account_name(key: Key) -> str:
    """Write a key as people know it: an address, or `passkey`."""
    return "passkey" if key.kind is KeyKind.PASSKEY else account_text(key)


class Nonce(Body):
    """What a wallet's sign-in text must say."""

    nonce: str
    """Once, within its time."""
    domain: str
    """Who asks."""
    uri: str
    """What is signed in to."""
    chain_id: int
    """For wallets of EVM chains; Solana's say `mainnet`."""
    expires_at_s: int
    """When the nonce ends, Unix time."""
    text: str | None = None
    """The whole text for the account that was named, ready to be signed."""


class NonceAsked(Body):
    """Whose text is wanted."""

    account: Annotated[str, StringConstraints(max_length=64)] | None = None
    """An address of EVM, or a public key of Solana; without it only the parts are told."""


class TextSignIn(Body):
    """A signed text of ERC-4361 or Sign-In With Solana."""

    method: Literal["text"] = "text"
    """By text."""
    text: Annotated[str, StringConstraints(max_length=4096)]
    """Exactly as it was signed."""
    signature: HexBytes
    """65 bytes, what a contract wallet takes, or 64 bytes of ed25519."""
    cookie: bool = False
    """Keep the sign-in in a cookie of this browser instead of answering a token."""


class PasskeySignIn(Body):
    """What `navigator.credentials.get` answered."""

    method: Literal["passkey"]
    """By passkey."""
    credential: dict[str, Any]
    """As `PublicKeyCredential.toJSON` writes it."""
    cookie: bool = False
    """Keep the sign-in in a cookie of this browser instead of answering a token."""


class SignInBody(Body):
    """How somebody signs in."""

    sign_in: Annotated[TextSignIn | PasskeySignIn, Field(discriminator="method")]
    """One way or the other."""


class SessionBody(Body):
    """A sign-in."""

    key: KeyBody
    """Who signed in."""
    account: str
    """The same for people."""
    passport: int
    """The passport that the key is in; 0 for none yet."""
    role: Literal["none", "acting", "linked"]
    """What it is there."""
    token: str | None = None
    """Goes into `Authorization: Bearer`; None if a cookie has it."""
    expires_at_s: int
    """When the sign-in ends, Unix time."""


class CredentialBody(Body):
    """What a browser's authenticator answered."""

    credential: dict[str, Any]
    """As `PublicKeyCredential.toJSON` writes it."""
