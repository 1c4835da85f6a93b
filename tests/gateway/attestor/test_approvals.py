"""Operators' acts wait for approval by each member's own operator, from a shell."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.gateway.conftest import KEYS

from trex.gateway.attestor import approvals
from trex.gateway.attestor.approvals import Approvals
from trex.gateway.keys import account_of
from trex.node.cli import main
from trex.types.primitives import Hash32

FIRST, SECOND = Hash32(b"\x01" * 32), Hash32(b"\x02" * 32)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "member.key").touch(0o600)
    (tmp_path / "member.key").write_text("11" * 32)
    gateway = account_of(KEYS.relayer).hex()
    file = tmp_path / "attestor.toml"
    file.write_text(f'rpc_url = "http://localhost:1"\nkey = "member.key"\ngateways = ["0x{gateway}"]\n')
    return file


def trex(config: Path, verb: str, *more: str, fails: bool = False) -> Any:
    told = CliRunner().invoke(main, ["attestor", verb, "--config", str(config), *more])
    assert told.exit_code == int(fails), told.output
    return told


def test_acts_are_listed_approved_and_revoked(config: Path) -> None:
    """ATT-023: what waits is shown as it would be signed; an approval can be given before it is asked for."""
    kept = Approvals(config.parent / "approvals")
    assert trex(config, "list").stdout == ""
    assert kept.wait(FIRST, {"CloseCase": {"caseId": "3"}})
    assert trex(config, "list").stdout == f'0x{FIRST.hex()} waits {{"CloseCase":{{"caseId":"3"}}}}\n'
    assert not kept.has(FIRST)

    assert trex(config, "approve", f"0x{FIRST.hex()}").stdout == f"approved 0x{FIRST.hex()}\n"
    trex(config, "approve", SECOND.hex())
    assert kept.has(FIRST)
    assert kept.has(SECOND)
    told = json.loads(trex(config, "list", "--json").stdout)
    assert [(one["approved"], one["shown"]) for one in told] == [
        (True, {"CloseCase": {"caseId": "3"}}),
        (True, None),
    ]

    trex(config, "revoke", FIRST.hex())
    assert not kept.has(FIRST)
    assert "neither approved nor waiting" in trex(config, "revoke", FIRST.hex(), fails=True).output
    assert CliRunner().invoke(main, ["attestor", "approve", "--config", str(config), "0x12"]).exit_code == 2


def test_a_flood_does_not_push_out_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ATT-023: a stolen gateway fills no disk, and hides no act that waited before."""
    monkeypatch.setattr(sys.modules[approvals.__name__], "MAX_WAITING", 2)
    kept = Approvals(tmp_path / "approvals")
    assert kept.wait(FIRST, "x" * (approvals.MAX_SHOWN_BYTES + 1))
    assert kept.wait(SECOND, {})
    assert not kept.wait(Hash32(b"\x03" * 32), {})
    assert kept.wait(FIRST, {}), "it waits already"
    assert [(one.name, one.shown) for one in kept.acts()] == [(FIRST, None), (SECOND, {})]
    kept.approve(Hash32(b"\x03" * 32))
    assert kept.has(Hash32(b"\x03" * 32)), "by its name alone"
