"""Options, logs and the commands around a node."""

import dataclasses
import logging
from pathlib import Path

import click
import orjson
import pytest
from click.testing import CliRunner

from trex.chain.limits import CoreLimits
from trex.chain.opening import core_limits
from trex.node.cli import main
from trex.node.db import clock, flat
from trex.node.devnet import MARK, fitting, prepare
from trex.node.logs import HumanFormatter, JsonFormatter
from trex.node.options import read_limits


def record() -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "trex.x", "levelname": "INFO", "msg": "block %d", "args": (7,)})
    made.transactions = 3
    return made


def test_json_log_is_one_object_with_extras() -> None:
    entry = orjson.loads(JsonFormatter().format(record()))
    assert entry["message"] == "block 7"
    assert entry["transactions"] == 3
    assert entry["level"] == "info"


def test_human_log_shows_extras() -> None:
    assert HumanFormatter().format(record()).endswith("block 7  transactions=3")


def test_limits_are_set_by_name() -> None:
    server, core = read_limits(("send_queue=5", "filter-idle-s=0.5", "log_results=9"))
    assert (server.send_queue, server.filter_idle_s, core.log_results) == (5, 0.5, 9)


@pytest.mark.parametrize("pair", ["nonsense=1", "filters", "filters=x", "filters=0", "log_results=1.5"])
def test_limits_malformed_are_refused(pair: str) -> None:
    with pytest.raises(click.BadParameter):
        read_limits((pair,))


def test_limits_are_listed_with_meaning() -> None:
    result = CliRunner().invoke(main, ["node", "limits", "--json"])
    assert result.exit_code == 0, result.output
    listed = {entry["name"]: entry for entry in orjson.loads(result.stdout)}
    assert listed["batch_requests"]["default"] == 1000
    assert listed["log_results"]["default"] == 20_000
    assert {name for name, entry in listed.items() if entry["default"] is None} == {"log_blocks"}
    assert set(core_limits()) == {field.name for field in dataclasses.fields(CoreLimits)}
    assert listed["log_results"]["meaning"] == "Logs in one eth_getLogs answer."


@pytest.mark.parametrize(
    ("text", "fault"),
    [("nonsense = 1", "no option is called nonsense"), ("port = ", ""), ("limits = 3", "expected a table")],
)
def test_config_file_malformed_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    config = tmp_path / "node.toml"
    config.write_text(text)
    result = CliRunner().invoke(main, ["devnet", "--config", str(config)])
    assert result.exit_code == 2
    assert fault in result.output


def test_prepare_never_empties_a_foreign_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(click.ClickException, match="not a devnet's"):
        prepare(tmp_path, fresh=True, no_l1=True)
    assert (tmp_path / "thesis.tex").exists()


def test_prepare_fresh_empties_its_own(tmp_path: Path) -> None:
    path = tmp_path / "chain"
    prepare(path, fresh=False, no_l1=True)
    (path / "state").write_text("x")
    prepare(path, fresh=False, no_l1=True)
    assert (path / "state").exists()
    prepare(path, fresh=True, no_l1=True)
    assert [entry.name for entry in path.iterdir()] == [MARK]


def test_stats_of_nothing_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["db", "stats", "--datadir", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "no such data directory" in result.output


def test_reports_read_as_lines() -> None:
    lines = list(flat({"blocks": 12000, "tables": {"a": 1, "longer": 2}, "faults": ["x"]}))
    assert lines == ["blocks  12,000", "tables", "  a       1", "  longer  2", "faults  1", "  x"]
    assert clock(3725) == "1:02:05"


def test_status_line_that_is_wider_than_the_terminal_says_so_and_leaves_no_colour_behind() -> None:
    red = click.style("stopped: the disk is full", fg="red")
    assert [fitting(line, 8) for line in ("block 1", "block 12")] == ["block 1", "block 12"]
    assert fitting("block 123", 8) == "block 1…"
    assert fitting(red, 25) == red
    assert fitting(red, 8) == "stopped…"
