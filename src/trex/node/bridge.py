"""`trex bridge`: ether and tokens between L1 and this chain."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click

from trex.bridge import deposits, tokens, withdrawals
from trex.bridge.deposits import DepositStage, DepositStatus
from trex.bridge.errors import BridgeError
from trex.bridge.layer import Layer, Receipt, pause
from trex.bridge.withdrawals import Exit, Stage, Withdrawal, WithdrawalStatus
from trex.node.devnet_l1 import NETWORK
from trex.node.files import data_home
from trex.node.keys import key_options, read_account
from trex.rpc.endpoint import Endpoint
from trex.settlement.deposits import Deposit
from trex.settlement.l1.errors import L1Error
from trex.settlement.watch import genesis_origin
from trex.types.evm import checksum_address
from trex.types.network import L1Settlement, Network
from trex.types.network_file import NetworkFileError, read_network
from trex.types.primitives import Address, Hash32

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
ETHER_DECIMALS = 18
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Context:
    """What every command of the bridge has."""

    l1: Layer
    l2: Layer
    network: Network
    settlement: L1Settlement
    as_json: bool

    def say(self, text: str) -> None:
        """Tell progress, on standard error."""
        click.echo(text, err=True)

    def done(self, answer: dict[str, Any], text: str) -> None:
        """Tell the result, on standard output."""
        click.echo(json.dumps(answer) if self.as_json else text)


def _address(_: click.Context, parameter: click.Parameter, text: str | None) -> Address | None:
    if text is None:
        return None
    if not re.fullmatch("0x[0-9a-fA-F]{40}", text):
        raise click.BadParameter(f"{text!r} is not an address", param=parameter)
    return Address(bytes.fromhex(text[2:]))


def _transaction(_: click.Context, parameter: click.Parameter, text: str) -> Hash32:
    if not re.fullmatch("0x[0-9a-fA-F]{64}", text):
        raise click.BadParameter(f"{text!r} is not a transaction's hash", param=parameter)
    return Hash32(bytes.fromhex(text[2:]))


TRANSACTION = click.argument("transaction", callback=_transaction, metavar="TX")
WAIT = click.option("--wait", is_flag=True, help="Wait until it can be done, and do it then.")


def bridge_options(command: F) -> F:
    """Add the options of every command of the bridge."""
    for add in (
        click.option("--json", "as_json", is_flag=True, help="Answer in JSON, on one line."),
        click.option(
            "--l2",
            "l2_url",
            envvar="TREX_L2",
            show_envvar=True,
            default="http://127.0.0.1:9545",
            show_default=True,
            help="JSON-RPC endpoint of this chain.",
        ),
        click.option(
            "--l1",
            "l1_url",
            envvar="TREX_L1",
            show_envvar=True,
            default="http://127.0.0.1:8545",
            show_default=True,
            help="JSON-RPC endpoint of L1.",
        ),
        click.option(
            "--network",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            envvar="TREX_NETWORK",
            show_envvar=True,
            help="The network file; by default that of the devnet in its usual folder.",
        ),
    ):
        command = add(command)
    return command


def to_and_token(command: F) -> F:
    """Add the options of what is moved, and to whom."""
    for add in (
        click.option(
            "--collection",
            callback=_address,
            metavar="ADDRESS",
            help="An ERC-721: AMOUNT is a token's number.",
        ),
        click.option("--token", callback=_address, metavar="ADDRESS", help="An ERC-20 instead of ether."),
        click.option(
            "--to", callback=_address, metavar="ADDRESS", help="Who gets it; by default the sender."
        ),
        click.argument("amount"),
    ):
        command = add(command)
    return command


@asynccontextmanager
async def opened(
    network: Path | None,
    l1_url: str,
    l2_url: str,
    as_json: bool,
    account: Callable[[int], Any] | None = None,
) -> AsyncIterator[Context]:
    """Read the network file and name both layers, checked to be the network's."""
    file = network or data_home() / "devnet-l1" / NETWORK
    if not file.exists():
        raise click.UsageError(f"name the network file with --network: there is no devnet's at {file}")
    try:
        known = read_network(file.read_bytes())
    except NetworkFileError as error:
        raise click.ClickException(f"{file}: {error}") from error
    if known.l1 is None:
        raise click.ClickException(f"{file} has no section l1: `trex l1 deploy` writes one")
    signer = account(known.l1.chain_id) if account else None
    async with aiohttp.ClientSession() as session:
        l1 = Layer("L1", Endpoint(l1_url, session, timeout_s=TIMEOUT_S), known.l1.chain_id, signer)
        l2 = Layer("L2", Endpoint(l2_url, session, timeout_s=TIMEOUT_S), known.chain_id, signer)
        for layer in (l1, l2):
            await layer.reader.check_chain()
        await genesis_origin(l1.reader, known)
        yield Context(l1, l2, known, known.l1, as_json)


