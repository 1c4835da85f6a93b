"""Progress of long commands where no terminal shows it."""

import pytest

from trex.node import db


def test_progress_without_a_terminal_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(db, "TELL_S", 0.0)
    with db.Progress("import", "bytes", quiet=False) as progress:
        assert progress.at(0, 2_000)
        assert progress.at(500, 2_000, "block 7")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("import  25.0%  ")
    assert lines[1].endswith("left  block 7")


def test_progress_without_a_terminal_is_silent_in_between_and_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with db.Progress("import", "bytes", quiet=False) as progress:
        progress.at(1, 2)
    with db.Progress("import", "bytes", quiet=True) as progress:
        progress.at(1, 2)
    assert capsys.readouterr().err == ""
