"""`trex devnet tour`: the whole way on real input, from wallets to an audience that is checked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from trex.badges.policy import Policy, read_policy
from trex.bridge.layer import Layer
from trex.chain.dev.accounts import ACCOUNTS
from trex.engine.bi.campaigns import HELD_OUT, REACHED, Campaign, CampaignReading, outcome
from trex.engine.bi.deeds import Deed
from trex.engine.bi.experiments import ExperimentError, measured
from trex.engine.bi.lake import view
from trex.engine.ingest.gateway import GatewaySource
from trex.engine.ingest.listen import EvmSource
from trex.engine.lake.features import DAY_S
from trex.engine.lake.lake import LakeError
from trex.engine.lake.proved import keep_policy
from trex.engine.matching.audience import Answer, Audiences
from trex.engine.matching.parse import parse
from trex.engine.matching.plan import AudienceError
from trex.engine.run import EngineSettings, open_lake
from trex.engine.run import run as run_engine
from trex.node.badge_chain import publish_policy
from trex.node.badge_files import JSON, json_of
from trex.node.devnet_people import DEPLOYER, Person, dice
from trex.node.devnet_persona import FUNDER, Made, More, make, send_all
from trex.node.devnet_platform import PLATFORM
from trex.node.files import data_home
from trex.node.logs import set_up
from trex.node.options import PATH, option
from trex.node.persona import GATEWAY, NODE, Place, opened, run
from trex.node.tour import check, claims
from trex.node.tour.market import Market, market
from trex.rpc.errors import RefusedError
from trex.sdk.gateway import SignedIn
from trex.settlement.l1.transaction import account_of
from trex.types.errors import CoreError
from trex.types.network_file import keccak256

SENTENCE = (
    "users with high DeFi activity AND a CEX VIP Level > 3 "
    "AND a 'Social Validator' badge for Twitch followers > 10,000"
)
"""Whom a growth lead looks for."""
EVERYBODY = "users with DeFi activity > 0"
"""Whom the campaign is for."""
POLICIES = ("exchange-vip", "streamer")
"""Of the tour, beside those that the gateway offers."""
PUBLISHER = 8
"""Account of the devnet that publishes them."""
ASK_ALL = 5
"""So many people ask for every badge that there is; the others for a few."""
SOME = ("Newcomer", "Bridge user", "Exchange VIP", "Streamer")
VIP_OF_LEVEL = {1: 3, 2: 5}
"""What levels of the policy `exchange-vip` prove."""
SILENT_PERCENT = 5
"""People who do not say that they agree."""
CONVERTS_PERCENT = {REACHED: 70, HELD_OUT: 15}
PAGE = 100


@dataclass(frozen=True, slots=True)
class Tour:
    """What a tour is given."""

    place: Place
    people: int
    seed: int
    folder: Path
    gateway_folder: Path
    market: Market

    @property
    def settings(self) -> EngineSettings:
        """The engine's."""
        chain = self.place.client.contracts.chain_id
        database = f"sqlite:///{self.gateway_folder / 'gateway.db'}"
        return EngineSettings(
            self.folder,
            (EvmSource(f"evm:{chain}", chain, (self.place.client.rpc.url,)),),
            (GatewaySource(f"gateway:{chain}", chain, database),),
        )


