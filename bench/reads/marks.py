"""The contract that fills a chain for benchmarks, compiled."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def compiled() -> tuple[str, dict[str, str]]:
    """Return the creation code of Marks.sol and its functions' selectors.

    Raises:
        RuntimeError: the compiler refused it.
    """
    settings = {
        "evmVersion": "prague",
        "optimizer": {"enabled": True, "runs": 10_000},
        "outputSelection": {"*": {"*": ["evm.bytecode.object", "evm.methodIdentifiers"]}},
    }
    sources = {"Marks.sol": {"content": (HERE / "Marks.sol").read_text()}}
    job = json.dumps({"language": "Solidity", "sources": sources, "settings": settings})
    done = subprocess.run(
        [str(ROOT / "scripts" / "solc"), "--standard-json"],
        input=job,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    try:
        made = json.loads(done.stdout)["contracts"]["Marks.sol"]["Marks"]["evm"]
    except (ValueError, KeyError):
        raise RuntimeError(f"cannot compile Marks.sol: {done.stdout[:500]}{done.stderr[:500]}") from None
    selectors = {name.partition("(")[0]: selector for name, selector in made["methodIdentifiers"].items()}
    return made["bytecode"]["object"], selectors
