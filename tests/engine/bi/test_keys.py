"""`trex engine key|member`: who may ask, from the shell."""

import sqlite3
from pathlib import Path

from click.testing import CliRunner, Result

from trex.node.cli import main


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["engine", *words, "--folder", str(folder)])


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    """BIA-001, BIA-002: printed once, kept as a hash, revoked by an id that tells nothing of it."""
    made = run(tmp_path, "key", "new", "shop", "--label", "growth", "--quota", "5")
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert key.startswith("trex_")
    listed = run(tmp_path, "key", "list").stdout
    (line,) = listed.splitlines()
    number, project, label, how = line.split()
    assert (project, label, how) == ("shop", "growth", "open")
    assert number not in key
    assert not any(key.encode() in path.read_bytes() for path in tmp_path.glob("bi.sqlite*"))
    assert run(tmp_path, "key", "revoke", number).exit_code == 0
    assert run(tmp_path, "key", "list").stdout.split()[-1] == "revoked"
    again = run(tmp_path, "key", "revoke", number)
    assert (again.exit_code, "no open key" in again.output) == (1, True)
    with sqlite3.connect(tmp_path / "bi.sqlite") as state:
        lines = state.execute("SELECT actor, action, outcome FROM audit ORDER BY number").fetchall()
    state.close()
    assert lines == [
        ("operator", "new key", "done"),
        ("operator", "revoke key", "done"),
        ("operator", "revoke key", "not found"),
    ]


def test_members_are_added_and_removed(tmp_path: Path) -> None:
    """HUB-002."""
    assert run(tmp_path, "member", "add", "shop", "7").stdout == "done\n"
    assert run(tmp_path, "member", "add", "shop", "7").stdout == "it was one already\n"
    assert run(tmp_path, "member", "remove", "shop", "7").stdout == "done\n"
    assert "is no member" in run(tmp_path, "member", "remove", "shop", "7").output


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for words in (("key", "new", "a/b"), ("key", "new", "x" * 65), ("member", "add", "shop", "0")):
        refused = run(tmp_path, *words)
        assert refused.exit_code == 2
        assert "Traceback" not in refused.output
    refused = run(tmp_path, "serve", "--port", "0")
    assert refused.exit_code == 1
    assert "no lake below" in refused.output
    other = run(tmp_path, "key", "list", "--database", "mysql://a@b/c")
    assert (other.exit_code, "there are sqlite and postgresql" in other.output) == (1, True)
