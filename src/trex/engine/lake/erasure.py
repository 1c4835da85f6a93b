"""Erasure of a person on request: out of log, lake and graph, and not let in again (specs/engine.md, ERA)."""

import fcntl
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from trex.engine.ingest.events import Block, Event
from trex.engine.lake.lake import Lake
from trex.engine.lake.tables import BRONZE, SILVER, TABLES, LakeTable, arrow
from trex.engine.pipeline.facts import Fact
from trex.engine.pipeline.normalise import normalise
from trex.engine.pipeline.persona import ShapeError

_HEX = re.compile(r"(?:0x|[0-9a-fA-F])[0-9a-fA-F]{39,}")
"""What may hold an account: an address, a key, a word, calldata."""
_ACCOUNT, _WORD = 40, 64
"""Hexadecimal digits of an address, and of a key's id or an ed25519 account."""
BATCH = 10_000
"""Rows of a table rewritten at a time."""
KNOWN_SHAPES = re.compile(r"(?:evm|ed25519|passkey):[0-9a-f]{16}")
"""How a gateway's audit log names keys."""


class ErasureError(Exception):
    """Somebody cannot be erased now."""


@dataclass(frozen=True, slots=True)
class Person:
    """By what somebody is known."""

    chain: int
    passport: str
    tokens: frozenset[str]
    """Their badges."""
    names: frozenset[str]
    """Addresses, keys' ids and accounts in hexadecimal digits without 0x, and names in audit logs."""


class Erased:
    """Who was erased, as keyed hashes: nobody can be read from it, and who comes again is known (ERA-003)."""

    def __init__(self, lake: Lake) -> None:
        """Read what is below a lake."""
        self._path = lake.root / "erased.json"
        told = orjson.loads(self._path.read_bytes()) if self._path.exists() else {}
        self._salt = bytes.fromhex(told.get("salt", "")) or secrets.token_bytes(32)
        self._hashes: set[str] = set(told.get("hashes", ()))
        self._plain: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def add(self, person: Person) -> None:
        """Remember a person; durable at return."""
        names = {f"passport/{person.chain}/{person.passport}", *person.names}
        names |= {f"badge/{person.chain}/{token}" for token in person.tokens}
        self._hashes |= {self._hash(name) for name in names}
        for name in sorted(person.names):
            kind, colon, digits = name.rpartition(":")
            self._plain[name] = f"{kind}{colon}{self._instead(digits)}"
        fresh = self._path.with_suffix(".new")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(orjson.dumps({"salt": self._salt.hex(), "hashes": sorted(self._hashes)}))
        fresh.rename(self._path)

    def _hash(self, name: str) -> str:
        return blake2b(name.encode(), key=self._salt, digest_size=16).hexdigest()

    def _instead(self, name: str) -> str:
        """What stands for a name, of its length."""
        made = blake2b(b"instead" + name.encode(), key=self._salt, digest_size=32).hexdigest()
        return made[: len(name)]

    def redact(self, text: str) -> str:
        """The text with something else in the place of every name of somebody erased (ERA-002)."""

        def hexes(found: re.Match[str]) -> str:
            whole = found.group()
            prefix, digits = (whole[:2], whole[2:]) if whole[:2] == "0x" else ("", whole)
            low = digits.lower()
            for length in (_WORD, _ACCOUNT):
                # Alone, at the end of a word, or in calldata, where calls begin at any four bytes.
                for start in (*range(0, len(low) - length + 1, 8), max(0, len(low) - length)):
                    name = low[start : start + length]
                    if self._hash(name) in self._hashes:
                        low = low[:start] + self._instead(name) + low[start + length :]
            return prefix + low if low != digits.lower() else whole

        def audit(found: re.Match[str]) -> str:
            kind, _, digits = found.group().partition(":")
            return (
                f"{kind}:{self._instead(digits)}"
                if self._hash(found.group()) in self._hashes
                else found.group()
            )

        if not self._hashes:
            return text
        for name, instead in self._plain.items():
            text = re.sub(re.escape(name), instead, text, flags=re.IGNORECASE)
        return KNOWN_SHAPES.sub(audit, _HEX.sub(hexes, text))

    def hides(self, fact: Fact) -> bool:
        """It is of a passport or badge that was erased."""
        if not self._hashes:
            return False
        row, chain = fact.row, fact.block.chain
        names = [f"badge/{chain}/{row['token']}"] if fact.table == "badges" else []
        if row.get("passport") is not None:
            names.append(f"passport/{chain}/{row['passport']}")
        if fact.table == "acts":
            words = re.split(r"[ /]", row["subject"])
            names += [f"passport/{chain}/{word}" for word in words if word.isdecimal()]
        return any(self._hash(name) in self._hashes for name in names)

    def hides_event(self, event: Event) -> bool:
        """Some fact of it is."""
        try:
            return any(map(self.hides, normalise(event)))
        except ShapeError:
            return False

    def facts(self, found: Sequence[Fact]) -> list[Fact]:
        """Facts without those of people erased, others' naming them no more."""
        if not self._hashes:
            return list(found)
        return [
            replace(fact, row=orjson.loads(self.redact(orjson.dumps(fact.row).decode())))
            for fact in found
            if not self.hides(fact)
        ]

    def events(self, found: Sequence[Event]) -> list[Event]:
        """The same of events."""
        if not self._hashes:
            return list(found)
        return [
            replace(event, payload=orjson.loads(self.redact(orjson.dumps(event.payload).decode())))
            for event in found
            if not self.hides_event(event)
        ]


