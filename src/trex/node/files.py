"""Files that belong to the program, and folders that belong to its user."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The repository: the program runs from its source tree."""


def network_file(name: str) -> Path:
    """Return the path of a network that comes with the program."""
    return ROOT / "networks" / f"{name}.json"


def openrpc_file() -> Path | None:
    """Return the OpenRPC document's path, None where there is none."""
    path = ROOT / "specs" / "openrpc.json"
    return path if path.exists() else None


def data_home() -> Path:
    """Return the folder for data of this user, by the XDG rules."""
    given = os.environ.get("XDG_DATA_HOME")
    base = Path(given) if given else Path.home() / ".local" / "share"
    return base / "trex"


def short(path: Path) -> str:
    """Return a path as people write it."""
    try:
        return f"~/{path.resolve().relative_to(Path.home())}"
    except ValueError:
        return str(path)