def run_in_words(work: Callable[[], Awaitable[T]]) -> T:
    """Run a command; what goes wrong is said in words."""

    async def main() -> T:
        return await work()

    try:
        return asyncio.run(main())
    except BridgeError as error:
        after = f" (in {duration(error.seconds)})" if error.seconds else ""
        raise click.ClickException(f"{error}{after}") from error
    except L1Error as error:
        raise click.ClickException(str(error)) from error


@click.group()
def bridge() -> None:
    """Move ether and tokens between L1 and this chain.

    A deposit is one transaction on L1. A withdrawal is one on L2 and two on L1: `withdraw`, `prove`,
    `finalize`. Nothing is kept on this machine: any step can be taken from anywhere, by the hash of the
    first transaction, which `status` tells all about.
    """


@bridge.command()
@to_and_token
@click.option(
    "--l2-token",
    callback=_address,
    metavar="ADDRESS",
    help="What stands for it on L2; by default the first made.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait until it has arrived.")
@key_options
@bridge_options
def deposit(
    amount: str,
    to: Address | None,
    token: Address | None,
    collection: Address | None,
    l2_token: Address | None,
    no_wait: bool,
    account: int | None,
    keystore: Path | None,
    **shared: Any,
) -> None:
    """Bring AMOUNT of ether (or of a token) from L1 to this chain."""

    async def work() -> None:
        async with opened(account=lambda chain: read_account(account, keystore, chain), **shared) as context:
            l1, settlement = context.l1, context.settlement
            receiver = to or l1.address
            source = token or collection
            if source is None:
                wei = _units(amount, ETHER_DECIMALS)
                receipt = await deposits.deposit_ether(l1, settlement, receiver, wei)
            else:
                twin = l2_token or await tokens.counterpart(l1, context.l2, source, collection is not None)
                if collection is not None:
                    receipt = await deposits.deposit_collectible(
                        l1, settlement, collection, twin, receiver, _number(amount)
                    )
                else:
                    kind = await tokens.read_token(l1, source)
                    receipt = await deposits.deposit_token(
                        l1, settlement, source, twin, receiver, _units(amount, kind.decimals)
                    )
            (made,) = deposits.deposits_of(receipt, settlement)
            context.say(f"on L1 in block {receipt.block_number}: {_hex(receipt.transaction)}")
            status = await deposits.deposit_status(context.l2, made)
            if not no_wait:
                context.say(f"waiting for L2 transaction {_hex(status.l2_transaction)}")
                status = await deposits.arrival(context.l2, made)
            _tell_deposit(context, receipt, status)

    run_in_words(work)


@bridge.command()
@to_and_token
@click.option("--finish", is_flag=True, help="Wait, prove and finalize as well.")
@key_options
@bridge_options
def withdraw(
    amount: str,
    to: Address | None,
    token: Address | None,
    collection: Address | None,
    finish: bool,
    account: int | None,
    keystore: Path | None,
    **shared: Any,
) -> None:
    """Begin to bring AMOUNT of ether (or of a token) from this chain to L1."""

    async def work() -> None:
        async with opened(account=lambda chain: read_account(account, keystore, chain), **shared) as context:
            l2 = context.l2
            receiver = to or l2.address
            if collection is not None:
                receipt = await withdrawals.withdraw_collectible(l2, collection, receiver, _number(amount))
            elif token is not None:
                kind = await tokens.read_token(l2, token)
                units = _units(amount, kind.decimals)
                receipt = await withdrawals.withdraw_token(l2, token, receiver, units)
            else:
                receipt = await withdrawals.withdraw_ether(l2, receiver, _units(amount, ETHER_DECIMALS))
            (made,) = withdrawals.withdrawals_of(receipt)
            way = Exit(context.l1, l2, context.settlement)
            context.say(f"on L2 in block {receipt.block_number}: {_hex(receipt.transaction)}")
            if finish:
                await _until(context, way, made, {Stage.UNCLAIMED})
                context.say(f"proven: {_hex((await way.prove(made)).transaction)}")
                await _until(context, way, made, {Stage.MATURING})
                context.say(f"finalized: {_hex((await way.finalize(made)).transaction)}")
            _tell_withdrawal(context, receipt.transaction, made, await way.status(made))

    run_in_words(work)


