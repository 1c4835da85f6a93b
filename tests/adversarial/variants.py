"""Contracts without a guard: the source without its lines, and all that is made of it, compiled by solc."""

import fcntl
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from tests.adversarial.guards import ROOT, Guard

SOLC = ROOT / "scripts" / "solc"
KEPT = ROOT / "contracts" / "cache" / "adversarial"
"""What solc made, by hash of what it was given."""
CODE = "evm.bytecode.object"
WORKERS = 2
"""Runs of solc at once."""
_IMPORT = re.compile(r'^(import\s[^;]*?")([^"]+)(";)', re.MULTILINE | re.DOTALL)

Sources = dict[str, dict[str, str]]
"""Of solc's standard JSON."""


def weakened(guards: Sequence[Guard]) -> dict[Guard, bytes]:
    """Return the creation code of each guard's contract without it; several runs of solc at the same time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = pool.map(_weakened, [guards[at::WORKERS] for at in range(WORKERS)])
        return {guard: code for part in parts for guard, code in part.items()}


def creation_codes(path: Path) -> dict[str, bytes]:
    """Compile a file; return the creation code of each contract in it."""
    own = str(path.relative_to(ROOT))
    sources = {name: {"content": _text(name)} for name in _closure(own)}
    return {name: _code_of(found) for name, found in _compiled(sources, {own: {"*": [CODE]}})[own].items()}


def _weakened(guards: Sequence[Guard]) -> dict[Guard, bytes]:
    """What is made of a file that is cut stands under a root of its own; all else is there once."""
    sources: Sources = {}
    where: dict[Guard, tuple[str, str]] = {}
    for number, guard in enumerate(guards):
        found = next((ROOT / "contracts" / "src").rglob(f"{guard.deployed}.sol"))
        main = str(found.relative_to(ROOT))
        files = _closure(main)
        assert guard.file in files, f"{guard.deployed} is not made of {guard.file}"
        changed = _made_of(guard.file, files)
        root = f"weak{number}/"
        for name in files:
            if name not in changed:
                sources[name] = {"content": _text(name)}
                continue
            text = guard.cut() if name == guard.file else _text(name)
            place = {to: root + to for to in changed}
            sources[root + name] = {"content": _imports_from(name, text, place)}
        where[guard] = (root + main, guard.deployed)
    contracts = _compiled(sources, {at: {name: [CODE]} for at, name in where.values()})
    return {guard: _code_of(contracts[at][name]) for guard, (at, name) in where.items()}


@cache
def _closure(name: str) -> Mapping[str, frozenset[str]]:
    """A file with all that it imports, and what each of them imports itself."""
    files: dict[str, frozenset[str]] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in files:
            imports = frozenset(_full(one, found[2]) for found in _IMPORT.finditer(_text(one)))
            files[one] = imports
            waiting += imports
    return files


def _made_of(file: str, files: Mapping[str, frozenset[str]]) -> set[str]:
    """A file, and those that import it, directly or not."""
    found = {file}
    while more := {name for name, imports in files.items() if imports & found} - found:
        found |= more
    return found


def _imports_from(name: str, text: str, place: Mapping[str, str]) -> str:
    """The text with every import by its full name, or where it stands instead."""

    def changed(found: re.Match[str]) -> str:
        to = _full(name, found[2])
        return f"{found[1]}{place.get(to, to)}{found[3]}"

    return _IMPORT.sub(changed, text)


def _full(name: str, to: str) -> str:
    """Full name of what a file imports."""
    return to if to.startswith("@") else str((Path("/") / name).parent.joinpath(to).resolve())[1:]


@cache
def _text(name: str) -> str:
    return (ROOT / "node_modules" / name if name.startswith("@") else ROOT / name).read_text()


def _code_of(contract: Any) -> bytes:
    return bytes.fromhex(contract["evm"]["bytecode"]["object"])


def _compiled(sources: Sources, wanted: dict[str, dict[str, list[str]]]) -> Any:
    if not wanted:
        return {}
    # Unoptimised: what a contract does is the same, and it takes a fifth of the time.
    settings = {"outputSelection": wanted, "optimizer": {"enabled": False}, "evmVersion": "osaka"}
    task = {"language": "Solidity", "sources": sources, "settings": settings}
    request = json.dumps(task, sort_keys=True)  # the same in every process
    kept = KEPT / f"{hashlib.sha256(request.encode()).hexdigest()}.json"
    KEPT.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:  # tests that run side by side want the same
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _compile(request, kept)
    return json.loads(kept.read_text())["contracts"]


def _compile(request: str, kept: Path) -> None:
    command = [str(SOLC), "--standard-json"]
    done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    faults = [one["formattedMessage"] for one in answer.get("errors", ()) if one["severity"] == "error"]
    assert not faults, "\n".join(faults)
    part = kept.with_suffix(".part")
    part.write_text(done.stdout)
    part.rename(kept)
