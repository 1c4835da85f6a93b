"""What projects ask over HTTP, as one object: the lake, the columns, the state, and what each may use up."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import duckdb

from trex.engine.bi import state
from trex.engine.bi.cohorts import CohortError
from trex.engine.bi.experiments import ExperimentError
from trex.engine.bi.lake import View, view
from trex.engine.lake.consent import Purpose, consented
from trex.engine.lake.gold import newest_s
from trex.engine.lake.lake import Lake, LakeError
from trex.engine.lake.tables import SILVER
from trex.engine.matching.audience import Answer, Audiences, Spread
from trex.engine.matching.parse import QueryError, parse
from trex.engine.matching.plan import AudienceError
from trex.engine.matching.privacy import LEAST
from trex.engine.matching.query import Query, criteria
from trex.types.errors import CoreError
from trex.web import audit
from trex.web.database import Database
from trex.web.errors import Fault, RefusalError
from trex.web.limits import Limiter, Rate

log = logging.getLogger(__name__)

T = TypeVar("T")
DAY_S = 86_400
CELLS_A_UNIT = 10_000_000
"""Values that a query reads for one unit of a quota."""
ROWS_A_UNIT = 100_000
"""Facts that a study reads for one unit of a quota."""
QUOTA = 10_000
"""Units a day, unless a key was made with another number."""
_REQUESTS = Rate(120, 20.0)


@dataclass(frozen=True, slots=True)
class BiSettings:
    """What the operator decides."""

    folder: Path
    """Of the engine: its lake is read, `audiences` and `bi.sqlite` are kept below it."""
    public_url: str
    """Origin under which people reach the pages."""
    chain: int = 1962
    """Chain of the passports."""
    gateway: str = ""
    """Origin of the persona gateway that signs people in; empty for none: then there are no pages."""
    database: str = ""
    """`postgresql://USER@HOST/NAME`; empty for `bi.sqlite` in the folder."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses whose `X-Forwarded-For` counts."""
    requests: Rate = field(default=_REQUESTS)
    """Of one client."""
    most_cells: int = 5_000_000_000
    """Values that one query may read (BIA-004)."""
    most_rows: int = 200_000_000
    """Facts that one study may read (BIA-004)."""
    study_s: float = 60.0
    """A study has that long (BIA-004)."""
    at_once: int = 2
    """Studies computed side by side; others wait."""

    @property
    def secure(self) -> bool:
        """Whether people come by TLS."""
        return self.public_url.startswith("https:")


