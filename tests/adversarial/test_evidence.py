"""Attacks on evidence of chains: what is borrowed, pretended or moved about."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from eth_abi.abi import encode
from tests.adversarial.chain import DAY_S, Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import Wallet
from tests.adversarial.serving import Lie, endpoint

from trex.types.network_file import keccak256
from trex.types.primitives import Address
from trex.validators.onchain.collect_nft import collect_nft
from trex.validators.onchain.collect_token import collect_token
from trex.validators.onchain.nft import Way, came, flips, held_s
from trex.validators.onchain.source import EvmChain, EvmSource
from trex.validators.onchain.token import average, balance

ONCHAIN = "src/trex/validators/onchain/"
MINE, OTHER, STRANGER = (Wallet(name).address for name in ("mine", "my other", "stranger"))
NOBODY = Address(bytes(20))


@contextlib.asynccontextmanager
async def asking(chain: Chain, quorum: int = 1, lie: Lie | None = None) -> AsyncIterator[EvmSource]:
    """Ask one endpoint, and with a lie a second one that tells it."""
    async with contextlib.AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(endpoint(chain))]
        if lie is not None:
            urls.insert(0, await stack.enter_async_context(endpoint(chain, lie)))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield EvmSource(EvmChain(chain.core.chain_id, tuple(urls), quorum, 0), session, timeout_s=300)


def contract(chain: Chain, name: str, *arguments: tuple[str, Any]) -> Address:
    return Address(bytes.fromhex(chain.deploy(name, *arguments)[2:]))


def run(chain: Chain, at: Address, signature: str, *values: Any) -> None:
    kinds = signature[signature.index("(") + 1 : -1].split(",")
    shown = [f"0x{one.hex()}" if isinstance(one, bytes) else one for one in values]
    data = keccak256(signature.encode())[:4] + encode(kinds, shown)
    chain.transact(f"0x{at.hex()}", data)


def coin(chain: Chain, decimals: int = 18) -> Address:
    return contract(chain, "Coin", ("uint256", decimals))


MOVE = "move(address,address,uint256)"
GIVE = "move(address,uint256,string)"


# Tokens


@attack(
    who="whoever borrows for an hour",
    gain="an average of a month as if it had always been theirs",
    why="between two samples the lesser balance of both ends counts, and time weighs it",
    guard=Guard(
        f"{ONCHAIN}token.py",
        "(after.timestamp_s - before.timestamp_s, min(before.total, after.total - after.net))",
        "ONC-012",
        "(after.timestamp_s - before.timestamp_s, after.total)",
    ),
    refusal="too little",
)
async def test_borrowed_balance(chain: Chain, honest: bool) -> None:
    """A thousand tokens come in an hour before the question."""
    token = coin(chain)
    chain.wait(40 * DAY_S if honest else DAY_S)
    if honest:
        run(chain, token, MOVE, NOBODY, MINE, 10**21)
        chain.wait(30 * DAY_S)
    else:
        chain.wait(30 * DAY_S)
        run(chain, token, MOVE, NOBODY, MINE, 10**21)
        chain.wait(3600)
    async with asking(chain) as source:
        found = average(await collect_token(source, [MINE], token, history_s=30 * DAY_S))
    if found is None or found < 900:
        raise Refused("too little")


@attack(
    who="whoever takes a loan for a block",
    gain="the level of those who held as much for a month",
    why="an average weighs each balance by its time; what comes and goes within a block is in no sample",
    guard=Guard(
        f"{ONCHAIN}token.py",
        "return (Decimal(weighed) / Decimal(span)).scaleb(-evidence.decimals)",
        "ONC-012",
        "return Decimal(max(total for _, total in segments)).scaleb(-evidence.decimals)",
    ),
    refusal="too little",
)
async def test_flash_loan(chain: Chain, honest: bool) -> None:
    """A thousand tokens come and go within a transaction, and again within two blocks."""
    token = coin(chain)
    chain.wait(40 * DAY_S)
    run(chain, token, "flash(address,uint256)", MINE, 10**21)
    run(chain, token, MOVE, NOBODY, MINE, 10**21)
    if honest:
        chain.wait(30 * DAY_S)
    else:
        chain.wait(1)
        run(chain, token, MOVE, MINE, NOBODY, 10**21)
        chain.wait(60)
    async with asking(chain) as source:
        found = average(await collect_token(source, [MINE], token, history_s=30 * DAY_S))
    if found is None or found < 900:
        raise Refused("too little")


@attack(
    who="a person with one rich wallet",
    gain="its balance twice",
    why="each wallet counts once, however often it is linked or named",
    guard=Guard(
        f"{ONCHAIN}collect_token.py",
        "who = frozenset(wallets)\n    order = sorted(who)",
        "ONC-010",
        "who = frozenset(wallets)\n    order = list(wallets)",
    ),
    refusal="too little",
)
async def test_wallet_named_twice(chain: Chain, honest: bool) -> None:
    """The same wallet stands in the list of wallets twice."""
    token = coin(chain)
    run(chain, token, MOVE, NOBODY, MINE, 10**21)
    if honest:
        run(chain, token, MOVE, NOBODY, OTHER, 10**21)
    async with asking(chain) as source:
        found = balance(await collect_token(source, [MINE, OTHER if honest else MINE], token))
    if found < 2000:
        raise Refused("too little")


@attack(
    who="the maker of a token that looks like a known one",
    gain="a balance of dollars that cost nothing",
    why="a policy names the contract, and only its balances are asked for",
    guard=Guard(
        f"{ONCHAIN}collect_token.py",
        "[(block, token, BALANCE_OF + word(wallet)) for block in there for wallet in order]",
        "ONC-011",
        "[(block, FAKE, BALANCE_OF + word(wallet)) for block in there for wallet in order]",
    ),
    refusal="too little",
)
async def test_look_alike_token(chain: Chain, honest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of the same symbol, with a balance of the attacker's choosing."""
    real, fake = coin(chain), coin(chain)
    # Without the guard somebody finds a token by its symbol, as wallets do.
    monkeypatch.setattr("trex.validators.onchain.collect_token.FAKE", fake, raising=False)
    run(chain, real if honest else fake, MOVE, NOBODY, MINE, 10**21)
    async with asking(chain) as source:
        found = balance(await collect_token(source, [MINE], real))
    if found < 1000:
        raise Refused("too little")


