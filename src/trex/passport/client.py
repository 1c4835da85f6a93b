"""Reads the persona contracts: passports, keys, nullifiers, the validator set."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from eth_abi.abi import decode

from trex.passport import contracts as abi
from trex.passport.contracts import Contracts, Method
from trex.passport.keys import Key, KeyKind, Role
from trex.passport.proofs import Proof
from trex.rpc.endpoint import Endpoint
from trex.rpc.errors import RefusedError
from trex.types.primitives import Address, Hash32

Question = tuple[Address, Method, tuple[Any, ...]]
"""Whom to ask, what, with which arguments."""


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key in a passport."""

    key: Key
    """Which."""
    role: Role
    """What it is there."""


@dataclass(frozen=True, slots=True)
class PassportState:
    """What the chain knows of a passport at one block."""

    passport: int
    """Its number."""
    generation: int
    """Raised by each recovery."""
    nonce: int
    """What its next act signs."""
    acting_count: int
    """Acting keys."""
    payout: Address | None
    """Where rewards go; None for nowhere."""
    guardian_ids: tuple[Hash32, ...]
    """Keys that may recover it."""
    quorum: int
    """Guardians needed to open a recovery; 0 without guardians."""
    override_quorum: int
    """Guardians needed to confirm one that was stopped."""
    recovery_key_id: Hash32 | None
    """New key of an open recovery; None if none is open."""
    recovery_ready_at_s: int
    """When it can execute, Unix time; 0 while stopped."""
    removal_key_id: Hash32 | None
    """Key whose removal waits; None if none does."""
    removal_ready_at_s: int
    """When that can be carried out, Unix time."""
    recovery_vetoed_at_s: int
    """When the open recovery was stopped, Unix time; 0 if it was not."""
    recovery_confirmed: bool
    """Whether the override quorum has confirmed it since."""
    round: int
    """What guardians' next approvals sign."""
    next_guardian_ids: tuple[Hash32, ...]
    """Guardians that are asked for instead."""
    guardians_ready_at_s: int
    """When they can be put in place, Unix time; 0 if none are asked for."""


@dataclass(frozen=True, slots=True)
class AccountState:
    """Who holds an account, by its nullifier, and whether it is moving (PAS-042, PAS-043)."""

    holder: int
    """Passport."""
    released_at_s: int
    """When the holder let it go, Unix time; 0 if it did not."""
    moving_to: int
    """Passport that takes it; 0 for none."""
    move_ready_at_s: int
    """When the move can be completed, Unix time."""


class CaseKind(IntEnum):
    """What a case distrusts (BDG-030)."""

    ATTESTOR = 1
    """A member of validator sets."""
    VERSION = 2
    """A version of the validators' code."""


@dataclass(frozen=True, slots=True)
class Case:
    """An open case of distrust."""

    number: int
    """In the quarantine contract."""
    kind: CaseKind
    """What is distrusted."""
    subject: Hash32
    """The attestor's address in the low 20 bytes, or the version."""
    since_s: int
    """First second recorded that is distrusted, Unix time."""
    until_s: int
    """Last one."""


@dataclass(frozen=True, slots=True)
class HeldNullifier:
    """An account of a passport's human, as the chain knows it."""

    canonical: Hash32
    """Its first form, under which what was used is counted (PAS-040)."""
    scope: Hash32
    """Hash of what is counted, such as `account/github`."""


@dataclass(frozen=True, slots=True)
class Attestors:
    """A validator set."""

    epoch: int
    """Which."""
    members: tuple[Address, ...]
    """Ascending."""
    threshold: int
    """Signatures needed."""
    distrusted: frozenset[Address] = frozenset()
    """Members that an open case names for now: what they sign would be quarantined at once (BDG-032)."""


