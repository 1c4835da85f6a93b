"""Rust half of T-Rex (crates/python). Only `trex.chain` imports it."""

from typing import Final, Literal

__version__: Final[str]
PROFILE: Final[Literal["debug", "release"]]
