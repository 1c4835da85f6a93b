"""Contracts that people of the tour use, and what they do there, all of it from a seed (pure)."""

import random
from dataclasses import dataclass
from pathlib import Path

import orjson
from eth_abi.abi import encode

from trex.node.devnet_people import ETHER, MINT, Contract, Person, dev_codes, dev_contracts, dice, placed
from trex.passport.contracts import Method
from trex.settlement.l1.transaction import Intent
from trex.types.primitives import Address, Gas, Wei

WETH = Address(bytes.fromhex("4200000000000000000000000000000000000006"))
FACTORY = "@uniswap/v2-core/build/UniswapV2Factory.json"
ROUTER = "@uniswap/v2-periphery/build/UniswapV2Router02.json"
"""Compiled by their makers, as npm has them."""
FAR_S = 2**40
"""A deadline that never comes."""
EVERYTHING = 2**256 - 1
MOST_SWAPS = 8
"""Of a person, loans to the vault among them; who likes it does that much."""
GAS = Gas(400_000)

APPROVE = Method("approve", ("address", "uint256"))
ADD_LIQUIDITY = Method(
    "addLiquidity",
    ("address", "address", "uint256", "uint256", "uint256", "uint256", "address", "uint256"),
)
SWAP = Method("swapExactTokensForTokens", ("uint256", "uint256", "address[]", "address", "uint256"))
DEPOSIT = Method("deposit", ("uint256", "address"))
MAKE_ITEMS = Method("mint", ("address", "uint256", "uint256"))


@dataclass(frozen=True, slots=True)
class Market:
    """Two tokens, Uniswap v2 between them, a vault for the first, a collection of items."""

    factory: Contract
    router: Contract
    token: Contract
    other: Contract
    vault: Contract
    items: Contract

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """In the order in which they are brought."""
        return (self.token, self.other, self.factory, self.router, self.vault, self.items)

    def opening(self, me: Address) -> list[Intent]:
        """What makes the pair: both tokens, half of each."""
        much = 10**9 * ETHER
        calls: list[tuple[Contract, bytes]] = []
        for token in (self.token, self.other):
            calls += [(token, MINT.call(me, much)), (token, APPROVE.call(self.router.address, EVERYTHING))]
        pair = (self.token.address, self.other.address, much // 2, much // 2, 0, 0, me, FAR_S)
        calls.append((self.router, ADD_LIQUIDITY.call(*pair)))
        return [Intent(one.address, data, Gas(4_000_000), Wei(0)) for one, data in calls]

    def deeds(self, seed: int, who: Person, at: int) -> list[Intent]:
        """What one of a person's wallets does here."""
        fall, me = dice(seed, who.number, f"market {at}"), who.wallets[at].address
        found: list[tuple[Contract, bytes]] = []
        lends = at == 0 and fall.random() < 0.3
        if at == 0:
            found += self._trades(fall, me, MOST_SWAPS - lends)
        if lends:
            amount = fall.randint(1, 50) * ETHER
            found += [
                (self.token, MINT.call(me, amount)),
                (self.token, APPROVE.call(self.vault.address, amount)),
                (self.vault, DEPOSIT.call(amount, me)),
            ]
        for _ in range(fall.choice((0, 0, 1, 2))):
            found.append((self.items, MAKE_ITEMS.call(me, fall.randint(1, 12), fall.randint(1, 5))))
        return [Intent(one.address, data, GAS, Wei(0)) for one, data in found]

    def _trades(self, fall: random.Random, me: Address, most: int) -> list[tuple[Contract, bytes]]:
        count = most if fall.random() < 0.6 else fall.randrange(most)
        if not count:
            return []
        found = [
            (self.token, MINT.call(me, 1_000 * ETHER)),
            (self.token, APPROVE.call(self.router.address, EVERYTHING)),
        ]
        path = [self.token.address, self.other.address]
        for _ in range(count):
            amount = fall.randint(1, 100) * ETHER
            found.append((self.router, SWAP.call(amount, 1, path, me, FAR_S)))
        return found

    def drop(self, kind: int, who: Person) -> Intent:
        """A campaign's item, made by who was reached."""
        return Intent(self.items.address, MAKE_ITEMS.call(who.wallets[0].address, kind, 1), GAS, Wei(0))


def market(packages: Path) -> Market:
    """Name the market's contracts.

    Args:
        packages: `node_modules`, with Uniswap's.

    Raises:
        OSError: they are not there.
    """
    codes, (token, _) = dev_codes(), dev_contracts()
    other = placed(codes["DevToken"], 1)
    factory = placed(_published(packages / FACTORY) + encode(["address"], [bytes(20)]))
    router = placed(_published(packages / ROUTER) + encode(["address", "address"], [factory.address, WETH]))
    vault = placed(codes["DevVault"] + encode(["address"], [token.address]))
    return Market(factory, router, token, other, vault, placed(codes["DevItems"]))


def _published(file: Path) -> bytes:
    return bytes.fromhex(orjson.loads(file.read_bytes())["bytecode"].removeprefix("0x"))
