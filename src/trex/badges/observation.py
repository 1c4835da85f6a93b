"""What a validator saw: one value with its time and source, or none with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.types.strict_json import canonical_json


@dataclass(frozen=True, slots=True)
class Observation:
    """The answer of a validator to one check."""

    value: Decimal | str | bool | None
    """What was seen; None if it is not known."""
    observed_at_s: int
    """As of when, Unix seconds: the time of the block or of the claim, not of the asking."""
    source: str
    """Where it is from, for people: a chain and block, an attestor."""
    reason: str
    """Why it is so, or why it is not known."""


def check_key(validator: str, parameters: Mapping[str, Any]) -> Hash32:
    """Name a check: the same question has the same key, however it is written (POL-004).

    Raises:
        StrictJsonError: the parameters are not JSON.
    """
    return keccak256(canonical_json({"validator": validator, "parameters": dict(parameters)}))
