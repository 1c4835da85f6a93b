"""`trex devnet tour` with few people: the audience is whom chain and gateway say, and a campaign is read."""

import ast
import asyncio
import json
import re
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner
from tests.gateway.test_devnet import until_up
from tests.node.conftest import devnet_at

from trex.node.cli import main
from trex.node.tour import check, claims

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 44


async def test_the_sentence_finds_whom_chain_and_gateway_say(tmp_path: Path) -> None:
    """From wallets that use Uniswap to ranked people and a campaign's outcome, by one command."""
    with devnet_at(tmp_path / "data", "--gateway-port", "0") as devnet:
        found = re.search(r"Personas +(http://localhost:\d+)/passport", devnet.page)
        assert found is not None, devnet.page
        async with aiohttp.ClientSession() as http:
            await until_up(http, found[1].replace("localhost", "127.0.0.1"))
        words = [
            "devnet",
            "tour",
            "--people",
            str(PEOPLE),
            "--seed",
            "5",
            "--node",
            devnet.url,
            "--gateway",
            found[1],
        ]
        words += ["--datadir", str(tmp_path / "data"), "--folder", str(tmp_path / "engine")]
        words += ["--packages", str(ROOT / "node_modules"), "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, main, words, prog_name="trex")
        assert result.exit_code == 0, (result.output, result.exception)
    told = json.loads(result.stdout)
    assert (told["missing"], told["surplus"]) == ([], [])
    assert 10 <= len(set(told["audience"])) == len(told["audience"]) < PEOPLE
    assert told["people"] == PEOPLE
    assert told["badges"] > 2 * PEOPLE
    assert set(told["campaign"]["people"]) == {"reached", "held out"}
    assert [f"{number} of 8" in result.stderr for number in range(1, 9)] == [True] * 8


def test_the_check_imports_nothing_of_the_engine() -> None:
    tree = ast.parse(Path(check.__file__).read_text())
    named = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named += [one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names]
    assert not [name for name in named if name.startswith("trex.engine")]
    assert any(name.startswith("trex.") for name in named)


def test_expected_takes_ties_badges_and_consent_into_account() -> None:
    """Five are active alike: of those who agreed, only who holds both badges at their levels counts."""
    seen = check.Seen()
    for who in range(1, 7):
        seen.owners[f"0x{who}"] = who
        seen.calls[f"0x{who}"] = 5 if who < 6 else 1
        seen.badges[who], seen.states[who] = (who, "vip", 2 if who != 2 else 1), 1
        seen.badges[10 + who], seen.states[10 + who] = (who, "fans", 2), 1 if who != 3 else 4
    vip, streaming = {("vip", 1): 3, ("vip", 2): 5}, {("fans", 2)}
    assert check.expected(seen, {1, 2, 3, 4, 6}, vip, streaming) == {1, 4}
    assert check.expected(seen, set(), vip, streaming) == set()


def test_a_page_that_does_not_say_it_is_not_signed() -> None:
    page = claims.Page("twitch-followers", '{"error":"Unauthorized"}', {"broadcaster": "1"})
    with pytest.raises(ValueError, match="twitch-followers"):
        claims.sign(page, "trex-zktls-1:0x00", 1)


def test_tour_without_a_devnet_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["devnet", "tour", "--datadir", str(tmp_path)], prog_name="trex")
    assert result.exit_code == 2
    assert "no gateway's database" in result.output