@click.command()
@option("--people", type=click.IntRange(30, 1_000), default=200, show_default=True, help="How many.")
@option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same people.")
@option("--folder", type=PATH, default=Path("engine-tour"), show_default=True, help="Of the engine's files.")
@option("--datadir", type=PATH, help="Of the devnet; by default where `trex devnet` has it.")
@option(
    "--packages",
    type=PATH,
    default=Path("node_modules"),
    show_default=True,
    help="npm's folder with Uniswap: `make setup` brings it.",
)
@NODE
@GATEWAY
@JSON
def tour(
    people: int,
    seed: int,
    folder: Path,
    datadir: Path | None,
    packages: Path,
    node_url: str,
    gateway_url: str,
    as_json: bool,
) -> None:
    """Go the whole way on a running devnet.

    Markets, people, badges, the engine, an audience, a campaign, each told as it comes.

    For a devnet with its gateway (--gateway-port). Wallets use Uniswap, a vault and collections; people link
    them, prove what exchanges and platforms say of them, and agree to be found. The engine reads chain and
    gateway, a sentence is answered, and the answer is compared with one computed from RPC alone.
    """
    set_up("warning", as_json=False)
    gateway_folder = (datadir or data_home() / "devnet-l1") / "gateway"
    if not (gateway_folder / "gateway.db").exists():
        raise click.UsageError(
            f"{gateway_folder} has no gateway's database: --datadir names the devnet's folder"
        )
    try:
        contracts, engine = market(packages), folder.absolute()
    except OSError as error:
        raise click.UsageError(f"{error.filename} is missing: `make setup`, or --packages DIR") from None

    async def work() -> dict[str, Any]:
        async with opened(node_url, gateway_url) as place:
            if not place.is_devnet:
                raise click.UsageError("made-up people are for a devnet: this node is of another network")
            place.needed_gateway()
            return await go(Tour(place, people, seed, engine, gateway_folder, contracts))

    try:
        found = run(work)
    except (AudienceError, ExperimentError, LakeError, CoreError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json_of(found))
    if found["missing"] or found["surplus"]:
        raise click.ClickException("the audience is not what chain and gateway say")


async def go(tour: Tour) -> dict[str, Any]:
    """Take the tour, and say what was found."""
    await _network(tour)
    policies = await _market(tour)
    made = await _people(tour)
    await _consent(tour, made)
    await _engine(tour, policies)
    answer, compared = await _audience(tour, policies)
    reading = await _campaign(tour, made)
    _dashboard(tour, answer)
    return {
        "people": len(made),
        "badges": sum(len(one.badges) for one in made),
        "audience": [int(match.passport) for match in answer.people],
        **compared,
        "campaign": {
            "people": dict(reading.reading.people),
            "converted": [reading.converted.control, reading.converted.treatment],
            "brought": reading.brought,
            "skewed": reading.reading.is_skewed,
        },
    }


def _say(number: int, text: str) -> None:
    click.secho(f"\n{number} of 8  {text}", bold=True, err=True)


def _tell(text: str) -> None:
    click.echo(f"        {text}", err=True)


async def _network(tour: Tour) -> None:
    _say(1, "The network")
    rpc = tour.place.client.rpc
    head = int(await rpc.call("eth_blockNumber"), 16)
    _tell(f"T-Rex, chain {tour.place.client.contracts.chain_id}, at block {head:,} ({rpc.url})")
    try:
        heads = await rpc.call("optimism_syncStatus")
    except RefusedError:
        _tell("no L1 beside it: this devnet stands alone")
        return
    safe, finalized = heads["safe_l2"]["number"], heads["finalized_l2"]["number"]
    _tell(
        f"its L1 is at block {heads['head_l1']['number']:,}: safe to block {safe:,}, final to {finalized:,}"
    )


async def _market(tour: Tour) -> dict[str, Policy]:
    """Bring contracts and policies; return the policies by their number on the chain."""
    _say(2, "A market: Uniswap v2, two tokens, a vault, collections")
    place, funder = tour.place, account_of(ACCOUNTS[FUNDER].key)
    chain = Layer("the devnet", place.client.rpc, place.client.contracts.chain_id, funder)
    fresh = False
    for contract in tour.market.contracts:
        if await place.client.rpc.call("eth_getCode", f"0x{contract.address.hex()}", "latest") == "0x":
            await chain.send(DEPLOYER, contract.deployment)
            fresh = fresh or contract is tour.market.router
    if fresh:
        await send_all(place, funder, tour.market.opening(chain.address))
    _tell(f"router 0x{tour.market.router.address.hex()}")
    found = {}
    for name in POLICIES:
        text = resources.files("trex.node.tour").joinpath("policies", f"{name}.json").read_bytes()
        policy = read_policy(text)
        told = await publish_policy(place, policy, account_of(ACCOUNTS[PUBLISHER].key))
        found[told["id"]] = policy
    _tell(f"badges to ask for: {', '.join(one['name'] for one in await place.needed_gateway().policies())}")
    return found


