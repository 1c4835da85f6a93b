"""The gateway's database."""

from trex.gateway.store.schema import metadata
from trex.web.database import Database as AnyDatabase

SCHEMA = "1"
"""Version of the tables."""


class Database(AnyDatabase):
    """One chain's gateway's state."""

    def __init__(self, url: str) -> None:
        """Name a database; nothing is opened yet.

        Args:
            url: `sqlite:///PATH` or `postgresql://USER@HOST/NAME`.

        Raises:
            ValueError: it is of another kind.
        """
        super().__init__(url, metadata, SCHEMA)

    async def open(self, genesis: str) -> None:
        """Make the tables where they are missing, and see that this database belongs to that chain.

        Raises:
            DatabaseMismatchError: it does not, or another version made it.
        """
        await self.prepare(genesis=genesis)