@bridge.command()
@TRANSACTION
@WAIT
@key_options
@bridge_options
def prove(transaction: Hash32, wait: bool, account: int | None, keystore: Path | None, **shared: Any) -> None:
    """Prove on L1 that TX on this chain began a withdrawal."""
    _step_of_withdrawal(transaction, wait, account, keystore, shared, Stage.UNCLAIMED, "proven", Exit.prove)


@bridge.command()
@TRANSACTION
@WAIT
@key_options
@bridge_options
def finalize(
    transaction: Hash32, wait: bool, account: int | None, keystore: Path | None, **shared: Any
) -> None:
    """Carry out on L1 the withdrawal that TX on this chain began."""
    _step_of_withdrawal(
        transaction, wait, account, keystore, shared, Stage.MATURING, "finalized", Exit.finalize
    )


@bridge.command()
@TRANSACTION
@key_options
@bridge_options
def replay(transaction: Hash32, account: int | None, keystore: Path | None, **shared: Any) -> None:
    """Repeat what arrived and failed there: of a deposit (TX on L1) or of a withdrawal (TX on this chain)."""

    async def work() -> None:
        async with opened(account=lambda chain: read_account(account, keystore, chain), **shared) as context:
            found = await _found(context, transaction)
            if isinstance(found, Withdrawal):
                way = _exit(context)
                await way.replay(found)
                _tell_withdrawal(context, transaction, found, await way.status(found))
                return
            receipt, made = found
            await deposits.replay_deposit(context.l2, made)
            _tell_deposit(context, receipt, await deposits.deposit_status(context.l2, made))

    run_in_words(work)


@bridge.command()
@TRANSACTION
@bridge_options
def status(transaction: Hash32, **shared: Any) -> None:
    """Tell how far the deposit (TX on L1) or the withdrawal (TX on this chain) is, and what comes next."""

    async def work() -> None:
        async with opened(**shared) as context:
            found = await _found(context, transaction)
            if isinstance(found, Withdrawal):
                _tell_withdrawal(context, transaction, found, await _exit(context).status(found))
                return
            receipt, made = found
            _tell_deposit(context, receipt, await deposits.deposit_status(context.l2, made))

    run_in_words(work)


@bridge.command()
@click.option("--token", callback=_address, metavar="ADDRESS", help="An ERC-20 of L1.")
@click.option("--collection", callback=_address, metavar="ADDRESS", help="An ERC-721 of L1.")
@key_options
@bridge_options
def token(
    token: Address | None,
    collection: Address | None,
    account: int | None,
    keystore: Path | None,
    **shared: Any,
) -> None:
    """Have a token made on this chain that stands for one of L1; anyone may, once is enough."""
    source = token or collection
    if source is None or (token and collection):
        raise click.UsageError("name one: --token or --collection")

    async def work() -> None:
        async with opened(account=lambda chain: read_account(account, keystore, chain), **shared) as context:
            make = tokens.make_collection if collection is not None else tokens.make_token
            made = await make(context.l1, context.l2, source)
            text = checksum_address(made)
            context.done({"l1Token": checksum_address(source), "l2Token": text}, text)

    run_in_words(work)


# Finding and telling.


def _exit(context: Context) -> Exit:
    return Exit(context.l1, context.l2, context.settlement)


async def _withdrawal(context: Context, transaction: Hash32) -> Withdrawal:
    receipt = await context.l2.receipt(transaction)
    if receipt is None:
        raise BridgeError("not_found", f"this chain has no transaction {_hex(transaction)}")
    found = withdrawals.withdrawals_of(receipt)
    if len(found) != 1:
        raise BridgeError("bad_request", f"{_hex(transaction)} began {len(found)} withdrawals, not one")
    return found[0]


