"""`trex zktls`: judge Reclaim claims, and the providers to judge them by."""

from pathlib import Path
from typing import Any

import click
import orjson

from trex.node.times import now_or
from trex.types.decision import Outcome
from trex.types.evm import checksum_address, read_address
from trex.types.primitives import Address
from trex.validators.zktls.claim import MAX_DOCUMENT_BYTES
from trex.validators.zktls.provider import Provider, ProviderError, all_providers, provider_by_id
from trex.validators.zktls.template import Binding
from trex.validators.zktls.verdict import Verdict, VerdictWord
from trex.validators.zktls.verify import PRODUCTION_ATTESTOR, Request, judge_claim

EXIT_CODES = {
    VerdictWord.ACCEPTED: 0,
    VerdictWord.CONSISTENT: 0,
    VerdictWord.REFUSED: 1,
    VerdictWord.UNDECIDED: 3,
}
"""2 is left to a wrong command line, as everywhere."""

MARKS = {Outcome.GRANTED: "ok", Outcome.REFUSED: "BROKEN", Outcome.UNDECIDED: "?"}
"""How a line of reasons begins."""


@click.group()
def zktls() -> None:
    """Judge zkTLS claims of Reclaim, and list the providers to judge them by."""


@zktls.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--provider", "provider_id", metavar="ID", help="Judge template, freshness, binding and value too."
)
@click.option(
    "--trust",
    multiple=True,
    metavar="ADDRESS",
    help="Trust this attestor instead of Reclaim's production attestor; may be given more than once.",
)
@click.option("--binding", metavar="TEXT", help="What the claim's contextMessage must be.")
@click.option("--issued-at", type=int, metavar="SECONDS", help="When --binding was handed out, Unix time.")
@click.option("--account", metavar="NAME", help="The account at the platform that the passport has linked.")
@click.option(
    "--at", "now_s", type=int, metavar="SECONDS", help="Judge as of this Unix time; default is now."
)
@click.option("--allow-unverified", is_flag=True, help="Judge by a provider that is marked unverified.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def verify(
    file: Path,
    provider_id: str | None,
    trust: tuple[str, ...],
    binding: str | None,
    issued_at: int | None,
    account: str | None,
    now_s: int | None,
    allow_unverified: bool,
    as_json: bool,
) -> None:
    """Judge the claim in FILE.

    Without --provider: signature and inner consistency only, which proves no fact about a person. With it:
    the template, freshness, binding and value as well.

    Exit code 0: accepted, or consistent where no provider is named; 1: refused; 3: undecided, as something
    to compare with was not given.
    """
    if issued_at is not None and binding is None:
        raise click.UsageError("--issued-at goes with --binding")
    request = Request(
        now_s=now_or(now_s),
        trusted=tuple(_address(text) for text in trust) or (PRODUCTION_ATTESTOR,),
        provider=_provider(provider_id) if provider_id is not None else None,
        binding=None if binding is None else Binding(binding, issued_at),
        account=account,
        allow_unverified=allow_unverified,
    )
    with file.open("rb") as source:
        document = source.read(MAX_DOCUMENT_BYTES + 1)
    verdict = judge_claim(document, request)
    if as_json:
        click.echo(orjson.dumps(verdict_json(verdict), option=orjson.OPT_INDENT_2))
    else:
        _print(verdict)
    raise SystemExit(EXIT_CODES[verdict.word])


@zktls.command()
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def providers(as_json: bool) -> None:
    """List the providers that claims can be judged by."""
    found = all_providers().values()
    if as_json:
        click.echo(orjson.dumps([_provider_json(provider) for provider in found], option=orjson.OPT_INDENT_2))
        return
    width = max(len(provider.id) for provider in found)
    for provider in found:
        state = "" if provider.verified else "  (unverified, off by default)"
        click.echo(f"{provider.id:{width}}  {provider.title}{state}")


def _address(text: str) -> Address:
    try:
        return read_address(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--trust") from error


def _provider(provider_id: str) -> Provider:
    try:
        return provider_by_id(provider_id)
    except ProviderError as error:
        raise click.BadParameter(str(error), param_hint="--provider") from error


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Write a verdict as the JSON that `--json` shows."""
    value = verdict.value
    return {
        "verdict": verdict.word.value,
        "scope": verdict.scope,
        "provider": verdict.provider or None,
        "signer": None if verdict.signer is None else checksum_address(verdict.signer),
        "identifier": None if verdict.identifier is None else f"0x{verdict.identifier.hex()}",
        "owner": None if verdict.owner is None else checksum_address(verdict.owner),
        "timestampS": verdict.timestamp_s,
        "method": verdict.method or None,
        "url": verdict.url or None,
        "providerHash": verdict.provider_hash or None,
        "contextAddress": verdict.context_address or None,
        "contextMessage": verdict.context_message or None,
        "extracted": {found.name: found.value for found in verdict.extracted},
        "extractedFrom": {found.name: found.origin for found in verdict.extracted},
        "value": None
        if value is None
        else {
            "value": value.value,
            "unit": value.unit or None,
            "level": value.level,
            "levelName": value.level_name or None,
            "account": value.account or None,
        },
        "reasons": [
            {
                "rule": reason.rule,
                "code": reason.code,
                "outcome": _WORDS[reason.outcome],
                "message": reason.message,
            }
            for reason in verdict.reasons
        ],
    }


_WORDS = {Outcome.GRANTED: "held", Outcome.REFUSED: "broken", Outcome.UNDECIDED: "unknown"}


def _print(verdict: Verdict) -> None:
    """Write a verdict for people; what strangers wrote cannot move the cursor."""
    click.echo(f"{verdict.word.value}: {verdict.scope}")
    shown = verdict_json(verdict)
    for key in ("provider", "signer", "owner", "timestampS", "method", "url", "contextMessage"):
        if shown[key] is not None:
            click.echo(_plain(f"  {key:<14}  {shown[key]}"))
    for found in verdict.extracted:
        click.echo(_plain(f"  extracted       {found.name} = {found.value} ({found.origin})"))
    if verdict.value is not None:
        click.echo(
            _plain(
                f"  value           {verdict.value.value} {verdict.value.unit}, level {verdict.value.level}"
            )
        )
    for reason in verdict.reasons:
        click.echo(_plain(f"  {MARKS[reason.outcome]:<6}  {reason.rule}  {reason.message}"))


def _plain(text: str) -> str:
    """Text as it may be shown: nothing that moves the cursor or turns the direction of writing."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _provider_json(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "version": provider.version,
        "title": provider.title,
        "platform": provider.platform,
        "dimension": provider.dimension,
        "verified": provider.verified,
        "enabled": provider.verified,
        "sources": list(provider.sources),
        "templates": [
            {
                "url": template.url,
                "method": template.method,
                "providerHash": f"0x{template.provider_hash().hex()}",
            }
            for template in provider.templates
        ],
        "value": {
            "parameter": provider.value.parameter or None,
            "normaliser": provider.value.normaliser,
            "unit": provider.value.unit or None,
        },
        "linkedAccount": provider.account.linked,
        "levels": [
            {
                "level": level.level,
                "name": level.name,
                "atLeast": None if level.at_least is None else f"{level.at_least}",
                "oneOf": list(level.one_of),
            }
            for level in provider.levels
        ],
        "freshnessS": provider.freshness_s,
        "recheckS": provider.recheck_s,
        "limits": provider.limits or None,
    }