class PersonaClient:
    """Asks one chain about personas."""

    def __init__(self, rpc: Endpoint, contracts: Contracts) -> None:
        """Name chain and contracts; nothing is sent yet."""
        self.rpc, self.contracts = rpc, contracts

    async def ask(self, *questions: Question, block: str = "latest") -> list[Any]:
        """Ask contracts, all at one block; one that reverts answers None.

        Raises:
            UnavailableError: the endpoint does not answer.
            RefusedError: it cannot answer for that block.
        """
        requests = [
            ("eth_call", ({"to": f"0x{to.hex()}", "data": f"0x{method.call(*values).hex()}"}, block))
            for to, method, values in questions
        ]
        found: list[Any] = []
        for (_, method, _), answer in zip(questions, await self.rpc.outcomes(requests), strict=True):
            if isinstance(answer, RefusedError):
                if answer.code != "reverted":
                    raise answer
                found.append(None)
            else:
                found.append(method.read(bytes.fromhex(answer[2:])))
        return found

    async def latest(self) -> tuple[str, int]:
        """Number of the newest block, as JSON-RPC writes it, and its time in Unix seconds."""
        block = await self.rpc.call("eth_getBlockByNumber", "latest", False)
        return block["number"], int(block["timestamp"], 16)

    async def passport_of(self, key: Key) -> tuple[int, Role]:
        """Where a key is; (0, NONE) if nowhere."""
        ((passport, role),) = await self.ask((self.contracts.passport, abi.PASSPORT_OF, (key.id,)))
        return passport, Role(role)

    async def key_nonce(self, key: Key) -> int:
        """What the key's next entry signs."""
        (found,) = await self.ask((self.contracts.passport, abi.KEY_NONCE_OF, (key.id,)))
        return int(found)

    async def state(self, passport: int, block: str = "latest") -> PassportState | None:
        """All of a passport; None if there is none of that number."""
        at = self.contracts.passport
        methods = (
            *(abi.GENERATION_OF, abi.NONCE_OF, abi.KEY_COUNT_OF, abi.PAYOUT_OF),
            *(abi.GUARDIANS_OF, abi.RECOVERY_OF, abi.PENDING_REMOVAL_OF, abi.PENDING_GUARDIANS_OF),
        )
        found = await self.ask(*((at, method, (passport,)) for method in methods), block=block)
        generation, nonce, count, payout, guardians, (recovery, round_) = found[:6]
        (removal, removal_at), (next_guardians, guardians_at) = found[6:]
        if not generation:
            return None
        return PassportState(
            passport=passport,
            generation=generation,
            nonce=nonce,
            acting_count=count,
            payout=Address(bytes.fromhex(payout[2:])) if int(payout, 16) else None,
            guardian_ids=tuple(Hash32(one) for one in guardians[0]),
            quorum=guardians[1],
            override_quorum=guardians[2],
            recovery_key_id=Hash32(recovery[0]) if any(recovery[0]) else None,
            recovery_ready_at_s=recovery[1],
            removal_key_id=Hash32(removal) if removal_at else None,
            removal_ready_at_s=removal_at,
            recovery_vetoed_at_s=recovery[2],
            recovery_confirmed=recovery[3],
            round=round_,
            next_guardian_ids=tuple(Hash32(one) for one in next_guardians[0]),
            guardians_ready_at_s=guardians_at,
        )

    async def keys(self, passport: int, block: str = "latest") -> list[HeldKey]:
        """Every living key of a passport, in the order in which they came.

        Events tell which keys ever came in; the contract tells which of them are there still.
        """
        query = {
            "address": f"0x{self.contracts.passport.hex()}",
            "topics": [
                [f"0x{abi.PASSPORT_CREATED.hex()}", f"0x{abi.KEY_ADDED.hex()}"],
                f"0x{passport:064x}",
            ],
            "fromBlock": "0x0",
            "toBlock": block,
        }
        seen: dict[Hash32, Key] = {}
        for log in await self.rpc.call("eth_getLogs", query):
            kinds = ["uint8", "bytes"] if log["topics"][0][2:] == abi.PASSPORT_CREATED.hex() else _ADDED
            kind, data = decode(kinds, bytes.fromhex(log["data"][2:]))[-2:]
            key = Key(KeyKind(kind), data)
            seen[key.id] = key
        asked = [(self.contracts.passport, abi.PASSPORT_OF, (id_,)) for id_ in seen]
        found = await self.ask(*asked, block=block) if asked else []
        return [
            HeldKey(key, Role(role))
            for key, (there, role) in zip(seen.values(), found, strict=True)
            if there == passport
        ]

    async def sign_in_place(self) -> tuple[str, str]:
        """Domain and URI that the chain's sign-in texts name."""
        at = self.contracts.key_verifier
        domain, uri = await self.ask((at, abi.DOMAIN, ()), (at, abi.URI, ()))
        return domain, uri

    async def has_signed(self, key: Key, digest: Hash32, statement: str, proof: Proof) -> bool:
        """Whether a key has signed, as the chain judges it: contract wallets and those not deployed too."""
        question = (self.contracts.key_verifier, abi.VERIFY, (key.tuple, digest, statement, proof.tuple))
        (found,) = await self.ask(question)
        return bool(found)

    async def attestors(self) -> Attestors:
        """The validator set in force, and who of it is distrusted now."""
        at = self.contracts.validator_set
        (epoch,), (_, now_s) = await self.ask((at, abi.EPOCH, ())), await self.latest()
        members, threshold = await self.ask((at, abi.MEMBERS_OF, (epoch,)), (at, abi.THRESHOLD_OF, (epoch,)))
        distrusted = frozenset(
            Address(one.subject[12:])
            for one in await self.cases()
            if one.kind is CaseKind.ATTESTOR and one.since_s <= now_s <= one.until_s
        )
        order = tuple(Address(bytes.fromhex(one[2:])) for one in members)
        return Attestors(epoch, order, threshold, distrusted)

    async def cases(self) -> list[Case]:
        """Open cases of distrust (BDG-030)."""
        at = self.contracts.quarantine
        (numbers,) = await self.ask((at, abi.OPEN_CASES, ()))
        told = await self.ask(*((at, abi.CASE_OF, (one,)) for one in numbers)) if numbers else []
        return [
            Case(number, CaseKind(one[0]), Hash32(one[1]), one[2], one[3])
            for number, one in zip(numbers, told, strict=True)
        ]

    async def holder_of(self, nullifier: Hash32) -> int:
        """Passport that holds a nullifier; 0 if none does."""
        (found,) = await self.ask((self.contracts.nullifiers, abi.HOLDER_OF, (nullifier,)))
        return int(found)

    async def account_state(self, nullifier: Hash32) -> AccountState | None:
        """What the chain knows of an account; None if nobody ever bound it."""
        (found,) = await self.ask((self.contracts.nullifiers, abi.CREDENTIAL_OF, (nullifier,)))
        if found is None:
            return None
        holder, _, _, released, _, moving_to, ready, _, _, _ = found
        return AccountState(holder, released, moving_to, ready)

    async def nullifiers(self, passport: int) -> list[HeldNullifier]:
        """Nullifiers that a passport holds, in the order in which they first came to it."""
        at, mine = self.contracts.nullifiers, f"0x{passport:064x}"
        place = {"address": f"0x{at.hex()}", "fromBlock": "0x0", "toBlock": "latest"}
        bound = {**place, "topics": [f"0x{abi.BOUND.hex()}", mine]}
        moved = {**place, "topics": [f"0x{abi.MOVED.hex()}", None, None, mine]}
        came: list[tuple[int, int, Hash32]] = []
        for query, topic in ((bound, 3), (moved, 1)):
            for log in await self.rpc.call("eth_getLogs", query):
                canonical = Hash32(bytes.fromhex(log["topics"][topic][2:]))
                came.append((int(log["blockNumber"], 16), int(log["logIndex"], 16), canonical))
        names = list(dict.fromkeys(canonical for _, _, canonical in sorted(came)))
        found = await self.ask(*((at, abi.CREDENTIAL_OF, (one,)) for one in names))
        return [
            HeldNullifier(name, Hash32(one[8]))
            for name, one in zip(names, found, strict=True)
            if one is not None and one[0] == passport
        ]

    async def key_epoch(self) -> int:
        """Epoch of k in force (PAS-044)."""
        (found,) = await self.ask((self.contracts.nullifiers, abi.KEY_EPOCH, ()))
        return int(found)


_ADDED = ["uint8", "uint8", "bytes"]