async def _people(tour: Tour) -> list[Made]:
    _say(3, f"{tour.people} people: wallets, passports, accounts, claims, badges")
    more = More(
        deeds=lambda who, at: tour.market.deeds(tour.seed, who, at),
        shows=lambda who, signed_in: _show(tour, who, signed_in),
        wants=lambda who, policy: who.number < ASK_ALL or policy in SOME,
    )
    made = await make(tour.place, tour.seed, tour.people, more)
    wallets = sum(len(one.person.wallets) + (one.person.solana is not None) for one in made)
    _tell(f"{wallets} wallets, {sum(len(one.badges) for one in made)} badges")
    return made


async def _show(tour: Tour, who: Person, signed_in: SignedIn) -> None:
    """Link an account of the devnet's platform, and give the gateway claims of it and of an exchange."""
    gateway = tour.place.needed_gateway()
    fall = dice(tour.seed, who.number, "standing")
    account = f"{1_000_000 + who.number}"
    level = 5 if fall.random() < 0.8 else fall.choice((0, 3))
    count = fall.randint(10_001, 900_000) if fall.random() < 0.8 else fall.randint(50, 10_000)
    held = await gateway.ask("GET", f"/v1/passports/{signed_in.passport}")
    if {"Exchange VIP", "Streamer"} & {one["name"] for one in held["badges"]}:
        return
    started = await gateway.ask("POST", f"/v1/accounts/{PLATFORM}/start", who=signed_in)
    async with tour.place.http.get(
        f"{started['url']}&{urlencode({'login': account})}", allow_redirects=False
    ) as sent_back:
        path = sent_back.headers["location"].removeprefix(gateway.url)
    linked = await gateway.ask("GET", path, who=signed_in)
    if linked["job"]:
        await gateway.done(signed_in, linked["job"])
    for page in (claims.vip(f"{7_000_000 + who.number}", level), claims.followers(account, count)):
        asked = {"provider": page.provider}
        message = (await gateway.ask("POST", "/v1/claims/messages", asked, who=signed_in))["message"]
        now_s = int(
            (await tour.place.client.rpc.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16
        )
        proof = claims.sign(page, message, now_s)
        await gateway.ask("POST", "/v1/claims", {**asked, "message": message, "proof": proof}, who=signed_in)


async def _consent(tour: Tour, made: Sequence[Made]) -> None:
    _say(4, "Who may be found")
    agreeing = [
        one for one in made if dice(tour.seed, one.person.number, "word").randrange(100) >= SILENT_PERCENT
    ]
    for one in agreeing:
        await tour.place.needed_gateway().consent(one.signed_in, "matching")
    _tell(f"{len(agreeing)} of {len(made)} agree; of the others nothing is told")


async def _engine(tour: Tour, policies: dict[str, Policy]) -> None:
    _say(5, "The engine reads chain and gateway: log, lake, graph, features")
    for policy in policies.values():
        keep_policy(tour.folder / "lake", policy.document)
    await asyncio.to_thread(run_engine, tour.settings, until_idle=True)
    con = open_lake(tour.settings).session().con
    for table in ("transactions", "transfers", "calls", "badges", "links", "consents"):
        ((count,),) = con.sql(f"SELECT count(*) FROM silver_{table}").fetchall()  # noqa: S608 - our names
        _tell(f"{table:<14}{count:>8,}")


async def _audience(tour: Tour, policies: dict[str, Policy]) -> tuple[Answer, dict[str, Any]]:
    _say(6, "The sentence")
    _tell(SENTENCE)
    contracts = tour.place.client.contracts
    seen = await check.read_chain(tour.place.client.rpc, contracts.passport, contracts.badges)
    audiences = Audiences(open_lake(tour.settings), tour.folder / "audiences", lambda: 0.0)
    people = await asyncio.to_thread(_pages, audiences, f"tour-{seen.head}")
    for match in people.people[:3]:
        reasons = "; ".join(f"{one.value} {one.unit}" for one in match.reasons)
        _tell(f"{match.rank:>3}. passport {match.passport}: {reasons}")
    names = {policy.name: number for number, policy in policies.items()}
    vip = {(names["Exchange VIP"], level): proved for level, proved in VIP_OF_LEVEL.items()}
    streaming = {(names["Streamer"], 2)}
    agreed = check.agreed(tour.gateway_folder / "gateway.db")
    wanted = check.expected(seen, agreed, vip, streaming)
    found = {int(match.passport) for match in people.people}
    _tell(
        f"{len(found)} people; {len(wanted)} by {seen.transactions:,} transactions read by RPC: "
        + ("the same" if found == wanted else "not the same")
    )
    return people, {"missing": sorted(wanted - found), "surplus": sorted(found - wanted)}


def _pages(audiences: Audiences, project: str, text: str = SENTENCE) -> Answer:
    """Every page as one."""
    query = parse(text)
    found = audiences.ask(query, project, PAGE)
    if not found.people:
        raise AudienceError(f"{text}: {'; '.join(found.notes)}: try more --people")
    people, after = list(found.people), found.next
    while after:
        page = audiences.ask(query, project, PAGE, after)
        people += page.people
        after = page.next
    return Answer(found.canonical, project, found.count, tuple(people), None, found.notes)


async def _campaign(tour: Tour, made: Sequence[Made]) -> CampaignReading:
    _say(7, "A campaign: half of an audience is reached, half held out")
    place = tour.place
    head = int(await place.client.rpc.call("eth_blockNumber"), 16)
    name = f"drop-{head}"
    kind = int.from_bytes(keccak256(name.encode())[:8])
    campaign = Campaign(
        project="tour",
        name=name,
        conversion=Deed(
            facts="transfers",
            by="recipient",
            where={"asset": f"0x{tour.market.items.address.hex()}", "token_id": str(kind), "way": "mint"},
        ),
        holdout_percent=50,
        window_days=1,
        spent=100.0,
    )
    audiences = Audiences(open_lake(tour.settings), tour.folder / "audiences", lambda: 0.0)
    audience = await asyncio.to_thread(_pages, audiences, name, EVERYBODY)
    experiment, by_passport = campaign.experiment(), {one.passport: one.person for one in made}
    met_s = int((await place.client.rpc.call("eth_getBlockByNumber", "latest", False))["timestamp"], 16)
    dealt = {match.passport: experiment.variant(match.passport) for match in audience.people}
    for passport, variant in dealt.items():
        who = by_passport.get(int(passport))
        if who and dice(tour.seed, who.number, "drop").randrange(100) < CONVERTS_PERCENT[variant]:
            await send_all(place, account_of(who.wallets[0].private_key), [tour.market.drop(kind, who)])
    await asyncio.to_thread(run_engine, tour.settings, until_idle=True)

    def read() -> CampaignReading:
        # Its window of a day is over the day after tomorrow; it is read as of then.
        seen = view(open_lake(tour.settings), campaign.project, met_s + 2 * DAY_S)
        return outcome(
            campaign, measured(seen.facts, experiment, seen.meeting(experiment, dict.fromkeys(dealt, met_s)))
        )

    found = await asyncio.to_thread(read)
    shares = ", ".join(f"{variant} {count}" for variant, count in found.reading.people.items())
    _tell(f"{shares} people (told in tens)")
    low, high = found.brought_interval
    shares = f"{found.converted.treatment:.0%} of those reached, {found.converted.control:.0%} of the others"
    _tell(f"took the item: {shares}")
    _tell(f"brought {found.brought:.1f} people, {low:.1f} to {high:.1f} at 95 %")
    return found


def _dashboard(tour: Tour, answer: Answer) -> None:
    _say(8, "One of them")
    gateway = tour.place.needed_gateway()
    _tell(f"passport {answer.people[0].passport}: {gateway.url}/passport (sign in with a wallet of theirs)")
    _tell(f'ask on: trex audience run "{EVERYBODY}" --folder {tour.folder}')
