"""Attacks on sources of evidence: metadata that lead elsewhere, endpoints that lie, reorganised chains."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from tests.adversarial.chain import Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.serving import endpoint
from tests.adversarial.test_evidence import (
    MINE,
    MOVE,
    NOBODY,
    ONCHAIN,
    STRANGER,
    asking,
    coin,
    contract,
    run,
)

from trex.badges.policy import read_policy
from trex.validators.onchain.activity import count, read_signature
from trex.validators.onchain.collect_activity import collect_activity
from trex.validators.onchain.collect_token import collect_token
from trex.validators.onchain.metadata import gateway, read_traits
from trex.validators.onchain.observe import observe
from trex.validators.onchain.source import EvmChain, EvmSource
from trex.validators.onchain.token import balance

# Metadata


def data_uri(*traits: str) -> str:
    shown = ",".join(f'{{"trait_type":"Rank","value":"{one}"}}' for one in traits)
    return f'data:application/json,{{"attributes":[{shown}]}}'


@attack(
    who="the maker of a collection",
    gain="an item that is gold for one reader and wood for another",
    why="a trait with two values is no trait",
    guard=Guard(
        f"{ONCHAIN}metadata.py",
        """if traits.setdefault(name, value) != value:
            raise MetadataError(f"trait {name[:40]!r} is there with two values")""",
        "ONC-023",
        "traits[name] = value",
    ),
    refusal="is there with two values",
)
async def test_trait_of_two_values(honest: bool) -> None:
    """The same trait stands there twice."""
    uri = data_uri("gold") if honest else data_uri("wood", "gold")
    assert (await read_traits(uri, 1, None))["Rank"] == "gold"


@attack(
    who="the maker of a collection",
    gain="metadata that change after the badge: what a server says today",
    why="only what is in the URI itself, or named by its content, is read",
    guard=Guard(
        f"{ONCHAIN}metadata.py",
        """if path is None or "/.." in uri:
        raise MetadataError(f"{uri[:80]!r} is neither data: nor ipfs:")""",
        "ONC-022",
        "path = path or [uri, uri]",
    ),
    refusal="is neither data: nor ipfs:",
)
async def test_metadata_that_change(honest: bool) -> None:
    """The token's URI is a server of its maker."""

    async def fetch(path: str) -> bytes:
        return b'{"attributes":[{"trait_type":"Rank","value":"gold"}]}'

    cid = "ipfs://Qm" + "a" * 44
    uri = cid if honest else "https://maker.example/1.json"
    assert (await read_traits(uri, 1, fetch))["Rank"] == "gold"


