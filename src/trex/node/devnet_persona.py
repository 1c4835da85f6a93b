"""`trex devnet persona`: people with histories on a running devnet, through its own gateway."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
from eth_account.signers.local import LocalAccount

from trex.bridge.layer import Layer
from trex.chain.dev.accounts import ACCOUNTS
from trex.node.badge_files import JSON, json_of
from trex.node.devnet_people import DEPLOYER, ETHER, Person, deeds, dev_contracts, person
from trex.node.persona import GATEWAY, NODE, Place, opened, run
from trex.passport.keys import Role
from trex.rpc.errors import RefusedError
from trex.sdk.gateway import PersonaGatewayError, SignedIn
from trex.settlement.l1.transaction import Fees, Intent, account_of, sign
from trex.types.evm import checksum_address
from trex.types.primitives import Address, Gas, Wei

AT_ONCE = 4
"""People who act at the same time."""
FUNDER = 9
"""Account of the devnet that gives them ether."""
RECEIPT_S = 120.0
POLL_S = 0.1
TIP_WEI = Wei(1_000_000)


@dataclass(frozen=True, slots=True)
class Made:
    """What a person has come to."""

    person: Person
    """Who."""
    passport: int
    """Number of the passport."""
    badges: dict[str, int]
    """Levels by policy."""
    outcomes: Counter[str]
    """How the policies were decided."""
    signed_in: SignedIn
    """At the gateway."""


@dataclass(frozen=True, slots=True)
class More:
    """What people do beside what all people of a devnet do."""

    deeds: Callable[[Person, int], list[Intent]] = lambda _who, _at: []
    """What one of their wallets does afterwards."""
    shows: Callable[[Person, SignedIn], Awaitable[None]] | None = None
    """What they show the gateway before they ask for badges."""
    wants: Callable[[Person, str], bool] = lambda _who, _policy: True
    """Whether they ask for the badge of a policy, by its name."""


@click.command()
@click.option("--people", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same people.")
@NODE
@GATEWAY
@JSON
def persona(people: int, seed: int, node_url: str, gateway_url: str, as_json: bool) -> None:
    """Make people with histories: wallets, passports, links, tokens, collectibles, badges.

    For a devnet with its gateway (--gateway-port). Wallets act on the chain, sign in, are linked, and ask for
    every badge that the gateway offers; its validators decide. What is there already stays: run again, after
    an interruption or for more people, it makes what is missing. Their keys follow from the seed.
    """

    async def work() -> list[Made]:
        async with opened(node_url, gateway_url) as place:
            if not place.is_devnet:
                raise click.UsageError("made-up people are for a devnet: this node is of another network")
            place.needed_gateway()
            return await make(place, seed, people)

    made = run(work)
    if as_json:
        click.echo(json_of({"seed": seed, "people": [_told(one) for one in made]}))
        return
    total = sum((one.outcomes for one in made), Counter())
    granted = sum(len(one.badges) for one in made)
    click.echo(f"{len(made)} people, {granted} badges; newly decided: {_counts(total)}")


async def make(place: Place, seed: int, count: int, more: More = More()) -> list[Made]:
    """Make people, or what is missing of them."""
    everybody = [person(seed, number) for number in range(count)]
    await _prepare(place, everybody)
    gate, done = asyncio.Semaphore(AT_ONCE), 0

    async def one(who: Person) -> Made:
        nonlocal done
        async with gate:
            found = await _make(place, seed, everybody, who, more)
        done += 1
        told = f"passport {found.passport}, {len(who.wallets)} wallets, {len(found.badges)} badges"
        click.echo(f"person {who.number + 1} ({done} of {count}): {told}", err=True)
        return found

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(who)) for who in everybody]
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from faults
    return [task.result() for task in tasks]


async def _prepare(place: Place, everybody: Sequence[Person]) -> None:
    """Bring the contracts, and give each wallet that has done nothing yet what it begins with."""
    funder = account_of(ACCOUNTS[FUNDER].key)
    chain = Layer("the devnet", place.client.rpc, place.client.contracts.chain_id, funder)
    for contract in dev_contracts():
        if await place.client.rpc.call("eth_getCode", _hex(contract.address), "latest") == "0x":
            await chain.send(DEPLOYER, contract.deployment)
    wallets = [(one, ether) for who in everybody for one, ether in zip(who.wallets, who.ether, strict=True)]
    asked = [(_hex(one.address), "latest") for one, _ in wallets]
    nonces = await place.client.rpc.batch("eth_getTransactionCount", asked)
    balances = await place.client.rpc.batch("eth_getBalance", asked)
    gifts = [
        Intent(one.address, b"", Gas(21_000), Wei(int(ether * ETHER)))
        for (one, ether), nonce, balance in zip(wallets, nonces, balances, strict=True)
        if nonce == "0x0" and int(balance, 16) < int(ether * ETHER)
    ]
    await send_all(place, funder, gifts)


async def _make(place: Place, seed: int, everybody: Sequence[Person], who: Person, more: More) -> Made:
    gateway = place.needed_gateway()
    plans = deeds(seed, everybody, who, place.client.contracts)
    for at, (wallet, plan) in enumerate(zip(who.wallets, plans, strict=True)):
        plan += more.deeds(who, at)
        done = int(await place.client.rpc.call("eth_getTransactionCount", _hex(wallet.address), "latest"), 16)
        await send_all(place, account_of(wallet.private_key), plan[done:])
    signed_in = await gateway.create(who.wallets[0])
    for other in who.linked:
        passport, role = await place.client.passport_of(other.key)
        if role is Role.NONE and passport == 0:
            await gateway.link(signed_in, other)
    if more.shows:
        await more.shows(who, signed_in)
    return await _ask_for_badges(place, who, signed_in, more)


async def _ask_for_badges(place: Place, who: Person, signed_in: SignedIn, more: More) -> Made:
    """Ask for every badge that is offered and not held yet; the validators decide."""
    gateway, outcomes = place.needed_gateway(), Counter[str]()
    told = await gateway.ask("GET", f"/v1/passports/{signed_in.passport}")
    badges = {one["name"]: one["level"] for one in told["badges"] if one["state"] == "granted"}
    jobs: list[tuple[str, int, int]] = []
    for offer in await gateway.policies():
        if offer["name"] in badges or not more.wants(who, offer["name"]):
            continue
        try:
            granted = await gateway.grant(signed_in, offer["slug"])
        except PersonaGatewayError as error:
            if error.code not in ("refused", "undecided"):
                raise
            outcomes[error.code] += 1
            continue
        outcomes["granted"] += 1
        jobs.append((offer["name"], granted.level, granted.job))
    for name, level, job in jobs:
        await gateway.done(signed_in, job)
        badges[name] = level
    return Made(who, signed_in.passport, badges, outcomes, signed_in)


async def send_all(place: Place, account: LocalAccount, intents: Sequence[Intent]) -> None:
    """Send an account's transactions one behind the other and wait until all are in blocks.

    Raises:
        click.ClickException: one of them failed, or they are in no block in time.
    """
    if not intents:
        return
    rpc, sender = place.client.rpc, _hex(Address(bytes.fromhex(account.address[2:])))
    nonce = int(await rpc.call("eth_getTransactionCount", sender, "pending"), 16)
    head = await rpc.call("eth_getBlockByNumber", "latest", False)
    fees = Fees(Wei(4 * int(head["baseFeePerGas"], 16) + TIP_WEI), TIP_WEI)
    chain_id = place.client.contracts.chain_id
    hashes = []
    for offset, intent in enumerate(intents):
        signed = sign(intent, account, chain_id, nonce + offset, fees)
        try:
            await rpc.call("eth_sendRawTransaction", _hex(signed.raw))
        except RefusedError as error:
            raise click.ClickException(f"{account.address}: not taken: {error.message}") from error
        hashes.append(_hex(signed.hash))
    for _ in range(int(RECEIPT_S / POLL_S)):
        receipts = await rpc.batch("eth_getTransactionReceipt", [(one,) for one in hashes])
        if all(receipts):
            break
        await asyncio.sleep(POLL_S)
    else:
        raise click.ClickException(f"{account.address}: no block took its transactions in {RECEIPT_S:.0f} s")
    if failed := [one["transactionHash"] for one in receipts if one["status"] != "0x1"]:
        raise click.ClickException(f"{account.address}: transaction {failed[0]} failed")


def _told(one: Made) -> dict[str, Any]:
    wallets = [
        {"address": checksum_address(wallet.address), "privateKey": _hex(wallet.private_key)}
        for wallet in one.person.wallets
    ]
    return {
        "passport": one.passport,
        "wallets": wallets,
        "solana": one.person.solana.key.data.hex() if one.person.solana else None,
        "badges": one.badges,
        "decided": dict(one.outcomes),
    }


def _counts(total: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(total.items())) or "nothing"


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