@attack(
    who="a holder of a token of six decimals",
    gain="or loses a factor of 10^12 by a guess",
    why="the contract itself is asked for its decimals, at the same block",
    guard=Guard(
        f"{ONCHAIN}collect_token.py",
        "decimals = await _decimals(source, head, token)",
        "ONC-011",
        "decimals = 6",
    ),
    refusal="too little",
)
async def test_decimals_confused(chain: Chain, honest: bool) -> None:
    """A thousandth of a token of eighteen decimals, read as if it had six."""
    token = coin(chain, 6 if honest else 18)
    run(chain, token, MOVE, NOBODY, MINE, 10**15)
    async with asking(chain) as source:
        found = balance(await collect_token(source, [MINE], token))
    if found < 1000:
        raise Refused("too little")


@attack(
    who="the maker of a token",
    gain="any balance, by decimals that no token has",
    why="decimals above 77 are no ERC-20 token's",
    guard=Guard(
        f"{ONCHAIN}collect_token.py",
        """if not 0 <= value <= 77:
        raise SourceError("refused", f"0x{token.hex()} does not say its decimals: no ERC-20 token")""",
        "ONC-011",
    ),
    refusal="does not say its decimals",
)
async def test_absurd_decimals(chain: Chain, honest: bool) -> None:
    """The token says 10,000 decimals."""
    token = coin(chain, 18 if honest else 10_000)
    async with asking(chain) as source:
        found = await collect_token(source, [MINE], token)
    assert found.decimals == (18 if honest else 10_000)


@attack(
    who="a holder of a token whose balances grow by themselves",
    gain="an average as if the last rebase had always been there",
    why="between samples whose balances do not add up the lesser end counts",
    guard=Guard(
        f"{ONCHAIN}token.py",
        "min(before.total, after.total - after.net))",
        "ONC-012",
        "max(before.total, after.total - after.net))",
    ),
    refusal="too little",
)
async def test_rebasing_token(chain: Chain, honest: bool) -> None:
    """A balance is raised a thousandfold without an event, just before the question."""
    token = coin(chain)
    run(chain, token, MOVE, NOBODY, MINE, 10**21 if honest else 10**18)
    chain.wait(30 * DAY_S)
    if not honest:
        run(chain, token, "rebase(address,uint256)", MINE, 10**21)
        chain.wait(60)
    async with asking(chain) as source:
        found = average(await collect_token(source, [MINE], token, history_s=20 * DAY_S))
    if found is None or found < 900:
        raise Refused("too little")


# Items


@attack(
    who="a person with two wallets and a generous friend",
    gain="an item that was given counts as bought",
    why="money that goes to another wallet of the same passport pays nobody",
    guard=Guard(
        f"{ONCHAIN}collect_nft.py",
        "if token and log.topics[2] not in ours and int.from_bytes(log.data[:32]) > 0:",
        "ONC-020",
        "if token and int.from_bytes(log.data[:32]) > 0:",
    ),
    refusal="not bought",
)
async def test_wash_trade(chain: Chain, honest: bool) -> None:
    """The price goes from one wallet of the buyer's to the other, in the transaction that brings the item."""
    items, token, market = contract(chain, "Items"), coin(chain), contract(chain, "Market")
    run(chain, items, GIVE, STRANGER, 1, "")
    run(chain, token, MOVE, NOBODY, MINE, 1000)
    paid = STRANGER if honest else OTHER
    trade = "trade(address,address,address,address,uint256)"
    run(chain, market, trade, items, token, MINE, paid, 1000)
    async with asking(chain) as source:
        found = came(await collect_nft(source, [MINE, OTHER], items, "erc721"), Way.BOUGHT)
    if found != 1:
        raise Refused("not bought")


