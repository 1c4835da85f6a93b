"""A member's shares of k, one for each group, sealed on disk (ATT-031)."""

import os
from pathlib import Path

import orjson

from trex.gateway.attestor.group import Group, base, read_group
from trex.gateway.keys import Secret, account_of
from trex.gateway.nullify import Sealer
from trex.types.primitives import Hash32


class Shares:
    """A folder of them; a file is written whole, and then never changed."""

    def __init__(self, folder: Path, key: Secret) -> None:
        """Name the folder; it is made with the first share.

        Args:
            folder: where they are.
            key: of the member; they are sealed under what follows from it.
        """
        self._folder, self._sealer, self._member = folder, Sealer(key.derive("shares")), account_of(key)

    def _file(self, id_: Hash32) -> Path:
        return self._folder / f"{id_.hex()}.share"

    def keep(self, group: Group, share: int) -> None:
        """Keep a share; one that is there already stays."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._file(group.id)
        if file.exists():
            return
        told = {"group": group.write().decode(), "share": f"{share:064x}"}
        part = file.with_suffix(f".{os.getpid()}")
        part.touch(0o600)
        with part.open("wb") as out:
            out.write(self._sealer.seal(orjson.dumps(told), "share"))
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)

    def find(self, id_: Hash32) -> tuple[Group, int] | None:
        """Return a group and the share in its k; None if there is none here.

        Raises:
            ValueError: the file was changed, or is of another member.
        """
        try:
            sealed = self._file(id_).read_bytes()
        except FileNotFoundError:
            return None
        told = orjson.loads(self._sealer.open(sealed, "share"))
        group, share = read_group(told["group"].encode()), int(told["share"], 16)
        if base(share) != group.public_share(self._member):
            raise ValueError(f"{self._file(id_)}: a share of somebody else")
        return group, share
