"""Who asks: a project by its key (BIA-001)."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from trex.engine.bi import state
from trex.engine.bi.service import Bi
from trex.web.errors import Fault, RefusalError


class Body(BaseModel):
    """What all bodies have in common: camelCase names, nothing unknown."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


def bi_of(request: Request) -> Bi:
    """Return the service behind a request."""
    found = request.app.state.bi
    assert isinstance(found, Bi)
    return found


TheBi = Annotated[Bi, Depends(bi_of)]
"""The service."""
Name = Annotated[str, Path(min_length=1, max_length=state.LONGEST_NAME, pattern=r"^[\w.-]+$")]
"""What a project calls something of its own."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A project that asks."""

    project: str
    key: str
    """Id of its key, for the audit log."""

    @property
    def actor(self) -> str:
        """As the audit log names it."""
        return f"key:{self.key}"


async def asker_of(request: Request, bi: TheBi) -> Asker:
    """Return whose key a request carries.

    Raises:
        RefusalError: none, or one that opens nothing.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    async with bi.database.transaction() as tx:
        found = await state.project_of(tx, key.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise RefusalError(
            Fault.NOT_SIGNED_IN,
            "send a key as `Authorization: Bearer trex_...`: `trex engine key new` makes it",
        )
    return Asker(*found)


TheAsker = Annotated[Asker, Depends(asker_of)]
"""The project that asks."""
