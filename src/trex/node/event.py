"""`trex event`: codes of an event, made by its organiser and redeemed by those who came."""

import secrets
import sys
from dataclasses import replace
from pathlib import Path

import click
from eth_account.messages import encode_defunct

from trex.node.badge_files import JSON, json_of, plain
from trex.node.keys import key_options
from trex.node.options import PATH
from trex.node.persona import GATEWAY, NODE, opened, run
from trex.node.times import now_or
from trex.sdk.wallets import EvmWallet
from trex.validators.ecosystem.codes import CodeKind, EventCode, event_id, qr_svg, write_code

PLACES = {kind.place: kind for kind in CodeKind}
LASTS_S = {CodeKind.ON_SITE: 600, CodeKind.REMOTE: 7 * 86_400}
"""How long codes count unless it is said: one that is shown at the place for minutes (ECO-002)."""


@click.group()
def event() -> None:
    """Codes of events: make and redeem them."""


@event.command()
@click.argument("name", metavar="EVENT")
@click.option("--count", type=click.IntRange(1, 100_000), default=1, show_default=True, help="How many.")
@click.option(
    "--place",
    type=click.Choice(list(PLACES)),
    default="on-site",
    show_default=True,
    help="Where they are for.",
)
@click.option("--from", "from_s", type=int, help="First second, Unix time; by default now.")
@click.option(
    "--for",
    "for_s",
    type=click.IntRange(1),
    help="Seconds that they count; by default 600 on site, 7 days remote.",
)
@click.option("--qr", "folder", type=PATH, help="Folder for a QR picture of each, 1.svg and so on.")
@NODE
@key_options
@JSON
def codes(
    name: str,
    count: int,
    place: str,
    from_s: int | None,
    for_s: int | None,
    folder: Path | None,
    node_url: str,
    account: int | None,
    keystore: Path | None,
    as_json: bool,
) -> None:
    """Make codes of EVENT, each for one person, signed by its organiser's key."""

    async def work() -> tuple[str, list[EventCode]]:
        async with opened(node_url, "") as there:
            signer, kind = there.account(account, keystore), PLACES[place]
            start = now_or(from_s)
            end = start + (for_s or LASTS_S[kind]) - 1
            id_ = event_id(there.client.contracts.chain_id, name)
            made = []
            for _ in range(count):
                code = EventCode(kind, id_, secrets.randbits(64), start, end, b"")
                signed = signer.sign_message(encode_defunct(code.signed_bytes()))
                made.append(replace(code, signature=bytes(signed.signature)))
            return str(signer.address), made

    organiser, made = run(work)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, code in enumerate(made, 1):
            (folder / f"{number}.svg").write_text(qr_svg(code))
    texts = [write_code(code) for code in made]
    if as_json:
        told = {"event": name, "eventId": f"0x{made[0].event.hex()}", "organiser": organiser, "place": place}
        times = {"notBeforeS": made[0].not_before_s, "notAfterS": made[0].not_after_s}
        click.echo(json_of(told | times | {"codes": texts}))
        return
    click.echo("\n".join(texts))


@event.command()
@click.argument("code", metavar="CODE")
@GATEWAY
@NODE
@key_options
@JSON
def redeem(
    code: str, gateway_url: str, node_url: str, account: int | None, keystore: Path | None, as_json: bool
) -> None:
    """Redeem CODE for the passport of a key; - reads it from standard input."""
    text = sys.stdin.read(4096) if code == "-" else code

    async def work() -> dict[str, object]:
        async with opened(node_url, gateway_url) as place:
            gateway = place.needed_gateway()
            who = await gateway.sign_in(EvmWallet(bytes(place.account(account, keystore).key)))
            found: dict[str, object] = await gateway.ask("POST", "/v1/events/codes", {"code": text}, who=who)
            return found

    found = run(work)
    if as_json:
        click.echo(json_of(found))
        return
    click.echo(f"{plain(str(found['event']))}, {found['place']}: redeemed")
