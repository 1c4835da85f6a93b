"""What a running program is made of."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Build:
    """The build of the Rust core that this process runs."""

    version: str
    """Version of the package, as in Cargo.toml and pyproject.toml."""
    profile: Literal["debug", "release"]
    """`debug` checks every addition for overflow, `release` does not."""
