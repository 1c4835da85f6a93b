"""Who asks a member: a gateway that its operator named, by a signature over each request (ATT-030)."""

import secrets
from collections import OrderedDict
from hashlib import sha256

from eth_account import Account
from eth_account.messages import encode_defunct

from trex.gateway.keys import Secret
from trex.types.evm import SignatureError, recover_message_signer
from trex.types.primitives import Address

SCHEME = "TREX "
FRESH_S = 300
"""A request counts that long before and after the member's clock."""


def _text(member: Address, path: str, at_s: int, nonce: str, body: bytes) -> str:
    return f"T-Rex attestor request\n0x{member.hex()}\n{path}\n{at_s}\n{nonce}\n{sha256(body).hexdigest()}"


def sign(secret: Secret, member: Address, path: str, at_s: int, body: bytes) -> str:
    """Write the header that says who asks.

    Args:
        secret: of the gateway's account.
        member: who is asked.
        path: of the request.
        at_s: Unix time in seconds.
        body: of the request.
    """
    nonce = secrets.token_hex(16)
    text = encode_defunct(text=_text(member, path, at_s, nonce, body))
    signed = Account.sign_message(text, secret.reveal())
    return f"{SCHEME}{at_s} {nonce} {bytes(signed.signature).hex()}"


def asker(header: str, member: Address, path: str, now_s: int, body: bytes) -> Address | None:
    """Tell which account a request is of; None if it is nobody's, for another member, or not of now."""
    try:
        at_s, nonce, signature = header.removeprefix(SCHEME).split(" ")
        if not header.startswith(SCHEME) or abs(now_s - int(at_s)) > FRESH_S:
            return None
        said = _text(member, path, int(at_s), nonce, body).encode()
        return recover_message_signer(said, bytes.fromhex(signature))
    except (ValueError, SignatureError):
        return None


class Asked:
    """Requests that were answered, as long as one of them could be sent again (ATT-030)."""

    def __init__(self) -> None:
        """Begin with none."""
        self._seen: OrderedDict[str, float] = OrderedDict()

    def is_new(self, header: str, now_s: float) -> bool:
        """Remember a request that a gateway has signed; False if it was here before.

        Args:
            header: by which it is signed: each has a nonce of its own.
            now_s: the member's clock.
        """
        while self._seen and next(iter(self._seen.values())) < now_s - 2 * FRESH_S:
            self._seen.popitem(last=False)
        # Signatures can be written in more than one way, nonces cannot.
        name = " ".join(header.split(" ")[:3])
        if name in self._seen:
            return False
        self._seen[name] = now_s
        return True
