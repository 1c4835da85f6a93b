"""What a member's operator approved, and what waits for it (ATT-023): a file each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from trex.types.primitives import Hash32

MAX_WAITING = 100
"""Acts kept that wait. What comes beyond is not: it can be approved by its name still."""
MAX_SHOWN_BYTES = 262_144
"""Most kept of one act."""
_WAITING, _APPROVED = ".waiting", ".approved"


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a member signs if its operator wants it to."""

    name: Hash32
    """Digest of what would be signed, with 0 for its deadline; of a task, its hash."""
    is_approved: bool
    """Whether the operator wants it."""
    shown: Any
    """As it was asked for; None if it was not asked for, or is too long to be kept."""


class Approvals:
    """A folder of them; the member and its operator's commands read and write it side by side."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when the first is kept."""
        self._folder = folder

    def has(self, name: Hash32) -> bool:
        """Whether an act is approved."""
        return self._file(name, _APPROVED).exists()

    def wait(self, name: Hash32, shown: Any) -> bool:
        """Keep an act until the operator decides; False if too many wait already."""
        if self._file(name, _WAITING).exists():
            return True
        if len(list(self._folder.glob(f"*{_WAITING}"))) >= MAX_WAITING:
            return False
        self._keep(name, _WAITING, shown)
        return True

    def acts(self) -> list[Act]:
        """All that wait or are approved, by name."""
        found = []
        for file in sorted(self._folder.glob("*")):
            if file.suffix in (_WAITING, _APPROVED):
                name = Hash32(bytes.fromhex(file.stem))
                found.append(Act(name, file.suffix == _APPROVED, orjson.loads(file.read_bytes())))
        return found

    def approve(self, name: Hash32) -> None:
        """Let an act be signed from now on, whenever it is asked for."""
        waiting = self._file(name, _WAITING)
        if waiting.exists():
            waiting.replace(self._file(name, _APPROVED))
        elif not self.has(name):
            self._keep(name, _APPROVED, None)

    def revoke(self, name: Hash32) -> bool:
        """Sign an act no more, and forget that it was asked for; False if neither was."""
        files = [one for ending in (_WAITING, _APPROVED) if (one := self._file(name, ending)).exists()]
        for one in files:
            one.unlink(missing_ok=True)
        return bool(files)

    def _file(self, name: Hash32, ending: str) -> Path:
        return self._folder / f"{name.hex()}{ending}"

    def _keep(self, name: Hash32, ending: str, shown: Any) -> None:
        written = orjson.dumps(shown)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._file(name, f"{ending}-part")
        part.write_bytes(written if len(written) <= MAX_SHOWN_BYTES else b"null")
        part.replace(self._file(name, ending))