class Bi:
    """Everything that a request needs."""

    def __init__(self, settings: BiSettings, *, clock: Callable[[], float] = time.time) -> None:
        """Take settings; nothing is opened yet."""
        self.settings, self.clock = settings, clock
        self.lake = Lake(settings.folder / "lake")
        self.database = open_state(settings)
        self.requests = Limiter(settings.requests)
        self._studies = asyncio.Semaphore(settings.at_once)
        self.audiences: Audiences

    @property
    def now_s(self) -> int:
        """Unix time in seconds."""
        return int(self.clock())

    async def start(self) -> None:
        """Open state and columns.

        Raises:
            DatabaseMismatchError: the state is another version's.
            LakeError, CoreError: the columns cannot be read or made.
        """
        await self.database.prepare()
        folder = self.settings.folder / "audiences"
        self.audiences = await asyncio.to_thread(Audiences, self.lake, folder, self.clock)

    async def stop(self) -> None:
        """Close."""
        await self.database.close()

    async def note(self, actor: str, action: str, subject: str, outcome: str = "done") -> None:
        """Add a line to the audit log (BIA-002)."""
        async with self.database.transaction() as tx:
            await audit.record(tx, self.now_s, actor, action, subject, outcome)

    async def spend(self, project: str, units: int) -> None:
        """Use units of a project's quota up (BIA-003).

        Raises:
            RefusalError: there are not as many left today.
        """
        async with self.database.transaction() as tx:
            if not await state.spend(tx, project, units, self.now_s // DAY_S):
                left = DAY_S - self.now_s % DAY_S
                raise RefusalError(
                    Fault.TOO_MANY, f"{project}'s quota of today is used up", retry_after_s=left
                )

    def _cost(self, query: Query) -> int:
        """Values that a query reads.

        Raises:
            RefusalError: too many (BIA-004).
        """
        asked, people = (
            len(list(criteria(query.where))) + len(query.prefer),
            len(self.audiences.columns.people),
        )
        cells = max(1, asked) * people
        if cells > (most := self.settings.most_cells):
            raise RefusalError(
                Fault.TOO_COSTLY,
                f"{asked} criteria over {people:,} people read {cells:,} values; at most {most:,}",
            )
        return cells

    async def _match(self, project: str, query: Query, ask: Callable[[], T], passes: int = 1) -> T:
        await self.spend(project, 1 + passes * self._cost(query) // CELLS_A_UNIT)
        with answered():
            return await asyncio.to_thread(ask)

    async def ask(self, project: str, query: Query, limit: int = 20, page: str | None = None) -> Answer:
        """Answer a query (see `Audiences.ask`).

        Raises:
            RefusalError: it has no answer, not for this project, or costs too much.
        """
        return await self._match(project, query, lambda: self.audiences.ask(query, project, limit, page))

    async def everyone(self, project: str, query: Query, *, purpose: Purpose = Purpose.MATCHING) -> list[int]:
        """Passports of all who fit and agreed to a purpose, best first (EXT-001).

        Raises:
            RefusalError: as `ask`; or they are fewer than may be told of (PRV-003).
        """
        found = await self._match(project, query, lambda: list(self.audiences.everyone(query, project)))
        if purpose is not Purpose.MATCHING:
            found = await self.agreeing(project, found, purpose)
        if len(found) < LEAST:
            said = "" if purpose is Purpose.MATCHING else f" who agreed to purpose {purpose.value!r}"
            raise RefusalError(Fault.REFUSED, f"fewer than {LEAST} people{said}: none is named")
        return [int(one) for one in found]

    async def agreeing(
        self, project: str, passports: Iterable[str], purpose: Purpose = Purpose.MATCHING
    ) -> list[str]:
        """Those of some passports who agree to a purpose now, in their order (CON-001)."""

        def asked() -> list[str]:
            words = self.lake.session().table("silver_consents")
            agreed = set(consented(words, purpose, project).to_pyarrow()["passport"].to_pylist())
            return [one for one in passports if one in agreed]

        with answered():
            return await asyncio.to_thread(asked)

    async def spread(self, project: str, query: Query, feature: str, days: int | None) -> Spread:
        """How a feature is spread over an audience (see `Audiences.spread`)."""
        return await self._match(
            project, query, lambda: self.audiences.spread(query, project, feature, days), 4
        )

    async def as_of_s(self) -> int:
        """When the newest fact in the lake happened, Unix time."""
        with answered():
            return await asyncio.to_thread(lambda: newest_s(self.lake.session()))

    async def study(self, project: str, facts: Iterable[str], work: Callable[[View], T]) -> T:
        """Compute something from the facts of people who agreed to be counted by a project.

        Args:
            project: who is told.
            facts: tables that are read, once for each time.
            work: called in another thread.

        Raises:
            RefusalError: it reads too much, takes too long, or makes no sense.
        """
        rows = await asyncio.to_thread(self._rows, ["links", *facts])
        if rows > (most := self.settings.most_rows):
            raise RefusalError(Fault.TOO_COSTLY, f"this reads {rows:,} facts; at most {most:,}")
        await self.spend(project, 10 + rows // ROWS_A_UNIT)
        opened: list[View] = []

        def run() -> T:
            opened.append(view(self.lake, project))
            return work(opened[0])

        async with self._studies:
            task = asyncio.create_task(asyncio.to_thread(run))
            done, _ = await asyncio.wait({task}, timeout=self.settings.study_s)
            if done:
                with answered():
                    return task.result()
            while not task.done():
                for one in opened:
                    one.people.get_backend().con.interrupt()
                await asyncio.wait({task}, timeout=0.2)
            task.exception()
        took = f"longer than {self.settings.study_s:g} s"
        raise RefusalError(Fault.TOO_COSTLY, f"this takes {took}: ask for less")

    def _rows(self, facts: Iterable[str]) -> int:
        found = 0
        for name in facts:
            table = self.lake.table(SILVER[name].name)
            found += table.to_pyarrow_dataset().count_rows() if table is not None else 0
        return found


def open_state(settings: BiSettings) -> Database:
    """Name the database of a service's state."""
    url = settings.database or f"sqlite:///{settings.folder / 'bi.sqlite'}"
    return Database(url, state.metadata, state.SCHEMA)


@contextmanager
def answered() -> Iterator[None]:
    """Say the engine's errors as refusals: what is at fault with the question, and what with the lake."""
    try:
        yield
    except QueryError as error:
        told = {"start": error.start, "end": error.end, "suggestions": list(error.suggestions)}
        raise RefusalError(Fault.MALFORMED, error.reason, more=told) from error
    except (AudienceError, ExperimentError, CohortError) as error:
        raise RefusalError(Fault.REFUSED, str(error)) from error
    except (LakeError, CoreError, duckdb.Error) as error:
        log.warning("the engine cannot answer: %s", error)
        raise RefusalError(Fault.UNAVAILABLE, "the engine cannot answer now", retry_after_s=5) from error


def read_query(text: str) -> Query:
    """Read a sentence.

    Raises:
        RefusalError: where it is wrong, and what would do.
    """
    with answered():
        return parse(text) if text.strip() else Query()
