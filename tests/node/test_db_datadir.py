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


def test_devnet_goes_on_with_what_was_imported(home: Path, tmp_path: Path) -> None:
    run("import", str(tmp_path / "blocks"))
    prepare(home / "devnet", fresh=False, no_l1=True)  # refuses a folder that is not a devnet's


def test_malformed_network_file_is_named(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    file.write_text("{}")
    result = CliRunner().invoke(main, ["db", "stats", "--network", str(file)])
    assert result.exit_code == 1
    assert "network.json" in result.output
