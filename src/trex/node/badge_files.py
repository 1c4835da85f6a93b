"""What the commands of `trex badge` share: their files, their output."""

from pathlib import Path
from typing import Any

import click
import orjson

from trex.badges.policy import MAX_POLICY_BYTES, Policy, PolicyError, read_policy
from trex.types.decision import Outcome
from trex.validators.onchain.source import EvmChain

FILE = click.argument(
    "policy_file", metavar="POLICY", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
EXIT_CODES = {Outcome.GRANTED: 0, Outcome.REFUSED: 1, Outcome.UNDECIDED: 3}
"""2 is left to a wrong command line, as everywhere."""
MARKS = {Outcome.GRANTED: "yes", Outcome.REFUSED: "no ", Outcome.UNDECIDED: " ? "}
"""How a line of findings begins."""


def policy_of(file: Path) -> Policy:
    """Read a policy.

    Raises:
        click.ClickException: it is none; names the rule.
    """
    try:
        return read_policy(bytes_of(file, MAX_POLICY_BYTES))
    except PolicyError as error:
        raise click.ClickException(f"{file}: {error}") from error


def bytes_of(file: Path, most: int) -> bytes:
    """Read a file up to one byte more than it may have."""
    with file.open("rb") as source:
        return source.read(most + 1)


def json_of(value: Any) -> str:
    """Write JSON for people and programs."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def plain(text: str) -> str:
    """Make a stranger's text harmless for a terminal."""
    return text.encode("unicode_escape").decode()


def chains_of(texts: tuple[str, ...], confirmations: int | None = None) -> list[EvmChain]:
    """Read chains written as CHAIN=URL; of one named more than once most endpoints must agree.

    Raises:
        click.BadParameter: one is written otherwise.
    """
    urls: dict[int, list[str]] = {}
    for text in texts:
        chain, equals, url = text.partition("=")
        if not equals or not chain.isdecimal() or not url.startswith(("http://", "https://")):
            raise click.BadParameter(f"{text!r} is not CHAIN=URL", param_hint="--rpc")
        urls.setdefault(int(chain), []).append(url)
    return [
        EvmChain(chain, tuple(found), len(found) // 2 + 1, confirmations) for chain, found in urls.items()
    ]
