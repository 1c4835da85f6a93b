"""Facts of a small world, as the log has them."""

from typing import Any

from trex.engine.ingest.events import Block
from trex.engine.pipeline.facts import Fact
from trex.engine.pipeline.normalise import NOBODY
from trex.passport.keys import Key, KeyKind

CHAIN = 1962
ANN, ANN2, BEN, CLEO, DAN = (f"0x{number:040x}" for number in range(0xA1, 0xA6))
APES, COIN, POOL, GAME = (f"0x{number:040x}" for number in range(0xC1, 0xC5))
MAKER = f"0x{0xD1:040x}"
DAY = 20_000


class Book:
    """Writes facts, a block each."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def write(self, table: str, day: int = DAY, fork: str = "a", **row: Any) -> Fact:
        number = len(self.facts) + 1
        block = Block(f"evm:{CHAIN}", CHAIN, number, f"0x{fork}{number}", day * 86_400 + number)
        self.facts.append(Fact(table, f"{fork}{number}", block, (0, 0), 1, row))
        return self.facts[-1]

    def link(self, passport: str, address: str, way: str = "added") -> Fact:
        key = f"0x{Key(KeyKind.EVM, bytes.fromhex(address[2:])).id.hex()}"
        told = (None, None) if way == "removed" else (1, address)
        return self.write("links", passport=passport, key=key, way=way, role=2, kind=told[0], account=told[1])

    def moved(self, kind: str, asset: str, sender: str, recipient: str, amount: int, day: int = DAY) -> Fact:
        told: dict[str, Any] = {
            "kind": kind,
            "asset": asset,
            "token_id": None,
            "way": "move",
            "value": float(amount),
        }
        return self.write("transfers", day, **told, sender=sender, recipient=recipient, amount=str(amount))

    def called(self, sender: str, contract: str, category: str = "", day: int = DAY) -> Fact:
        told = {"selector": "0x", "action": "", "category": category}
        return self.write("calls", day, sender=sender, contract=contract, **told)

    def granted(self, token: str, passport: str, policy: str) -> Fact:
        return self.write("badges", token=token, passport=passport, policy=policy, level=1, state=1)

    def state(self, token: str, state: int, fork: str = "a") -> Fact:
        return self.write("badges", token=token, state=state, fork=fork)


def world() -> Book:
    """Ann (two wallets) and Ben share apes, a game and a badge; Cleo and Dan share a coin and a pool."""
    book = Book()
    for passport, address in (("1", ANN), ("1", ANN2), ("2", BEN), ("3", CLEO), ("4", DAN)):
        book.link(passport, address)
    book.moved("erc721", APES, NOBODY, ANN2, 1)
    book.moved("erc721", APES, NOBODY, BEN, 1, DAY + 3)
    for sender in (ANN, BEN):
        book.called(sender, GAME, "game")
    for address in (CLEO, DAN):
        book.moved("erc20", COIN, NOBODY, address, 2**200)
        book.called(address, POOL, "defi")
    book.moved("erc20", COIN, CLEO, ANN, 5)
    book.moved("erc20", COIN, ANN, CLEO, 5)
    book.write(
        "policies",
        policy="0x01",
        document="0x",
        levels=1,
        is_public=True,
        name="Early",
        uri="",
        publisher=MAKER,
    )
    book.granted("7", "1", "0x01")
    book.granted("8", "2", "0x01")
    book.granted("9", "3", "0x01")
    book.state("9", 4)
    book.write("transactions", sender=BEN, created=POOL, status=1)
    book.write("points", passport="3", season=2, amount=40)
    book.write("acts", actor="k", action="deed", subject="passport 1 invite brought 2", outcome="job 1")
    return book