@attack(
    who="the maker of a collection",
    gain="has the gateway fetch from inside its own network, and reads what comes of it",
    why="no host of a contract's choosing is asked: a URI is data, or a path at the operator's gateway",
    guard=Guard(
        f"{ONCHAIN}metadata.py",
        """async with session.get(
                base_url.rstrip("/") + "/" + path, timeout=timeout, allow_redirects=False
            ) as answer:""",
        "ONC-022",
        "async with session.get(base_url.rstrip('/') + '/' + path, timeout=timeout) as answer:",
    ),
    refusal="the gateway answers 302",
)
async def test_redirect_inside(honest: bool) -> None:
    """Content at the gateway redirects to a service on the operator's machine (SSRF)."""
    asked: list[str] = []

    async def inside(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(body=b'{"attributes":[]}')

    async def content(request: web.Request) -> web.Response:
        if honest:
            return web.Response(body=b'{"attributes":[]}')
        raise web.HTTPFound("/inside")

    app = web.Application()
    app.router.add_get("/ipfs/{path:.*}", content)
    app.router.add_get("/inside", inside)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            fetch = gateway(f"http://127.0.0.1:{runner.addresses[0][1]}/ipfs", session)
            await read_traits("ipfs://Qm" + "a" * 44, 1, fetch)
    finally:
        await runner.cleanup()
    assert asked == ([] if honest else ["/inside"])


@attack(
    who="the maker of a collection",
    gain="has the operator's gateway asked for a path outside of its content",
    why="a path has the form of a content address and plain names",
    guard=Guard(
        f"{ONCHAIN}metadata.py",
        'if path is None or "/.." in uri:',
        "ONC-022",
        "if path is None:",
    ),
    refusal="is neither data: nor ipfs:",
)
async def test_path_out_of_the_content(honest: bool) -> None:
    """The URI climbs up from its content: `ipfs://CID/../../admin`."""
    asked: list[str] = []

    async def fetch(path: str) -> bytes:
        asked.append(path)
        return b'{"attributes":[]}'

    await read_traits("ipfs://Qm" + "a" * 44 + ("/1.json" if honest else "/../admin"), 1, fetch)
    assert asked


# Sources


@attack(
    who="one endpoint of several",
    gain="whatever balance it likes",
    why="a quorum of endpoints must say the same",
    guard=Guard(
        f"{ONCHAIN}source.py",
        """if len(same) < quorum:
                    raise SourceError(
                        "contradiction", f"endpoints differ on {method}: at most {len(same)} agree"
                    )""",
        "ONC-001",
    ),
    refusal="contradiction",
)
async def test_lying_endpoint(chain: Chain, honest: bool) -> None:
    """One of two endpoints says a thousand times the balance."""

    def lie(method: str, params: list[Any], true: Any) -> Any:
        asks_balance = method == "eth_getBalance" and not honest
        return hex(10**24) if asks_balance else true

    chain.give(f"0x{MINE.hex()}", 10**21)
    async with asking(chain, 2, lie) as source:
        found = balance(await collect_token(source, [MINE], None))
    assert found == (Decimal(1000) if honest else Decimal(10**6))


@attack(
    who="an endpoint of a testnet, or whoever runs it",
    gain="test coins count as coins",
    why="an endpoint of another chain id counts for nothing",
    guard=Guard(
        f"{ONCHAIN}source.py",
        """if chain_id != hex(self.chain.chain_id):
            raise RefusedError("wrong_chain", f"{endpoint.name} is of chain {str(chain_id)[:40]!r}")""",
        "ONC-001",
    ),
    refusal="wrong_chain",
)
async def test_endpoint_of_another_chain(chain: Chain, honest: bool) -> None:
    """The endpoint answers for chain 1628."""
    there = chain if honest else chain.elsewhere(1628)
    there.give(f"0x{MINE.hex()}", 10**21)
    async with endpoint(there) as url, aiohttp.ClientSession() as session:
        source = EvmSource(EvmChain(1962, (url,), 1, 0), session, timeout_s=300)
        assert balance(await collect_token(source, [MINE], None)) == 1000


@attack(
    who="whoever can reorganise a chain, or profits from it",
    gain="evidence of a block that is no more",
    why="the block is looked at again at the end, and must be the same",
    guard=Guard(
        f"{ONCHAIN}source.py",
        """if read_block(answer).hash != block.hash:
            raise SourceError("reorged", f"block {block.number} was replaced")""",
        "ONC-002",
    ),
    refusal="reorged",
)
async def test_reorged_evidence(chain: Chain, honest: bool) -> None:
    """The block in which the coins came is replaced while they are looked at."""
    moment = chain.core.snapshot()
    chain.wait(10)
    block = chain.core.head().number
    chain.give(f"0x{MINE.hex()}", 10**21)
    chain.wait(10)

    def replaced(method: str, params: list[Any], true: Any) -> Any:
        if method == "eth_getBalance" and not honest:
            chain.core.revert(moment)
            chain.wait(20)
            chain.wait(20)
        return true

    async with endpoint(chain, replaced) as url, aiohttp.ClientSession() as session:
        source = EvmSource(EvmChain(1962, (url,), 1, 0), session, timeout_s=300)
        found = balance(await collect_token(source, [MINE], None))
    assert found == 1000
    assert chain.core.head().number > block


@attack(
    who="anybody",
    gain="events of a known game, from a contract of their own",
    why="events are those of the named contract alone",
    guard=Guard(
        f"{ONCHAIN}source.py",
        """if address is not None:
            several = [address] if isinstance(address, bytes) else address
            query["address"] = [f"0x{one.hex()}" for one in several]""",
        "ONC-030",
    ),
    refusal="no events",
)
async def test_look_alike_game(chain: Chain, honest: bool) -> None:
    """A copy of the game emits the same events for whoever asks."""
    real, copy = contract(chain, "Game"), contract(chain, "Game")
    run(chain, real if honest else copy, "play(address,uint256)", MINE, 5)
    played = read_signature("Played(address indexed player, uint256 score)")
    async with asking(chain) as source:
        found = count(await collect_activity(source, [MINE], real, played, "player"))
    if not found:
        raise Refused("no events")


@attack(
    who="a person who sends transactions for others, or has others send for them",
    gain="deeds of others count as theirs",
    why="who acted is who the event says, among the passport's wallets",
    guard=Guard(
        f"{ONCHAIN}collect_activity.py",
        "ours = [(log, arguments) for log, arguments in found if arguments[actor] in who]",
        "ONC-030",
        "ours = found",
    ),
    refusal="no events",
)
async def test_deed_of_somebody_else(chain: Chain, honest: bool) -> None:
    """The event names a stranger as the player."""
    game = contract(chain, "Game")
    run(chain, game, "play(address,uint256)", MINE if honest else STRANGER, 5)
    scored = read_signature("Scored(address player, uint256 score)")
    async with asking(chain) as source:
        found = count(await collect_activity(source, [MINE], game, scored, "player"))
    if not found:
        raise Refused("no events")


# Several chains


@attack(
    who="whoever sends coins from one chain to another",
    gain="twice what they have: once where they were, by a block of before, and once where they are",
    why="what is added up over chains is of one moment",
    guard=Guard(
        f"{ONCHAIN}observe.py", "together = await of_one_moment(sources, together)", "ONC-017", "pass"
    ),
    refusal="10 of 20",
)
async def test_coins_on_both_sides_of_a_bridge(chain: Chain, honest: bool) -> None:
    """One chain is final late: its block is of before the coins left, the other's of after they came."""
    other = chain.elsewhere(1628)
    there, here = coin(chain), coin(other)
    run(chain, there, MOVE, NOBODY, MINE, 10**19)
    if honest:
        run(other, here, MOVE, NOBODY, MINE, 10**19)
    other.wait(60)
    chain.wait(30)
    run(chain, there, MOVE, MINE, NOBODY, 0 if honest else 10**19)  # its newest block is not final yet
    if not honest:
        run(other, here, MOVE, NOBODY, MINE, 10**19)
    places = [
        {"chain": one.core.chain_id, "token": f"0x{at.hex()}"} for one, at in ((chain, there), (other, here))
    ]
    asked = {
        "validator": "token.balance",
        "parameters": places[0] | {"also": places[1:]},
        "is": {"atLeast": "20"},
    }
    level = {"level": 1, "name": "L", "points": 1, "when": {"check": asked}}
    policy = {"version": 1, "name": "Twenty", "evidenceClass": "public", "levels": [level]}
    async with asking(chain) as late, asking(other) as early:
        late.chain = replace(late.chain, confirmations=1)
        sources = {1962: late, 1628: early}
        checks = read_policy(orjson.dumps(policy)).checks()
        (found,) = (await observe(checks, sources, [MINE], chain.now_s)).values()
    assert isinstance(found.value, Decimal)
    if found.value != 20:
        raise Refused(f"{int(found.value)} of 20")