async def _found(context: Context, transaction: Hash32) -> Withdrawal | tuple[Receipt, Deposit]:
    """Look for a transaction on both layers."""
    receipt = await context.l1.receipt(transaction)
    if receipt is None:
        return await _withdrawal(context, transaction)
    found = deposits.deposits_of(receipt, context.settlement)
    if len(found) != 1:
        raise BridgeError("bad_request", f"{_hex(transaction)} on L1 made {len(found)} deposits, not one")
    return receipt, found[0]


def _step_of_withdrawal(
    transaction: Hash32,
    wait: bool,
    account: int | None,
    keystore: Path | None,
    shared: Mapping[str, Any],
    before: Stage,
    done: str,
    act: Callable[[Exit, Withdrawal], Awaitable[Receipt]],
) -> None:
    """Do one act of a withdrawal on L1, after the stage `before` if it may be waited for."""

    async def work() -> None:
        async with opened(account=lambda chain: read_account(account, keystore, chain), **shared) as context:
            made, way = await _withdrawal(context, transaction), _exit(context)
            if wait:
                await _until(context, way, made, {before})
            receipt = await act(way, made)
            context.say(f"{done}: {_hex(receipt.transaction)}")
            _tell_withdrawal(context, transaction, made, await way.status(made))

    run_in_words(work)


async def _until(context: Context, way: Exit, made: Withdrawal, waiting: set[Stage]) -> None:
    """Wait while a withdrawal is at one of these stages, telling how long it still takes."""
    told = ""
    while (now := await way.status(made)).stage in waiting:
        text = now.stage.value if now.seconds is None else f"{now.stage.value}: {_left(now)}"
        if text != told:
            context.say(text)
            told = text
        await pause()


def _tell_deposit(context: Context, receipt: Receipt, now: DepositStatus) -> None:
    answer = {
        "kind": "deposit",
        "stage": now.stage.value,
        "l1Transaction": _hex(receipt.transaction),
        "l1Block": now.l1_block,
        "l2Transaction": _hex(now.l2_transaction),
        "l2Block": now.l2_block,
    }
    text = f"{now.stage.value}: L2 transaction {_hex(now.l2_transaction)}"
    if now.l2_block is not None:
        text += f" in block {now.l2_block}"
    if now.stage is DepositStage.FAILED:
        text += f"\nnext: trex bridge replay {_hex(receipt.transaction)}"
    context.done(answer, text)


def _tell_withdrawal(context: Context, transaction: Hash32, made: Withdrawal, now: WithdrawalStatus) -> None:
    name = _hex(transaction)
    step = {Stage.PROVABLE: "prove", Stage.FINALIZABLE: "finalize", Stage.FAILED: "replay"}.get(now.stage)
    after = {Stage.UNCLAIMED: "prove --wait", Stage.MATURING: "finalize --wait"}.get(now.stage)
    answer = {
        "kind": "withdrawal",
        "stage": now.stage.value,
        "seconds": now.seconds,
        "l2Transaction": name,
        "l2Block": made.l2_block,
        "withdrawalHash": _hex(made.hash),
        "next": step or (after.split()[0] if after else None),
    }
    text = now.stage.value
    if now.seconds:
        text += f": {_left(now)}"
    if now.claim_l2_block is not None:
        text += f" (it is in block {made.l2_block}, the newest claim is about {now.claim_l2_block})"
    if step or after:
        text += f"\nnext: trex bridge {step or after} {name}"
    context.done(answer, text)


def _left(now: WithdrawalStatus) -> str:
    """Return how long it takes; how soon the next claim comes nobody promises."""
    about = "about " if now.stage is Stage.UNCLAIMED else ""
    return about + duration(now.seconds or 0)


# Reading and writing amounts.


def _units(text: str, decimals: int) -> int:
    """Read an amount of a token with so many decimals."""
    try:
        amount = Decimal(text).scaleb(decimals)
    except InvalidOperation:
        raise BridgeError("bad_request", f"{text!r} is no amount") from None
    if not amount.is_finite() or amount <= 0 or amount != amount.to_integral_value() or amount >= 1 << 256:
        raise BridgeError("bad_request", f"{text} is not an amount with at most {decimals} decimals")
    return int(amount)


def _number(text: str) -> int:
    """Read a token's number."""
    if not re.fullmatch("[0-9]{1,78}", text) or int(text) >= 1 << 256:
        raise BridgeError("bad_request", f"{text!r} is no number of a token")
    return int(text)


def duration(seconds: int) -> str:
    """Write a time for people."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds} s"


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
