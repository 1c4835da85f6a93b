"""`trex badge`: policies of badges, checked, explained and tried on evidence."""

import asyncio
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import aiohttp
import click
import orjson

from trex.badges.answer import decision_json
from trex.badges.catalogue import CATALOGUE, ValueKind
from trex.badges.evaluate import Finding, evaluate
from trex.badges.explain import explain as explanation
from trex.badges.observation import Observation, check_key
from trex.badges.policy import MAX_POLICY_BYTES, Policy, PolicyError, read_policy
from trex.node.times import now_or
from trex.types.decision import Outcome
from trex.types.evm import read_address
from trex.types.primitives import Address, Hash32
from trex.types.strict_json import StrictJsonError, parse_strict_json
from trex.validators.onchain.observe import observe
from trex.validators.onchain.source import EvmChain, EvmSource
from trex.validators.zktls.observe import check_fault
from trex.validators.zktls.observe import observations as claim_observations
from trex.validators.zktls.provider import ProviderError, provider_by_id
from trex.validators.zktls.template import Binding
from trex.validators.zktls.verify import PRODUCTION_ATTESTOR, Request, judge_claim

FILE = click.argument(
    "policy_file", metavar="POLICY", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
EXIT_CODES = {Outcome.GRANTED: 0, Outcome.REFUSED: 1, Outcome.UNDECIDED: 3}
"""2 is left to a wrong command line, as everywhere."""
MARKS = {Outcome.GRANTED: "yes", Outcome.REFUSED: "no ", Outcome.UNDECIDED: " ? "}
"""How a line of findings begins."""
MAX_EVIDENCE_BYTES = 8_388_608
"""Longest evidence file."""


@click.group()
def badge() -> None:
    """Policies of badges: check, explain and try them."""


@badge.command()
@FILE
@JSON
def lint(policy_file: Path, as_json: bool) -> None:
    """Check POLICY against every rule of specs/policy.md; exit code 1 names the rule broken."""
    try:
        policy = read_policy(_read(policy_file, MAX_POLICY_BYTES))
    except PolicyError as error:
        broken = {"valid": False, "path": error.path, "rule": error.rule, "reason": error.reason}
        click.echo(_json(broken) if as_json else f"{policy_file}: {error}")
        raise SystemExit(1) from error
    for check in policy.checks():
        if fault := check_fault(check):
            where = {"valid": False, "path": check.validator, "rule": "POL-022", "reason": fault}
            click.echo(_json(where) if as_json else f"{policy_file}: POL-022 {check.validator}: {fault}")
            raise SystemExit(1)
    hash_ = f"0x{policy.document_hash.hex()}"
    click.echo(_json({"valid": True, "hash": hash_}) if as_json else f"{policy_file}: valid, {hash_}")


@badge.command()
@FILE
@JSON
def explain(policy_file: Path, as_json: bool) -> None:
    """Say in words what POLICY asks."""
    policy = _policy(policy_file)
    if not as_json:
        for line in explanation(policy):
            click.echo(line)
        return
    checks = [
        {
            "validator": check.validator,
            "parameters": dict(check.parameters),
            "key": f"0x{check.key.hex()}",
            "answers": CATALOGUE[check.validator].answers.value,
            "unit": CATALOGUE[check.validator].unit,
        }
        for check in policy.checks()
    ]
    hash_ = f"0x{policy.document_hash.hex()}"
    click.echo(
        _json({"name": policy.name, "hash": hash_, "text": list(explanation(policy)), "checks": checks})
    )


@badge.command("dry-run")
@FILE
@click.argument(
    "evidence_file",
    metavar="[EVIDENCE]",
    required=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--wallet",
    "wallets",
    multiple=True,
    metavar="ADDRESS",
    help="A linked wallet; may be given more than once.",
)
@click.option(
    "--rpc",
    multiple=True,
    metavar="CHAIN=URL",
    help="Ask this endpoint about the chain; given more than once, most must agree.",
)
@click.option(
    "--confirmations", type=int, help="Blocks behind the newest; default is what the chain calls final."
)
@click.option(
    "--at", "now_s", type=int, metavar="SECONDS", help="Decide as of this Unix time; default is now."
)
@JSON
def dry_run(
    policy_file: Path,
    evidence_file: Path | None,
    wallets: tuple[str, ...],
    rpc: tuple[str, ...],
    confirmations: int | None,
    now_s: int | None,
    as_json: bool,
) -> None:
    """Decide POLICY on the EVIDENCE of a file and on what chains say, and grant nothing.

    EVIDENCE is JSON: `observations`, a list of {validator, parameters, value, observedAtS, source, reason};
    `claims`, a list of {provider, proof, binding, account, issuedAtS}, judged as by `trex zktls verify`; and
    `trust`, the attestors to trust in place of the production attestor. Exit code 0: granted; 1: refused;
    3: undecided.
    """
    policy, now = _policy(policy_file), now_or(now_s)
    facts = _evidence(_read(evidence_file, MAX_EVIDENCE_BYTES), now) if evidence_file else {}
    if rpc:
        facts = {**facts, **asyncio.run(_ask(policy, _chains(rpc, confirmations), _wallets(wallets), now))}
    decision = evaluate(policy, facts, now)
    if as_json:
        click.echo(_json(decision_json(policy, decision)))
    else:
        possible = decision.possible_level
        more = f", level {possible} is possible" if possible > decision.level else ""
        click.echo(f"{decision.outcome}: level {decision.level}{more}, {decision.points} points")
        for level in decision.levels:
            click.echo(f"level {level.level}")
            for line in _tree(level.finding, 1):
                click.echo(line)
    raise SystemExit(EXIT_CODES[decision.outcome])


def _wallets(texts: tuple[str, ...]) -> list[Address]:
    try:
        return [read_address(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--wallet") from error


def _chains(texts: tuple[str, ...], confirmations: int | None) -> list[EvmChain]:
    urls: dict[int, list[str]] = {}
    for text in texts:
        chain, equals, url = text.partition("=")
        if not equals or not chain.isdecimal() or not url.startswith(("http://", "https://")):
            raise click.BadParameter(f"{text!r} is not CHAIN=URL", param_hint="--rpc")
        urls.setdefault(int(chain), []).append(url)
    return [
        EvmChain(chain, tuple(found), len(found) // 2 + 1, confirmations) for chain, found in urls.items()
    ]


async def _ask(
    policy: Policy, chains: list[EvmChain], wallets: list[Address], now_s: int
) -> Mapping[Hash32, Observation]:
    async with aiohttp.ClientSession() as session:
        sources = {chain.chain_id: EvmSource(chain, session) for chain in chains}
        return await observe(policy.checks(), sources, wallets, now_s)


def _tree(finding: Finding, depth: int) -> Iterator[str]:
    text = f"{finding.reason.code}: {finding.reason.message}".encode("unicode_escape").decode()
    yield f"{'  ' * depth}{MARKS[finding.outcome]} {text}"
    for part in finding.parts:
        yield from _tree(part, depth + 1)


def _evidence(document: bytes, now_s: int) -> Mapping[Hash32, Observation]:
    try:
        root = parse_strict_json(document, max_bytes=MAX_EVIDENCE_BYTES, max_depth=40)
        if not isinstance(root, dict) or root.keys() - {"observations", "claims", "trust"}:
            raise ValueError("an object with observations, claims and trust is expected")
        trusted = tuple(read_address(text) for text in root.get("trust", ())) or (PRODUCTION_ATTESTOR,)
        found = dict(_observation(entry) for entry in root.get("observations", ()))
        for entry in root.get("claims", ()):
            provider = provider_by_id(entry["provider"])
            binding = Binding(entry["binding"], entry.get("issuedAtS")) if "binding" in entry else None
            request = Request(now_s, trusted, provider, binding, entry.get("account"))
            verdict = judge_claim(orjson.dumps(entry["proof"]), request)
            found |= claim_observations(verdict, provider, now_s)
    except (StrictJsonError, ProviderError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.ClickException(f"not an evidence file: {error}") from error
    return found


def _observation(entry: dict[str, Any]) -> tuple[Hash32, Observation]:
    kind, value = CATALOGUE[entry["validator"]].answers, entry["value"]
    if value is not None and kind is ValueKind.NUMBER:
        if not isinstance(value, str):
            raise ValueError("a number is written as text")
        try:
            value = Decimal(value)
        except InvalidOperation as error:
            raise ValueError(f"{value[:32]!r} is not a number") from error
    observed = entry["observedAtS"]
    if type(observed) is not int:
        raise ValueError("observedAtS is whole seconds")
    key = check_key(entry["validator"], entry["parameters"])
    return key, Observation(value, observed, str(entry["source"]), str(entry.get("reason", "")))


def _policy(file: Path) -> Policy:
    try:
        return read_policy(_read(file, MAX_POLICY_BYTES))
    except PolicyError as error:
        raise click.ClickException(f"{file}: {error}") from error


def _read(file: Path, most: int) -> bytes:
    with file.open("rb") as source:
        return source.read(most + 1)


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
