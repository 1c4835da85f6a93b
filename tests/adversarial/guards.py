"""Guards, and programs without them: the very text of the source with some lines cut out, compiled anew."""

import __future__

import ast
import contextlib
import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).parents[2]


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
