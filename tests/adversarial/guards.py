"""Guards, and programs without them: the very text of the source with some lines cut out, compiled anew."""

import __future__

import ast
import contextlib
import hashlib
import importlib
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).parents[2]
SOLC = ROOT / "scripts" / "solc"
KEPT = ROOT / "contracts" / "cache" / "adversarial"
"""What solc made, by hash of what it was given."""
CODE = "evm.bytecode.object"
WORKERS = 2
"""Runs of solc at once."""


@dataclass(frozen=True)
class Guard:
    """Lines of the program that stop an attack."""

    file: str
    """From the root of the repository."""
    lines: str
    """As they stand there, once; how they are broken and indented does not matter."""
    rule: str
    """Of specs/, that they keep."""
    instead: str = ""
    """What stands in their place when they are taken away: nothing, or as little as the language wants."""
    contract: str = ""
    """Of the devnet that the file is part of, by the name of its source; the file's own unless said."""

    @property
    def is_contract(self) -> bool:
        """Whether it is Solidity's."""
        return self.file.endswith(".sol")

    @property
    def deployed(self) -> str:
        """Name of the contract that is weakened."""
        return self.contract or Path(self.file).stem

    def place(self) -> tuple[str, int, int]:
        """Text of the file, and where the lines begin and end in it."""
        text = (ROOT / self.file).read_text()
        found = list(re.finditer(r"\s+".join(map(re.escape, self.lines.split())), text))
        assert len(found) == 1, f"{self.file} has these lines {len(found)} times: {self.lines}"
        return text, found[0].start(), found[0].end()

    def cut(self) -> str:
        """The file without the lines."""
        text, start, end = self.place()
        return text[:start] + self.instead + text[end:]

    def line(self) -> int:
        """Number of the first of them."""
        text, start, _ = self.place()
        return text.count("\n", 0, start) + 1


# Python


@contextlib.contextmanager
def removed_from_python(guard: Guard | None) -> Iterator[None]:
    """Run without a guard: the function around it gets the code of the cut source, a constant its value."""
    if guard is None or guard.is_contract:
        yield
        return
    module = importlib.import_module(guard.file.removeprefix("src/").removesuffix(".py").replace("/", "."))
    text, start, end = guard.place()
    path = _enclosing(ast.parse(text), text.count("\n", 0, start) + 1, text.count("\n", 0, end) + 1)
    cut = compile(guard.cut(), str(module.__file__), "exec", flags=_flags(text), dont_inherit=True)
    owner: Any = module
    for name in path[:-1]:
        owner = vars(owner)[name]
    before = vars(owner)[path[-1]]
    function = getattr(getattr(before, "fget", before), "__func__", getattr(before, "fget", before))
    function = _bare(function)
    if not hasattr(function, "__code__"):
        namespace = dict(vars(module))
        exec(cut, namespace)
        setattr(owner, path[-1], namespace[path[-1]])
        try:
            yield
        finally:
            setattr(owner, path[-1], before)
        return
    whole = function.__code__
    function.__code__ = _code(cut, ".".join(path))
    try:
        yield
    finally:
        function.__code__ = whole


def _bare(function: Any) -> Any:
    """The function under `functools` wrappers and context managers' decorators."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def _flags(text: str) -> int:
    return __future__.annotations.compiler_flag if "from __future__ import annotations" in text else 0


def _enclosing(tree: ast.Module, first: int, last: int) -> list[str]:
    """Names from the module down to the function, or constant, that has these lines."""
    path: list[str] = []
    level: Sequence[ast.stmt] = tree.body
    while True:
        inside = [one for one in level if one.lineno <= first and last <= (one.end_lineno or 0)]
        assert len(inside) == 1, "the lines are in no one statement"
        (found,) = inside
        if isinstance(found, ast.ClassDef):
            path.append(found.name)
            level = found.body
            continue
        if isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return [*path, found.name]
        targets = found.targets if isinstance(found, ast.Assign) else [getattr(found, "target", None)]
        assert isinstance(targets[0], ast.Name), "the lines are neither in a function nor a constant's"
        return [*path, targets[0].id]


def _code(whole: CodeType, name: str) -> CodeType:
    for one in whole.co_consts:
        if isinstance(one, CodeType):
            if one.co_qualname == name:
                return one
            if name.startswith(f"{one.co_qualname}."):
                return _code(one, name)
    raise AssertionError(f"no function {name} after the cut")


# Solidity


def weakened(guards: Sequence[Guard]) -> dict[Guard, bytes]:
    """Compile each contract without its guard; a run of solc for every core, at the same time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = pool.map(_weakened, [guards[at::WORKERS] for at in range(WORKERS)])
        return {guard: code for part in parts for guard, code in part.items()}


def _weakened(guards: Sequence[Guard]) -> dict[Guard, bytes]:
    sources: dict[str, dict[str, str]] = {}
    where: dict[Guard, tuple[str, str]] = {}
    for number, guard in enumerate(guards):
        root = f"weak{number}/"
        main = next((ROOT / "contracts" / "src").rglob(f"{guard.deployed}.sol")).relative_to(ROOT)
        seen = _gather(sources, root, str(main), guard)
        assert guard.file in seen, f"{guard.deployed} is not made of {guard.file}"
        where[guard] = (f"{root}{main}", guard.deployed)
    contracts = _compiled(sources, {at: {name: [CODE]} for at, name in where.values()})
    return {guard: _code_of(contracts[at][name]) for guard, (at, name) in where.items()}


def creation_codes(path: Path) -> dict[str, bytes]:
    """Compile a file; return the creation code of each contract in it."""
    sources: dict[str, dict[str, str]] = {}
    own = str(path.relative_to(ROOT))
    _gather(sources, "", own, None)
    return {name: _code_of(found) for name, found in _compiled(sources, {own: {"*": [CODE]}})[own].items()}


def _code_of(contract: Any) -> bytes:
    return bytes.fromhex(contract["evm"]["bytecode"]["object"])


def _compiled(sources: dict[str, dict[str, str]], wanted: dict[str, dict[str, list[str]]]) -> Any:
    if not wanted:
        return {}
    # Unoptimised: what a contract does is the same, and it takes a fifth of the time.
    settings = {"outputSelection": wanted, "optimizer": {"enabled": False}, "evmVersion": "osaka"}
    request = json.dumps({"language": "Solidity", "sources": sources, "settings": settings})
    kept = KEPT / f"{hashlib.sha256(request.encode()).hexdigest()}.json"
    if not kept.exists():
        command = [str(SOLC), "--standard-json"]
        done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=600, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        faults = [one["formattedMessage"] for one in answer.get("errors", ()) if one["severity"] == "error"]
        assert not faults, "\n".join(faults)
        KEPT.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(".part")
        part.write_text(done.stdout)
        part.rename(kept)
    return json.loads(kept.read_text())["contracts"]


def _gather(sources: dict[str, dict[str, str]], root: str, name: str, guard: Guard | None) -> set[str]:
    """Add a file with all that it imports under a root of its own; return their names."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        library = one.startswith("@")
        path = ROOT / "node_modules" / one if library else ROOT / one
        text = guard.cut() if guard is not None and one == guard.file else _text(path)
        sources[one if library else f"{root}{one}"] = {"content": text}
        for found in re.finditer(r'^import\s[^;]*?"([^"]+)";', text, re.MULTILINE | re.DOTALL):
            to = found[1]
            if not to.startswith("@"):
                to = str((Path("/") / one).parent.joinpath(to).resolve())[1:]
            waiting.append(to)
    return seen


@cache
def _text(path: Path) -> str:
    return path.read_text()