@attack(
    who="a person with two wallets and a generous friend",
    gain="an item that was given counts as bought",
    why="coin that goes to another wallet of the same passport pays nobody",
    guard=Guard(
        f"{ONCHAIN}collect_nft.py",
        'if sender in ours and receiver not in ours and int(transaction["value"], 16) > 0:',
        "ONC-020",
        'if sender in ours and int(transaction["value"], 16) > 0:',
    ),
    refusal="not bought",
)
async def test_wash_trade_in_coin(chain: Chain, honest: bool) -> None:
    """A contract wallet of the buyer's takes the buyer's own coin and fetches the friend's item."""
    items, fetching = contract(chain, "Items"), contract(chain, "Fetching")
    run(chain, items, GIVE, STRANGER, 1, "")
    if not honest:
        chain.copy(f"0x{fetching.hex()}", f"0x{OTHER.hex()}")
    chain.give(f"0x{MINE.hex()}", 10**18)
    data = keccak256(b"fetch(address,address)")[:4] + encode(
        ["address", "address"], [f"0x{items.hex()}", f"0x{MINE.hex()}"]
    )
    to = fetching if honest else OTHER
    chain.transact(f"0x{to.hex()}", data, by=f"0x{MINE.hex()}", value=10**17)
    async with asking(chain) as source:
        found = came(await collect_nft(source, [MINE, OTHER], items, "erc721"), Way.BOUGHT)
    if found != 1:
        raise Refused("not bought")


@attack(
    who="a person with two wallets",
    gain="days of holding counted once for each wallet that an item passes through",
    why="events must add up to what the contract says is owned",
    guard=Guard(
        f"{ONCHAIN}nft.py",
        "return {token_id: count for token_id, count in balance.items() if count} == dict(owned_now)",
        "ONC-021",
        "return True",
    ),
    refusal="not known",
)
async def test_wash_transfers(chain: Chain, honest: bool) -> None:
    """The collection's maker says that an item came five times, though it was there already."""
    items = contract(chain, "Items")
    for number in range(5):
        if honest or number == 0:
            run(chain, items, GIVE, MINE, number, "")
        else:
            run(chain, items, "pretend(address,address,uint256)", STRANGER, MINE, 0)
    async with asking(chain) as source:
        found = await collect_nft(source, [MINE, OTHER], items, "erc721")
    if found.moves is None:
        raise Refused("not known")
    assert len(found.moves) == 5


@attack(
    who="the maker of a collection",
    gain="a history of its own invention: items minted to friends, held for years",
    why="where events do not add up to what the contract says is owned, history is not known",
    guard=Guard(
        f"{ONCHAIN}collect_nft.py",
        "return NftEvidence(head, who, owned, moves if adds_up(moves, owned) else None, found, placed)",
        "ONC-021",
        "return NftEvidence(head, who, owned, moves, found, placed)",
    ),
    refusal="not known",
)
async def test_pretended_events(chain: Chain, honest: bool) -> None:
    """Events of mints that no owner follows from."""
    items = contract(chain, "Items")
    for number in range(3):
        if honest:
            run(chain, items, GIVE, MINE, number, "")
        else:
            run(chain, items, "pretend(address,address,uint256)", NOBODY, MINE, number)
    async with asking(chain) as source:
        found = came(await collect_nft(source, [MINE], items, "erc721"), Way.MINTED)
    if found is None:
        raise Refused("not known")
    assert found == 3


@attack(
    who="whoever borrows an item for an hour",
    gain="the badge of a long-time holder",
    why="holding is counted from when an item came, without a break",
    guard=Guard(
        f"{ONCHAIN}nft.py",
        """if before == 0 and count > 0:
            since = move.timestamp_s""",
        "ONC-021",
        """if before == 0 and count > 0:
            since = 0""",
    ),
    refusal="too short",
)
async def test_borrowed_item(chain: Chain, honest: bool) -> None:
    """An item comes an hour before the question, and goes back after it."""
    items = contract(chain, "Items")
    run(chain, items, GIVE, MINE if honest else STRANGER, 1, "")
    chain.wait(30 * DAY_S)
    if not honest:
        run(chain, items, GIVE, MINE, 1, "")
        chain.wait(3600)
    async with asking(chain) as source:
        found = held_s(await collect_nft(source, [MINE], items, "erc721"), continuous=True)
    if (found or 0) < 30 * DAY_S:
        raise Refused("too short")


@attack(
    who="a trader who wants the badge of a collector",
    gain="hides that items were sold within the day",
    why="what left to somebody else within the time counts as flipped, first come first gone",
    guard=Guard(
        f"{ONCHAIN}nft.py",
        "if move.sold and move.timestamp_s - line[0][0] <= within_s:\n                found += taken",
        "ONC-020",
    ),
    refusal="flips",
)
async def test_flips_hidden(chain: Chain, honest: bool) -> None:
    """Three items come and are sold the same day."""
    items = contract(chain, "Items")
    for number in range(3):
        run(chain, items, GIVE, MINE, number, "")
    chain.wait((40 * DAY_S) if honest else 3600)
    for number in range(3):
        run(chain, items, GIVE, STRANGER, number, "")
    async with asking(chain) as source:
        if flips(await collect_nft(source, [MINE], items, "erc721"), DAY_S):
            raise Refused("flips")
