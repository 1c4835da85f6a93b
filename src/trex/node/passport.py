"""`trex passport`: who acts for a passport, its guardians, recovery, and moving wallets."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from trex.node.badge_files import JSON, json_of
from trex.node.keys import key_options
from trex.node.persona import GATEWAY, NODE, Place, opened, run
from trex.passport.keys import Key
from trex.passport.texts import TextError, account_text, read_account, write_date
from trex.sdk.gateway import GatewayClient, SignedIn, key_json, key_of
from trex.sdk.wallets import EvmWallet
from trex.types.primitives import Hash32

F = TypeVar("F", bound=Callable[..., Any])
PASSPORT = click.argument("number", metavar="PASSPORT", type=click.IntRange(1, 2**96 - 1))
SUBJECTS = ("removal", "guardians", "recovery")


@click.group()
def passport() -> None:
    """Passports: keys, guardians, recovery, moving wallets."""


def signing(command: F) -> F:
    """Add what every command has that signs by the gateway."""
    for add in (JSON, key_options, GATEWAY, NODE):
        command = add(command)
    return command


def _signed_in(
    work: Callable[[Place, GatewayClient, SignedIn], Awaitable[dict[str, Any]]], options: dict[str, Any]
) -> dict[str, Any]:
    """Sign the key in and work."""
    account: int | None = options["account"]

    async def whole() -> dict[str, Any]:
        async with opened(options["node_url"], options["gateway_url"]) as place:
            gateway = place.needed_gateway()
            who = await gateway.sign_in(EvmWallet(bytes(place.account(account, options["keystore"]).key)))
            return await work(place, gateway, who)

    return run(whole)


def _tell(found: dict[str, Any], text: str, options: dict[str, Any]) -> None:
    click.echo(json_of(found) if options["as_json"] else text)


@passport.command()
@PASSPORT
@NODE
@JSON
def show(number: int, node_url: str, as_json: bool) -> None:
    """Show PASSPORT as the chain has it: keys, guardians, what waits and until when."""

    async def work() -> dict[str, Any]:
        async with opened(node_url, "") as place:
            return await _shown(place, number)

    found = run(work)
    if as_json:
        click.echo(json_of(found))
        return
    click.echo(f"passport {number}, generation {found['generation']}")
    for key in found["keys"]:
        click.echo(f"  {key['role']} {key['account']}")
    guardians = found["guardians"]
    if guardians["keyIds"]:
        quorum = f"{guardians['quorum']} open, {guardians['overrideQuorum']} confirm"
        click.echo(f"  {len(guardians['keyIds'])} guardians: {quorum}")
    for name in SUBJECTS:
        if (waits := found["pending"][name]) is not None:
            when = write_date(waits["readyAtS"]) if waits["readyAtS"] else "stopped until it is confirmed"
            click.echo(f"  {name} pending: {when}")


async def _shown(place: Place, number: int) -> dict[str, Any]:
    state = await place.client.state(number)
    if state is None:
        raise click.ClickException(f"there is no passport {number}")
    keys = await place.client.keys(number)

    def waits(there: bool, ready_s: int, **more: Any) -> dict[str, Any] | None:
        return {"readyAtS": ready_s, **more} if there else None

    recovery, removal = state.recovery_key_id, state.removal_key_id
    return {
        "passport": number,
        "generation": state.generation,
        "keys": [
            {"account": _name(one.key), "role": one.role.name.lower(), "keyId": f"0x{one.key.id.hex()}"}
            for one in keys
        ],
        "guardians": {
            "keyIds": [f"0x{one.hex()}" for one in state.guardian_ids],
            "quorum": state.quorum,
            "overrideQuorum": state.override_quorum,
        },
        "pending": {
            "removal": waits(removal is not None, state.removal_ready_at_s, keyId=_hex(removal)),
            "guardians": waits(
                bool(state.guardians_ready_at_s),
                state.guardians_ready_at_s,
                keyIds=[_hex(one) for one in state.next_guardian_ids],
            ),
            "recovery": waits(
                recovery is not None,
                state.recovery_ready_at_s,
                newKeyId=_hex(recovery),
                vetoedAtS=state.recovery_vetoed_at_s,
                confirmed=state.recovery_confirmed,
            ),
        },
    }


def _hex(value: Hash32 | None) -> str:
    return "" if value is None else f"0x{value.hex()}"


def _name(key: Key) -> str:
    return "passkey" if key.kind.name == "PASSKEY" else account_text(key)


def _of(told: str) -> Key:
    """Read an account of EVM or Solana."""
    try:
        return read_account(told)
    except TextError as error:
        raise click.BadParameter(str(error)) from error


@passport.command()
@PASSPORT
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT]...")
@click.option(
    "--quorum", type=click.IntRange(0, 16), default=1, show_default=True, help="To open a recovery."
)
@click.option(
    "--override", type=click.IntRange(0, 16), help="To confirm after a veto; default is all of them."
)
@signing
def guardians(
    number: int, accounts: tuple[str, ...], quorum: int, override: int | None, **options: Any
) -> None:
    """Ask for ACCOUNTs as the guardians of PASSPORT; in force by `execute` after 14 days."""
    ids = sorted(_of(one).id for one in accounts)
    most = len(ids) if override is None else override

    async def work(_: Place, gateway: GatewayClient, who: SignedIn) -> dict[str, Any]:
        act = {
            "act": "guardians",
            "passport": number,
            "actor": key_json(who.wallet.key),
            "keyIds": [f"0x{one.hex()}" for one in ids],
            "quorum": quorum if ids else 0,
            "overrideQuorum": most,
        }
        job = await gateway.act(who, act, [who.wallet])
        await gateway.done(who, job)
        return {"passport": number, "guardians": len(ids), "job": job}

    found = _signed_in(work, options)
    _tell(
        found, f"{len(ids)} guardians asked for: trex passport execute {number} guardians in 14 days", options
    )


@passport.command()
@PASSPORT
@signing
def recover(number: int, **options: Any) -> None:
    """Ask the guardians of PASSPORT to recover it for the signing key, which is new to it."""

    async def work(_: Place, gateway: GatewayClient, who: SignedIn) -> dict[str, Any]:
        return await gateway.recover(who, number)

    found = _signed_in(work, options)
    said = f"{found['needed']} guardians approve it by: trex passport approve {number}"
    _tell(found, said, options)


@passport.command()
@PASSPORT
@click.argument("purpose", type=click.Choice(("confirm", "withdraw", "veto-guardians")))
@signing
def propose(number: int, purpose: str, **options: Any) -> None:
    """Ask the other guardians of PASSPORT to confirm or withdraw a recovery, or stop other guardians."""

    async def work(_: Place, gateway: GatewayClient, who: SignedIn) -> dict[str, Any]:
        return await gateway.ask_guardians(who, number, purpose)

    found = _signed_in(work, options)
    said = f"{found['needed']} guardians approve it by: trex passport approve {number}"
    _tell(found, said, options)


@passport.command()
@PASSPORT
@click.option("--for", "new_account", default="", help="The new key, as its person told you.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@signing
def approve(number: int, new_account: str, yes: bool, **options: Any) -> None:
    """Approve, as a guardian, what is asked of PASSPORT's guardians."""

    async def work(_: Place, gateway: GatewayClient, who: SignedIn) -> dict[str, Any]:
        listed = [one for one in await gateway.recoveries(who, number, new_account) if one["job"] is None]
        if not listed:
            raise click.ClickException(f"nothing is asked of the guardians of passport {number}")
        keys = {_name(key_of(one["newKey"])) for one in listed if one["newKey"]}
        if len(keys) > 1:
            raise click.ClickException(f"{len(keys)} new keys are asked for: name the person's by --for")
        asked = max(listed, key=lambda one: int(one["number"]))
        new = f", new key {_name(key_of(asked['newKey']))}" if asked["newKey"] else ""
        if not yes:
            click.confirm(f"{asked['purpose']} for passport {number}{new}?", abort=True, err=True)
        found = await gateway.approve(who, asked)
        if found["job"] is not None:
            await gateway.done(who, found["job"])
        return found

    found = _signed_in(work, options)
    done = "on the chain" if found["job"] is not None else "waits for the others"
    _tell(found, f"{found['approved']} of {found['needed']} approvals: {done}", options)


