"""What a passport's keys sign: EIP-712 data, and the sentence that a sign-in text shows (PAS-004)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trex.passport.keys import Key, KeyKind, Role
from trex.passport.texts import SignInText, write_date
from trex.types.eip712 import Domain, Fields, TypedMessage
from trex.types.evm import checksum_address
from trex.types.primitives import Address, Hash32

PASSPORT_NAME = "T-Rex Passport"
"""Name of the passport contract's domain."""
NULLIFIERS_NAME = "T-Rex Nullifiers"
"""Name of the nullifiers contract's domain."""
BADGE_NAME = "T-Rex Badge"
"""Name of the badge contract's domain."""

_ACT: Fields = (("uint256", "nonce"), ("uint256", "deadline"))


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a key agrees to."""

    message: TypedMessage
    """What it signs."""
    statement: str
    """How a sign-in text says it; the contracts check the same sentence."""
    deadline_s: int
    """Last second at which the signature counts, Unix time."""

    def text(self, key: Key, domain: str, uri: str, issued_at_s: int) -> SignInText:
        """The sign-in text that means the same, for wallets that sign only texts (PAS-008).

        Args:
            key: who signs; not a passkey.
            domain: as the key verifier has it.
            uri: as the key verifier has it.
            issued_at_s: Unix time in seconds; goes into the proof.
        """
        solana = key.kind is KeyKind.ED25519
        return SignInText(
            domain=domain,
            key=key,
            uri=uri,
            chain_id="mainnet" if solana else str(self.message.domain.chain_id),
            nonce=self.message.digest().hex(),
            issued_at=write_date(issued_at_s),
            statement=self.statement,
            expires_at=write_date(self.deadline_s),
        )


def _act(domain: Domain, name: str, fields: Fields, values: Sequence[Any], statement: str) -> Act:
    message = TypedMessage(
        domain, name, {name: fields}, dict(zip([member for _, member in fields], values, strict=True))
    )
    return Act(message, statement, message.value["deadline"])


def _said(action: str, passport: int) -> str:
    return f"{action}: T-Rex passport {passport}."


def create(domain: Domain, key_id: Hash32, key_nonce: int, deadline_s: int) -> Act:
    """Make a passport; signed by its first key."""
    fields: Fields = (("bytes32", "keyId"), ("uint256", "keyNonce"), ("uint256", "deadline"))
    return _act(domain, "CreatePassport", fields, (key_id, key_nonce, deadline_s), "Create a T-Rex passport.")


def take_key(domain: Domain, passport: int, key_id: Hash32, role: Role, nonce: int, deadline_s: int) -> Act:
    """Take a key in; signed by an acting key (PAS-004)."""
    fields: Fields = (("uint256", "passport"), ("bytes32", "keyId"), ("uint8", "role"), *_ACT)
    values = (passport, key_id, int(role), nonce, deadline_s)
    return _act(domain, "TakeKey", fields, values, _said("Take a key in", passport))


def enter(domain: Domain, passport: int, key_id: Hash32, role: Role, key_nonce: int, deadline_s: int) -> Act:
    """Come in; signed by the key that comes (PAS-005)."""
    fields: Fields = (
        ("uint256", "passport"),
        ("bytes32", "keyId"),
        ("uint8", "role"),
        ("uint256", "keyNonce"),
        ("uint256", "deadline"),
    )
    values = (passport, key_id, int(role), key_nonce, deadline_s)
    return _act(domain, "EnterPassport", fields, values, _said("Enter", passport))


def remove_key(domain: Domain, passport: int, key_id: Hash32, nonce: int, deadline_s: int) -> Act:
    """Take a key out (PAS-020)."""
    fields: Fields = (("uint256", "passport"), ("bytes32", "keyId"), *_ACT)
    return _act(
        domain, "RemoveKey", fields, (passport, key_id, nonce, deadline_s), _said("Take a key out", passport)
    )


def set_payout(domain: Domain, passport: int, payout: Address, nonce: int, deadline_s: int) -> Act:
    """Name where rewards go (PAS-011)."""
    fields: Fields = (("uint256", "passport"), ("address", "payout"), *_ACT)
    values = (passport, checksum_address(payout), nonce, deadline_s)
    return _act(domain, "SetPayout", fields, values, _said("Set where rewards go", passport))


def veto(domain: Domain, passport: int, subject: int, nonce: int, deadline_s: int) -> Act:
    """Stop what is pending: 1 a removal, 2 a change of guardians, 3 a recovery."""
    fields: Fields = (("uint256", "passport"), ("uint8", "subject"), *_ACT)
    return _act(domain, "Veto", fields, (passport, subject, nonce, deadline_s), _said("Veto", passport))


def set_guardians(
    domain: Domain,
    passport: int,
    key_ids: Sequence[Hash32],
    quorum: int,
    override_quorum: int,
    nonce: int,
    deadline_s: int,
) -> Act:
    """Ask for other guardians (PAS-021)."""
    fields: Fields = (
        ("uint256", "passport"),
        ("bytes32[]", "keyIds"),
        ("uint8", "quorum"),
        ("uint8", "overrideQuorum"),
        *_ACT,
    )
    values = (passport, list(key_ids), quorum, override_quorum, nonce, deadline_s)
    return _act(domain, "SetGuardians", fields, values, _said("Change guardians", passport))


def approve_recovery(
    domain: Domain, passport: int, purpose: int, new_key_id: Hash32, round_: int, deadline_s: int
) -> Act:
    """Approve as a guardian: 1 open, 2 confirm, 3 withdraw, 4 veto guardians (PAS-027)."""
    fields: Fields = (
        ("uint256", "passport"),
        ("uint8", "purpose"),
        ("bytes32", "newKeyId"),
        ("uint256", "round"),
        ("uint256", "deadline"),
    )
    values = (passport, purpose, new_key_id, round_, deadline_s)
    return _act(domain, "ApproveRecovery", fields, values, _said("Approve as guardian", passport))


def release_nullifier(domain: Domain, passport: int, canonical: Hash32, nonce: int, deadline_s: int) -> Act:
    """Let an account go (PAS-042); under the nullifiers contract's domain and nonce."""
    fields: Fields = (("uint256", "passport"), ("bytes32", "canonical"), *_ACT)
    values = (passport, canonical, nonce, deadline_s)
    return _act(domain, "ReleaseNullifier", fields, values, _said("Let go of an account", passport))


def link_privately(domain: Domain, passport: int, key_id: Hash32, nonce: Hash32, deadline_s: int) -> Act:
    """Link a wallet privately: both sides sign, and validators alone see it; no contract takes this."""
    fields: Fields = (
        ("uint256", "passport"),
        ("bytes32", "keyId"),
        ("bytes32", "nonce"),
        ("uint256", "deadline"),
    )
    values = (passport, key_id, nonce, deadline_s)
    return _act(domain, "LinkPrivately", fields, values, _said("Link privately", passport))


def renounce_badge(domain: Domain, passport: int, token_id: int, nonce: int, deadline_s: int) -> Act:
    """Give a badge up (BDG-022); under the badge contract's domain and nonce."""
    fields: Fields = (("uint256", "passport"), ("uint256", "tokenId"), *_ACT)
    values = (passport, token_id, nonce, deadline_s)
    return _act(domain, "RenounceBadge", fields, values, _said("Give a badge up", passport))
