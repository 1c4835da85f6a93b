"""What a passport has: wallets and accounts, and the nullifiers that stand for them (GTW-040)."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from trex.gateway import outbox
from trex.gateway.attestations import Binding
from trex.gateway.calls import payload_of
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.nullify import ask_first, nullifier_of, scope_of
from trex.gateway.outbox import JobKind, JobState
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.gateway.store.schema import accounts, jobs
from trex.passport import contracts as abi
from trex.passport.keys import Key, KeyKind
from trex.passport.private_link import PrivateLink, commitment_of
from trex.passport.texts import write_date
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.web import audit

PLATFORMS = {KeyKind.EVM: "evm", KeyKind.ED25519: "solana", KeyKind.PASSKEY: "passkey"}
"""How wallets are named in nullifiers."""


@dataclass(frozen=True, slots=True)
class AccountOf:
    """An account at a platform, as a platform or wallet showed it."""

    platform: str
    """Such as `github`; `evm` or `solana` for wallets."""
    id: str
    """What the platform calls it for ever; a wallet's address or key in hexadecimal digits."""
    handle: str
    """What people call it; may change."""

    @property
    def scope(self) -> str:
        """What its nullifier counts."""
        return scope_of(self.platform)


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """An account with what the chain knows it by."""

    account: AccountOf
    """Private."""
    nullifier: Hash32
    """Public."""
    linked_s: int
    """Unix time in seconds."""
    checked_s: int
    """When control was last shown, Unix time in seconds."""
    key: Key | None = None
    """Of a private link."""
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By which the platform lets itself be asked."""
    salt: bytes = field(default=b"", repr=False)
    """Of a private link: its binding commits to the wallet under it."""


def account_of_key(key: Key) -> AccountOf:
    """Name a wallet as an account."""
    return AccountOf(PLATFORMS[key.kind], key.data.hex(), "")


async def linked(gateway: Gateway, passport: int) -> list[LinkedAccount]:
    """Every account that was linked through this gateway, oldest first."""
    asked = select(accounts).where(accounts.c.passport == passport).order_by(accounts.c.linked_s)
    async with gateway.database.transaction() as tx:
        rows = (await tx.execute(asked)).all()
    found = []
    for row in rows:
        told = orjson.loads(gateway.sealer.open(bytes(row.sealed), "account"))
        key = Key(KeyKind(told["keyKind"]), bytes.fromhex(told["id"])) if told.get("keyKind") else None
        account = AccountOf(told["platform"], told["id"], told["handle"])
        found.append(
            LinkedAccount(
                account,
                Hash32(bytes(row.nullifier)),
                int(row.linked_s),
                int(row.checked_s),
                key,
                told.get("tokens", {}),
                bytes.fromhex(told.get("salt", "")),
            )
        )
    return found


async def private_links(gateway: Gateway, known: Sequence[LinkedAccount]) -> list[PrivateLink]:
    """What opens the private links among accounts, as far as their bindings are on the chain."""
    private = [one for one in known if one.key is not None and one.salt]
    at = gateway.settings.contracts.nullifiers
    asked = ((at, abi.CANONICAL_OF, (one.nullifier,)) for one in private)
    names = await gateway.client.ask(*asked) if private else []
    return [
        PrivateLink(one.key.id, Hash32(name), Hash32(one.salt))
        for one, name in zip(private, names, strict=True)
        if one.key is not None and any(name)
    ]


async def remember(
    tx: AsyncConnection,
    gateway: Gateway,
    passport: int,
    account: AccountOf,
    key: Key | None = None,
    tokens: Mapping[str, str] | None = None,
    salt: bytes = b"",
) -> Hash32:
    """Keep an account, sealed, as this passport's, and return its nullifier."""
    nullifier = await nullifier_of(
        tx, gateway.key_holder, gateway.sealer, account.platform, account.id, account.scope
    )
    told: dict[str, Any] = {"platform": account.platform, "id": account.id, "handle": account.handle}
    told |= {"tokens": dict(tokens or {}), "salt": salt.hex()}
    told["keyKind"] = int(key.kind) if key else 0
    sealed = gateway.sealer.seal(orjson.dumps(told), "account")
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    new: dict[str, Any] = {"passport": passport, "checked_s": gateway.now_s}
    asked = dialect.insert(accounts).values(
        nullifier=nullifier, scope=account.scope, linked_s=gateway.now_s, sealed=sealed, **new
    )
    if tokens is not None or key is not None:  # else it says less than what is there
        new["sealed"] = sealed
    await tx.execute(asked.on_conflict_do_update(index_elements=["nullifier"], set_=new))
    return nullifier