@passport.command()
@PASSPORT
@click.argument("subject", type=click.Choice(SUBJECTS))
@signing
def veto(number: int, subject: str, **options: Any) -> None:
    """Stop what is pending on PASSPORT, as a key that acts for it."""

    async def work(_: Place, gateway: GatewayClient, who: SignedIn) -> dict[str, Any]:
        act = {"act": "veto", "passport": number, "actor": key_json(who.wallet.key), "subject": subject}
        job = await gateway.act(who, act, [who.wallet])
        await gateway.done(who, job)
        return {"passport": number, "subject": subject, "job": job}

    _tell(_signed_in(work, options), f"{subject} of passport {number} stopped", options)


@passport.command()
@PASSPORT
@click.argument("subject", type=click.Choice(SUBJECTS))
@signing
def execute(number: int, subject: str, **options: Any) -> None:
    """Carry out what has waited for its time on PASSPORT; anyone may."""

    async def work(_: Place, gateway: GatewayClient, who: SignedIn) -> dict[str, Any]:
        job = await gateway.execute(who, number, subject)
        await gateway.done(who, job)
        return {"passport": number, "subject": subject, "job": job}

    _tell(_signed_in(work, options), f"{subject} of passport {number} carried out", options)


@passport.command()
@click.argument("wallet", metavar="ACCOUNT")
@signing
def move(wallet: str, **options: Any) -> None:
    """Begin, and 45 days later complete, the move of a linked ACCOUNT to the signing key's passport."""

    async def work(_: Place, gateway: GatewayClient, who: SignedIn) -> dict[str, Any]:
        job, moving = await gateway.move(who, _of(wallet))
        await gateway.done(who, job)
        return {"account": wallet, "moving": moving, "job": job}

    found = _signed_in(work, options)
    said = "begun: its holder may object; again in 45 days" if found["moving"] else "it is this passport's"
    _tell(found, f"{wallet}: {said}", options)
