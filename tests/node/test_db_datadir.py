"""Where `trex import`, `export` and `db` keep a chain when nobody says."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from trex.node.cli import main
from trex.node.devnet import prepare
from trex.node.files import network_file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "blocks").write_bytes(b"")
    return tmp_path / "data" / "trex"


def run(*words: str) -> str:
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_named_network_has_its_own_directory(home: Path, tmp_path: Path) -> None:
    document = json.loads(network_file("devnet").read_text())
    file = tmp_path / "network.json"
    file.write_text(json.dumps({**document, "name": "mynet"}))
    run("import", str(tmp_path / "blocks"), "--network", str(file))
    assert sorted(path.name for path in home.iterdir()) == ["mynet"]
    assert json.loads(run("db", "stats", "--network", str(file), "--json"))
    refused = CliRunner().invoke(main, ["db", "stats"])
    assert refused.exit_code == 1
    assert "there is no such data directory" in refused.output


@pytest.mark.parametrize(
    "command", [("devnet", "--no-l1"), ("db", "stats"), ("node", "run", "--role", "verifier")]
)
def test_data_directory_that_is_a_file_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "file"
    file.touch()
    refused = CliRunner().invoke(main, [*command, "--datadir", str(file)])
    assert refused.exit_code == 2
    assert f"'{file}' is a file" in refused.stderr


def test_export_names_blocks_that_are_not_there(home: Path, tmp_path: Path) -> None:
    run("import", str(tmp_path / "blocks"))
    out = str(tmp_path / "out")
    refused = CliRunner().invoke(main, ["export", out])
    assert refused.exit_code == 1
    assert "there is no block 1: the newest is 0" in refused.stderr


TABLES = ("flat", "history", "index", "lookup", "node")


@pytest.mark.parametrize("table", TABLES)
def test_lost_table_is_damage_and_not_a_new_chain(home: Path, tmp_path: Path, table: str) -> None:
    """The engine makes an empty table where there is none: a chain would begin anew, or read zeros."""
    run("import", str(tmp_path / "blocks"))
    assert json.loads(run("db", "stats", "--json"))["tables"]
    run("db", "compact")
    store = home / "devnet" / "store"
    assert sorted(TABLES) == sorted(folder.name for folder in (store / "tables").iterdir() if folder.is_dir())
    (store / "tables" / table / "current").unlink()
    log = (store / "log" / "00000000.blocks").read_bytes()
    for command in (("db", "stats"), ("db", "verify"), ("export", str(tmp_path / "out"))):
        refused = CliRunner().invoke(main, [*command])
        assert refused.exit_code == 1
        assert f"damaged at table {table}: file current is missing" in refused.stderr
    assert (store / "log" / "00000000.blocks").read_bytes() == log


@pytest.mark.parametrize("empty", [False, True])
def test_log_without_its_acknowledged_end_is_damage(home: Path, tmp_path: Path, empty: bool) -> None:
    """Without that, records at the end that are damaged would pass for ones that were never whole."""
    run("import", str(tmp_path / "blocks"))
    acknowledged = home / "devnet" / "store" / "log" / "acknowledged"
    acknowledged.write_bytes(b"") if empty else acknowledged.unlink()
    refused = CliRunner().invoke(main, ["db", "verify"])
    assert refused.exit_code == 1
    assert "damaged at log: file acknowledged is missing" in refused.stderr


def test_devnet_goes_on_with_what_was_imported(home: Path, tmp_path: Path) -> None:
    run("import", str(tmp_path / "blocks"))
    prepare(home / "devnet", fresh=False, no_l1=True)  # refuses a folder that is not a devnet's


def test_malformed_network_file_is_named(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    file.write_text("{}")
    result = CliRunner().invoke(main, ["db", "stats", "--network", str(file)])
    assert result.exit_code == 1
    assert "network.json" in result.output