def person(lake: Lake, chain: int, passport: str) -> Person:
    """By what a passport is known: every key it ever had that is no other passport's, and its badges.

    Raises:
        ErasureError: the lake knows nothing of it.
    """
    session = lake.session()
    asked = "SELECT passport, key, max(account) FROM all_silver_links WHERE chain = ? GROUP BY ALL"
    links = session.con.execute(asked, [chain]).fetchall()
    badges = "SELECT DISTINCT token FROM all_silver_badges WHERE chain = ? AND passport = ?"
    tokens = frozenset(token for (token,) in session.con.execute(badges, [chain, passport]).fetchall())
    others = {key for owner, key, _ in links if owner != passport}
    names: set[str] = set()
    for owner, key, account in links:
        if owner == passport and key not in others:
            digits = sha256(bytes.fromhex(key[2:])).hexdigest()[:16]
            names |= {key[2:].lower(), *(f"{kind}:{digits}" for kind in ("evm", "ed25519", "passkey"))}
            names |= {account[2:].lower()} if account else set()
    known = any(owner == passport for owner, _, _ in links)
    if not known and not tokens:
        raise ErasureError(f"the lake knows no passport {passport} of chain {chain}")
    return Person(chain, passport, tokens, frozenset(names))


@contextmanager
def alone(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Keep stages and erasures apart: many stages, or one erasure (ERA-004).

    Raises:
        ErasureError: the other is at work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stages.lock").open("a") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            other = "an erasure" if shared else "a stage"
            raise ErasureError(f"{other} is at work on {folder}: stop it first") from None
        yield


def rewrite_tables(lake: Lake, erased: Erased, parts: Sequence[str]) -> int:
    """Write every table anew without people erased; no older version stays (ERA-001).

    Args:
        lake: written.
        erased: who.
        parts: of the log, whose places the tables carry.

    Returns:
        Rows that went.
    """
    gone = 0
    for table in TABLES.values():
        if table.derived:
            shutil.rmtree(lake.path(table.name), ignore_errors=True)
    # Links and badges say who it is: they go last, so that what was cut off can be done again.
    last = (SILVER["badges"], SILVER["links"])
    for table in (BRONZE, *(one for one in SILVER.values() if one not in last), *last):
        gone += _rewrite(lake, table, _row_of(table, erased), parts)
    return gone


Change = Callable[[dict[str, Any]], dict[str, Any] | None]


def _row_of(table: LakeTable, erased: Erased) -> Change:
    own = [name for name, _ in table.own]

    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        block = Block(row["source"], row["chain"], row["block_number"], row["block_hash"], row["time_s"])
        where = (row["transaction_index"], row["log_index"])
        if table is BRONZE:
            payload = orjson.loads(row["payload"])
            if erased.hides_event(Event(block, row["kind"], where, payload, row["version"], row["weight"])):
                return None
        else:
            name = table.name.partition(".")[2]
            if erased.hides(
                Fact(name, row["id"], block, where, row["weight"], {key: row[key] for key in own})
            ):
                return None
        told = {key: row[key] for key in own}
        redacted: dict[str, Any] = orjson.loads(erased.redact(orjson.dumps(told).decode()))
        return row | redacted

    return change


def _rewrite(lake: Lake, table: LakeTable, change: Change, parts: Sequence[str]) -> int:
    """Make a table anew beside the old one, with how far of the log is in it, and put it in its place."""
    old = lake.table(table.name)
    if old is None:
        return 0
    path = lake.path(table.name)
    fresh, gone = path.with_name(f"{path.name}.new"), 0
    known = ((part, old.transaction_version(part)) for part in parts)
    kept = CommitProperties(app_transactions=[Transaction(part, at) for part, at in known if at is not None])
    shutil.rmtree(fresh, ignore_errors=True)
    DeltaTable.create(fresh, table.schema, partition_by=["month"])
    for batch in old.to_pyarrow_dataset().to_batches(batch_size=BATCH):
        rows = [row for one in batch.to_pylist() if (row := change(one)) is not None]
        gone += batch.num_rows - len(rows)
        if rows:
            write_deltalake(fresh, arrow(table, rows), mode="append", commit_properties=kept)
    shutil.rmtree(path)
    fresh.rename(path)
    return gone


def checked(lake: Lake, where: Sequence[Path], who: Person) -> list[str]:
    """Files below some folders in which a name of a person can be read, as text or as bytes."""
    needles = {name.encode() for name in who.names}
    needles |= {bytes.fromhex(name) for name in who.names if ":" not in name}
    found = []
    for folder in where:
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            content = file.read_bytes()
            if file.suffix == ".parquet":  # Compressed: what it holds is looked at too.
                content += repr(pq.read_table(file, partitioning=None).to_pylist()).encode()
            if any(needle in content or needle.upper() in content for needle in needles):
                found.append(str(file.relative_to(folder)))
    return found
