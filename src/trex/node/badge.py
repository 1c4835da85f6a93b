"""`trex badge`: policies of badges, checked, explained and tried on evidence."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import click
import orjson

from trex.badges.answer import decision_json
from trex.badges.catalogue import CATALOGUE
from trex.badges.chain.evidence import MAX_EVIDENCE_BYTES, MEMBERS, read_observations
from trex.badges.evaluate import Finding, evaluate
from trex.badges.explain import explain as explanation
from trex.badges.observation import Observation
from trex.badges.policy import MAX_POLICY_BYTES, Policy, PolicyError, read_policy
from trex.node import badge_chain
from trex.node.badge_files import (
    EXIT_CODES,
    FILE,
    JSON,
    MARKS,
    bytes_of,
    chains_of,
    json_of,
    plain,
    policy_of,
)
from trex.node.badge_quarantine import quarantine
from trex.node.times import now_or
from trex.types.evm import read_address
from trex.types.primitives import Address, Hash32
from trex.types.strict_json import StrictJsonError, parse_strict_json
from trex.validators.check import check_fault
from trex.validators.onchain.observe import observe
from trex.validators.onchain.source import EvmChain, EvmSource
from trex.validators.standing import standing_fault
from trex.validators.zktls.observe import observations as claim_observations
from trex.validators.zktls.provider import ProviderError, provider_by_id
from trex.validators.zktls.template import Binding
from trex.validators.zktls.verify import PRODUCTION_ATTESTOR, Request, judge_claim


@click.group()
def badge() -> None:
    """Badges and their policies: write, publish, grant, verify, re-execute."""


for _command in (*badge_chain.COMMANDS, quarantine):
    badge.add_command(_command)


@badge.command()
@FILE
@JSON
def lint(policy_file: Path, as_json: bool) -> None:
    """Check POLICY against every rule of specs/policy.md; exit code 1 names the rule broken."""
    try:
        policy = read_policy(bytes_of(policy_file, MAX_POLICY_BYTES))
    except PolicyError as error:
        broken = {"valid": False, "path": error.path, "rule": error.rule, "reason": error.reason}
        click.echo(json_of(broken) if as_json else f"{policy_file}: {error}")
        raise SystemExit(1) from error
    for check in policy.checks():
        if fault := check_fault(check):
            where = {"valid": False, "path": check.validator, "rule": "POL-022", "reason": fault}
            click.echo(json_of(where) if as_json else f"{policy_file}: POL-022 {check.validator}: {fault}")
            raise SystemExit(1)
    if fault := standing_fault(policy):
        where = {"valid": False, "path": "levels", "rule": "POL-029", "reason": fault}
        click.echo(json_of(where) if as_json else f"{policy_file}: POL-029 {fault}")
        raise SystemExit(1)
    hash_ = f"0x{policy.document_hash.hex()}"
    click.echo(json_of({"valid": True, "hash": hash_}) if as_json else f"{policy_file}: valid, {hash_}")


@badge.command()
@FILE
@JSON
def explain(policy_file: Path, as_json: bool) -> None:
    """Say in words what POLICY asks."""
    policy = policy_of(policy_file)
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
        json_of({"name": policy.name, "hash": hash_, "text": list(explanation(policy)), "checks": checks})
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
    `trust`, the attestors to trust in place of the production attestor. The document of a grant's evidence is
    such a file too, and is decided as of its own time. Exit code 0: granted; 1: refused; 3: undecided.
    """
    policy, facts, now = policy_of(policy_file), {}, now_or(now_s)
    if evidence_file is not None:
        root = _root(bytes_of(evidence_file, MAX_EVIDENCE_BYTES))
        now = now_or(root.get("atS") if now_s is None else now_s)
        facts = dict(_evidence(root, now))
    if rpc:
        facts = {**facts, **asyncio.run(_ask(policy, chains_of(rpc, confirmations), _wallets(wallets), now))}
    decision = evaluate(policy, facts, now)
    if as_json:
        click.echo(json_of(decision_json(policy, decision)))
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


async def _ask(
    policy: Policy, chains: list[EvmChain], wallets: list[Address], now_s: int
) -> Mapping[Hash32, Observation]:
    async with aiohttp.ClientSession() as session:
        sources = {chain.chain_id: EvmSource(chain, session) for chain in chains}
        return await observe(policy.checks(), sources, wallets, now_s)


def _tree(finding: Finding, depth: int) -> Iterator[str]:
    text = plain(f"{finding.reason.code}: {finding.reason.message}")
    yield f"{'  ' * depth}{MARKS[finding.outcome]} {text}"
    for part in finding.parts:
        yield from _tree(part, depth + 1)


def _root(document: bytes) -> dict[str, Any]:
    try:
        root = parse_strict_json(document, max_bytes=MAX_EVIDENCE_BYTES, max_depth=40)
    except StrictJsonError as error:
        raise click.ClickException(f"not an evidence file: {error}") from error
    if not isinstance(root, dict) or root.keys() - {"claims", "trust"} - MEMBERS:
        raise click.ClickException("not an evidence file: observations, claims and trust are expected")
    if type(root.get("atS", 0)) is not int:
        raise click.ClickException("not an evidence file: atS is whole seconds")
    return root


def _evidence(root: Mapping[str, Any], now_s: int) -> Mapping[Hash32, Observation]:
    try:
        trusted = tuple(read_address(text) for text in root.get("trust", ())) or (PRODUCTION_ATTESTOR,)
        found = dict(read_observations(root.get("observations", ())))
        for entry in root.get("claims", ()):
            provider = provider_by_id(entry["provider"])
            binding = Binding(entry["binding"], entry.get("issuedAtS")) if "binding" in entry else None
            request = Request(now_s, trusted, provider, binding, entry.get("account"))
            verdict = judge_claim(orjson.dumps(entry["proof"]), request)
            found |= claim_observations(verdict, provider, now_s)
    except (ProviderError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.ClickException(f"not an evidence file: {error}") from error
    return found