async def bind(
    tx: AsyncConnection,
    gateway: Gateway,
    passport: int,
    account: AccountOf,
    owner: Hash32,
    *,
    attested_s: int,
    epoch: int,
    after: int | None = None,
    key: Key | None = None,
    tokens: Mapping[str, str] | None = None,
    moving: bool = False,
) -> tuple[Hash32, int]:
    """Queue the binding of an account to a passport; return nullifier and job (PAS-041).

    Args:
        tx: of what asks for it.
        gateway: whose keys.
        passport: whose account it is.
        account: which; control of it was shown just now.
        owner: key that may see the job.
        attested_s: time of the newest block.
        epoch: of k, as the chain has it.
        after: job that must be on its way first.
        key: of a private link: the binding commits to it, hidden by a salt that is kept sealed.
        tokens: by which the platform lets itself be asked.
        moving: another passport holds it: it is not this one's yet (PAS-043).
    """
    nullifier = await nullifier_of(
        tx, gateway.key_holder, gateway.sealer, account.platform, account.id, account.scope
    )
    under_way = select(jobs.c.number).where(
        jobs.c.kind == JobKind.BIND.value,
        jobs.c.passport == passport,
        jobs.c.state.in_((JobState.QUEUED.value, JobState.SENT.value)),
        jobs.c.payload.contains(nullifier.hex()),
    )
    if (there := (await tx.execute(under_way.limit(1))).scalar_one_or_none()) is not None:
        return nullifier, int(there)
    commitment, salt = Hash32(bytes(32)), b""
    if key is not None:
        salt = secrets.token_bytes(32)
        commitment = commitment_of(passport, key.id, salt)
    if not moving:
        await remember(tx, gateway, passport, account, key, tokens, salt)
    binding = Binding(
        passport, nullifier, keccak256(account.scope.encode()), commitment, epoch, attested_s, 0
    )
    payload = payload_of(binding)
    job = await outbox.enqueue(
        tx,
        JobKind.BIND,
        payload,
        passport=passport,
        owner=owner,
        now_s=gateway.now_s,
        once=f"bind {nullifier.hex()} {passport} {attested_s}",
        after=after,
    )
    return nullifier, job


async def bind_shown(
    gateway: Gateway,
    actor: Key,
    passport: int,
    account: AccountOf,
    *,
    act: str,
    subject: str,
    key: Key | None = None,
    tokens: Mapping[str, str] | None = None,
) -> tuple[int, bool]:
    """Queue the binding of an account whose control was shown just now, with its line in the audit log.

    Args:
        gateway: whose keys.
        actor: who asked, and may see the job.
        passport: whose account it is.
        account: which.
        act: what the audit log calls it.
        subject: what the audit log says it was done to.
        key: of a private link.
        tokens: by which the platform lets itself be asked.

    Where another passport holds the account this begins its move; once the time of the move is over, it
    completes it (PAS-043).

    Returns:
        The job, and whether another passport holds the account as yet.

    Raises:
        GatewayError: its move to this passport is under way and cannot be completed yet.
    """
    _, chain_now = await gateway.client.latest()
    epoch = await gateway.client.key_epoch()
    await ask_first(gateway.key_holder, (account.platform, account.id, account.scope))
    async with gateway.database.transaction() as tx:
        nullifier = await nullifier_of(
            tx, gateway.key_holder, gateway.sealer, account.platform, account.id, account.scope
        )
    held = await gateway.client.account_state(nullifier)
    moving, complete = held is not None and held.holder != passport, False
    if held is not None and moving and held.moving_to == passport:
        if chain_now < held.move_ready_at_s:
            when = write_date(held.move_ready_at_s)
            raise GatewayError(Fault.CONFLICT, f"its move to this passport can be completed from {when}")
        moving, complete = False, True
    async with gateway.database.transaction() as tx:
        after = None
        if complete:  # PAS-043: anyone may; then control is shown anew by its holder
            data = abi.COMPLETE_MOVE.call(nullifier)
            after = await outbox.enqueue(
                tx,
                JobKind.RELAY,
                {"to": gateway.settings.contracts.nullifiers.hex(), "data": data.hex()},
                passport=passport,
                owner=actor.id,
                now_s=gateway.now_s,
                once=f"move {nullifier.hex()} {held.move_ready_at_s if held else 0}",
            )
        _, job = await bind(
            tx,
            gateway,
            passport,
            account,
            actor.id,
            attested_s=chain_now,
            epoch=epoch,
            after=after,
            key=key,
            tokens=tokens,
            moving=moving,
        )
        await audit.record(tx, gateway.now_s, key_name(actor), act, subject, f"job {job}")
    gateway.relayer.wake()
    return job, moving


async def tokens_of(gateway: Gateway, nullifier: Hash32) -> dict[str, str]:
    """Return the newest tokens of an account that is linked here; none if it is not."""
    async with gateway.database.transaction() as tx:
        told = await _told(tx, gateway, nullifier)
    return dict(told.get("tokens", {}))


async def keep_tokens(gateway: Gateway, nullifier: Hash32, tokens: Mapping[str, str]) -> None:
    """Keep an account's renewed tokens, sealed; nothing if it is linked here no more."""
    async with gateway.database.transaction() as tx:
        if told := await _told(tx, gateway, nullifier):
            sealed = gateway.sealer.seal(orjson.dumps({**told, "tokens": dict(tokens)}), "account")
            row = update(accounts).where(accounts.c.nullifier == nullifier)
            await tx.execute(row.values(sealed=sealed))


async def _told(tx: AsyncConnection, gateway: Gateway, nullifier: Hash32) -> dict[str, Any]:
    asked = select(accounts.c.sealed).where(accounts.c.nullifier == nullifier)
    sealed = (await tx.execute(asked)).scalar_one_or_none()
    return {} if sealed is None else dict(orjson.loads(gateway.sealer.open(bytes(sealed), "account")))
