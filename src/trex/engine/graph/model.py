"""What facts say of the graph: a pure function from a fact to what it adds (GRA-001)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from trex.engine.pipeline.facts import Fact
from trex.engine.pipeline.normalise import NOBODY
from trex.passport.keys import Key, KeyKind

DAY_S = 86_400
"""Seconds of a day: edges know when to the day, so that what was added can be taken back exactly."""
TIMELESS = -1
"""The day of what happened at no known time."""
NFTS = ("erc721", "erc1155")
"""Kinds of transfers of collections; of others, native coin aside, they are of tokens."""


@dataclass(frozen=True, slots=True)
class Node:
    """Something in the graph."""

    id: str
    """`kind/...`, the same from wherever it is seen; wallets and accounts are `key/` and their key's id."""
    kind: str
    """`passport`, `wallet`, `account`, `badge`, `policy`, `contract`, `collection`, `token`, `project`,
    `campaign` or `interest`; empty where a fact does not tell."""
    name: str = ""
    """For people: an address, a policy's name; empty where a fact does not tell."""


@dataclass(frozen=True, slots=True)
class Added:
    """What a fact adds to an edge; a fact that was taken back adds the opposite."""

    source: Node
    kind: str
    """`owns`, `holds`, `earned`, `of`, `publishes`, `uses`, `likes`, `deployed`, `sent`, `did` or
    `referred`."""
    target: Node
    day: int
    """Of Unix time, or `TIMELESS`."""
    count: int
    """Facts: 1 or -1."""
    amount: int
    """Of what the edge counts; the edge is live while these add up to more than nothing."""


@dataclass(frozen=True, slots=True)
class Said:
    """A word on a badge's state; the newest counts."""

    node: Node
    place: str
    """Sorts as the chain orders."""
    state: int
    """1 granted, 2 suspended, 3 expired, 4 revoked."""
    count: int
    """1 when it was said, -1 when it was taken back."""


@dataclass(slots=True)
class Change:
    """What a batch of facts adds."""

    added: list[Added] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)


@lru_cache(65_536)
def wallet(address: str) -> Node:
    """An address of any EVM chain, by the id of the key it is at a passport."""
    return Node(f"key/0x{Key(KeyKind.EVM, bytes.fromhex(address[2:])).id.hex()}", "wallet", address)


def passport(chain: int, number: str) -> Node:
    """A passport."""
    return Node(f"passport/{chain}/{number}", "passport", number)


def read(fact: Fact, change: Change) -> None:
    """Add to a change what a fact says."""
    if fact.table == "badges":
        change.said.append(_word(fact))
        if fact.row.get("passport") is None:
            return
    reader = READERS.get(fact.table)
    if reader is not None:
        day = TIMELESS if fact.block.time_s is None else fact.block.time_s // DAY_S
        change.added += [
            Added(source, kind, target, day, fact.weight, amount * fact.weight)
            for source, kind, target, amount in reader(fact)
        ]


Edges = Iterator[tuple[Node, str, Node, int]]


def _word(fact: Fact) -> Said:
    place = f"{fact.block.number:016d}/{fact.position[1]:08d}/{fact.block.hash}"
    return Said(_badge(fact), place, fact.row["state"], fact.weight)


def _badge(fact: Fact) -> Node:
    return Node(f"badge/{fact.block.chain}/{fact.row['token']}", "badge", fact.row["token"])


def _links(fact: Fact) -> Edges:
    row = fact.row
    kind = {None: "", KeyKind.EVM: "wallet", KeyKind.ED25519: "wallet"}.get(row["kind"], "account")
    key = Node(f"key/{row['key']}", kind, row["account"] or "")
    yield passport(fact.block.chain, row["passport"]), "owns", key, -1 if row["way"] == "removed" else 1


def _badges(fact: Fact) -> Edges:
    policy = Node(f"policy/{fact.block.chain}/{fact.row['policy']}", "policy")
    yield passport(fact.block.chain, fact.row["passport"]), "earned", _badge(fact), 1
    yield _badge(fact), "of", policy, 1


def _policies(fact: Fact) -> Edges:
    row = fact.row
    publisher = row.get("publisher")
    if publisher is not None:
        project = Node(f"project/{fact.block.chain}/{publisher}", "project", publisher)
        yield (
            project,
            "publishes",
            Node(f"policy/{fact.block.chain}/{row['policy']}", "policy", row["name"]),
            1,
        )


def _transfers(fact: Fact) -> Edges:
    row, chain = fact.row, fact.block.chain
    sender, recipient = row["sender"], row["recipient"]
    if sender == recipient:
        return
    if row["kind"] != "native":
        kind = "collection" if row["kind"] in NFTS else "token"
        asset = Node(f"{kind}/{chain}/{row['asset']}", kind, row["asset"])
        for account, sign in ((sender, -1), (recipient, 1)):
            if account != NOBODY:
                yield wallet(account), "holds", asset, sign * int(row["amount"])
    if NOBODY not in (sender, recipient):
        yield wallet(sender), "sent", wallet(recipient), 1


def _calls(fact: Fact) -> Edges:
    row, chain = fact.row, fact.block.chain
    who = wallet(row["sender"])
    yield who, "uses", Node(f"contract/{chain}/{row['contract']}", "contract", row["contract"]), 1
    if row.get("category"):
        yield who, "likes", Node(f"interest/{row['category']}", "interest", row["category"]), 1


def _transactions(fact: Fact) -> Edges:
    created = fact.row["created"]
    if created is not None and fact.row["status"] != 0:
        made = Node(f"contract/{fact.block.chain}/{created}", "contract", created)
        yield wallet(fact.row["sender"]), "deployed", made, 1


def _points(fact: Fact) -> Edges:
    season = str(fact.row["season"])
    campaign = Node(f"campaign/{fact.block.chain}/season {season}", "campaign", f"season {season}")
    if fact.row["season"] and fact.row["amount"]:
        yield passport(fact.block.chain, fact.row["passport"]), "earned", campaign, fact.row["amount"]


def _acts(fact: Fact) -> Edges:
    """A deed `passport N SLUG`, with ` brought M` where it brought somebody."""
    row, chain = fact.row, fact.block.chain
    parts = row["subject"].split(" ")
    if row["action"] != "deed" or len(parts) not in (3, 5) or parts[0] != "passport":
        return
    who = passport(chain, parts[1])
    yield who, "did", Node(f"campaign/{chain}/{parts[2]}", "campaign", parts[2]), 1
    if parts[3:4] == ["brought"]:
        yield who, "referred", passport(chain, parts[4]), 1


READERS: dict[str, Callable[[Fact], Edges]] = {
    "links": _links,
    "badges": _badges,
    "policies": _policies,
    "transfers": _transfers,
    "calls": _calls,
    "transactions": _transactions,
    "points": _points,
    "acts": _acts,
}
"""How a silver table's facts are read."""
