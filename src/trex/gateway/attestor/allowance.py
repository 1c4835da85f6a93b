"""How many questions under a share a gateway has left (ATT-032): kept over restarts."""

import logging
from pathlib import Path

import orjson

from trex.types.primitives import Address
from trex.web.limits import Rate

log = logging.getLogger(__name__)

FILE = "questions.json"


class Allowance:
    """Token buckets by gateway, in a file beside the shares."""

    def __init__(self, folder: Path, rate: Rate) -> None:
        """Take the folder; the file is written when the first question is taken."""
        self._file, self._rate = folder / FILE, rate

    def take(self, who: Address, questions: int, now_s: float) -> bool:
        """Take so many, or none; False if a gateway has not so many left.

        Raises:
            ValueError: the file is damaged.
        """
        left = self._left()
        most = float(self._rate.burst)
        before, at_s = left.get(who.hex(), (most, now_s))
        there = min(most, before + max(0.0, now_s - at_s) * self._rate.per_s)
        if there < questions:
            log.error("a gateway asks about more people than it may", extra={"gateway": who.hex()})
            return False
        if there - questions < most / 2 <= there:
            log.warning("a gateway has asked half of what it may at once", extra={"gateway": who.hex()})
        left[who.hex()] = (there - questions, now_s)
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_bytes(orjson.dumps(left))
        part.replace(self._file)
        return True

    def _left(self) -> dict[str, tuple[float, float]]:
        try:
            told = orjson.loads(self._file.read_bytes())
            return {name: (float(left), float(at_s)) for name, (left, at_s) in told.items()}
        except FileNotFoundError:
            return {}
        except (TypeError, AttributeError) as error:
            raise ValueError(f"{self._file}: not what was written there") from error
