"""The database: one chain's, one version's, and sealed for one purpose."""

import pytest

from trex.gateway.keys import Secret
from trex.gateway.nullify import Sealer
from trex.gateway.store.database import Database
from trex.web.database import DatabaseMismatchError


async def test_database_belongs_to_one_chain(database_url: str) -> None:
    """GTW-032."""
    for genesis, right in (("0x01", True), ("0x01", True), ("0x02", False)):
        database = Database(database_url)
        try:
            if right:
                await database.open(genesis)
            else:
                with pytest.raises(DatabaseMismatchError, match="genesis"):
                    await database.open(genesis)
        finally:
            await database.close()


def test_database_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="sqlite and postgresql"):
        Database("mysql://localhost/x")


def test_sealed_for_one_purpose_under_one_secret() -> None:
    """GTW-033."""
    sealer = Sealer(Secret(b"\x05" * 32))
    sealed = sealer.seal(b"a person's", "account")
    assert sealer.open(sealed, "account") == b"a person's"
    assert sealed != sealer.seal(b"a person's", "account")
    for who, purpose, what in (
        (sealer, "claim", sealed),
        (Sealer(Secret(b"\x06" * 32)), "account", sealed),
        (sealer, "account", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (sealer, "account", b""),
    ):
        with pytest.raises(ValueError, match="not sealed"):
            who.open(what, purpose)
    assert "05" not in repr(Secret(b"\x05" * 32))
