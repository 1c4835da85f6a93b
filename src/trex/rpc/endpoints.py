"""Several endpoints of one chain: what is tried again, and when enough of them say the same."""

import asyncio
import logging
import operator
import random
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from trex.rpc.endpoint import Endpoint
from trex.rpc.errors import EndpointError, NoQuorumError, RefusedError, UnavailableError

log = logging.getLogger(__name__)

STRAGGLERS_S = 0.2
"""How long the rest is waited for once enough have answered."""
NEAR = 2
"""Answers are alike when none is more than so many times another."""
SLOW_S = 3.0
"""How long one endpoint is waited for alone where the first good answer will do."""

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


@dataclass(slots=True)
class Retries:
    """How often and how long to try: a budget in seconds, waits that double, with jitter."""

    budget_s: float = 30.0
    attempts: int | None = None
    """At most so many tries; None for as many as the budget allows."""
    first_wait_s: float = 0.1
    longest_wait_s: float = 5.0
    jitter: random.Random = field(default_factory=random.Random)

    async def run(self, act: Callable[[], Awaitable[T]]) -> T:
        """Try `act` until it ends otherwise than by `UnavailableError`, or the budget is spent."""
        loop = asyncio.get_running_loop()
        deadline, wait_s, tried = loop.time() + self.budget_s, self.first_wait_s, 0
        while True:
            try:
                return await act()
            except UnavailableError as error:
                tried += 1
                pause_s = wait_s * self.jitter.uniform(0.5, 1.0)
                if tried == self.attempts or loop.time() + pause_s > deadline:
                    raise
                log.debug("trying again in %.2f s: %s", pause_s, error)
                await asyncio.sleep(pause_s)
                wait_s = min(wait_s * 2, self.longest_wait_s)


def most(answers: Sequence[T], key: Callable[[T], Any] = lambda answer: answer) -> list[T]:
    """Return those answers that say what most of them say, by a key that can be hashed."""
    groups: dict[Any, list[T]] = {}
    for answer in answers:
        groups.setdefault(key(answer), []).append(answer)
    return max(groups.values(), key=len, default=[])


async def heard(ask: Callable[[Endpoint], Awaitable[T]], endpoint: Endpoint) -> T:
    """Return what one endpoint answers; whatever reading its answer stumbles over is that endpoint's fault.

    Raises:
        EndpointError: the endpoint's; `bad_answer` for an answer of a kind that nobody foresaw.
    """
    try:
        return await ask(endpoint)
    except EndpointError:
        raise
    except Exception as error:
        what = f"{endpoint.name}: an answer that cannot be read: {type(error).__name__}: {str(error)[:200]}"
        log.warning("%s", what, exc_info=log.isEnabledFor(logging.DEBUG))
        raise UnavailableError("bad_answer", what) from error


class Endpoints:
    """Endpoints of which a minority may lie, stall or lag."""

    def __init__(
        self, endpoints: Sequence[Endpoint], *, quorum: int | None = None, retries: Retries | None = None
    ) -> None:
        """Name the endpoints.

        Args:
            endpoints: at least one.
            quorum: how many must say the same; None for a majority.
            retries: for each read.
        """
        if not endpoints:
            raise ValueError("no endpoint")
        self.endpoints = list(endpoints)
        self.retries = retries or Retries()
        self.quorum = len(self.endpoints) // 2 + 1 if quorum is None else quorum
        if not 0 < self.quorum <= len(self.endpoints):
            raise ValueError(f"a quorum of {quorum} among {len(self.endpoints)} endpoints")
        self.disagreements = 0
        """How many answers were outvoted, for metrics."""
        self.slow_s = SLOW_S
        """Seconds after which one that has not answered is not waited for alone."""
        self._preferred = 0

    async def first(self, ask: Callable[[Endpoint], Awaitable[T]]) -> T:
        """Return the first good answer; the endpoint that gave it is asked first next time.

        One endpoint is asked after another. Who is slow is not waited for alone: the next is asked beside it.
        """
        count = len(self.endpoints)
        left = [(self._preferred + offset) % count for offset in reversed(range(count))]
        asked: dict[asyncio.Future[T], int] = {}
        failure: EndpointError | None = None
        try:
            while left or asked:
                if left:
                    index = left.pop()
                    asked[asyncio.ensure_future(heard(ask, self.endpoints[index]))] = index
                done, _ = await asyncio.wait(
                    asked, timeout=self.slow_s if left else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    index = asked.pop(task)
                    try:
                        answer = task.result()
                    except EndpointError as error:
                        failure = failure or error
                        continue
                    self._preferred = index
                    return answer
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        raise failure or UnavailableError("unreachable", "no endpoint")

    async def majority(
        self,
        ask: Callable[[Endpoint], Awaitable[T]],
        enough: Callable[[list[T]], bool] = lambda _: True,
    ) -> list[T]:
        """Return the endpoints' answers when the quorum has one each, and they are `enough`.

        Stragglers are not waited for long then; while answers differ too much, they are.

        Raises:
            RefusedError: the quorum refuses.
            NoQuorumError: fewer than the quorum answer.
        """
        tasks = [asyncio.ensure_future(heard(ask, endpoint)) for endpoint in self.endpoints]
        answers: list[T] = []
        failures: list[EndpointError] = []
        try:
            for finished in asyncio.as_completed(tasks):
                try:
                    answers.append(await finished)
                except EndpointError as error:
                    failures.append(error)
                if len(failures) > len(tasks) - self.quorum:
                    break  # The quorum cannot be had any more: a stalling endpoint is not waited for.
                if len(answers) >= self.quorum and enough(answers):
                    # Enough have spoken: the rest get a moment, and are passed over if they stall.
                    rest = [task for task in tasks if not task.done()]
                    if rest:
                        await asyncio.wait(rest, timeout=STRAGGLERS_S)
                    answers = [task.result() for task in tasks if task.done() and task.exception() is None]
                    break
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if len(answers) >= self.quorum:
            return answers
        refusals = [failure for failure in failures if isinstance(failure, RefusedError)]
        if len(refusals) >= self.quorum:
            raise refusals[0]
        raise NoQuorumError(f"{len(answers)} of {len(tasks)} endpoints answer: {failures[0]}", failures)

    async def agreed(self, ask: Callable[[Endpoint], Awaitable[H]]) -> H:
        """Return the answer that the quorum gives.

        Raises:
            RefusedError: the quorum refuses.
            NoQuorumError: fewer answer, or say the same.
        """

        async def comparable(endpoint: Endpoint) -> H:
            answer = await ask(endpoint)
            hash(answer)
            return answer

        answers = await self.majority(comparable, lambda answers: len(most(answers)) >= self.quorum)
        same = most(answers)
        if len(same) < len(answers):
            self.disagreements += 1
            log.warning(
                "endpoints disagree: %d of %d answers are outvoted", len(answers) - len(same), len(answers)
            )
        if len(same) < self.quorum:
            raise NoQuorumError(f"endpoints disagree: at most {len(same)} say the same")
        return same[0]

    async def middle(self, ask: Callable[[Endpoint], Awaitable[int]]) -> int:
        """Return the middle of what the endpoints answer: a minority cannot move it beyond an honest word.

        For what differs from endpoint to endpoint, as prices do. While the quorum's answers are not alike,
        the rest is waited for: of two answers the middle may be a lie.

        Raises:
            RefusedError: the quorum refuses.
            NoQuorumError: fewer answer.
        """

        async def number(endpoint: Endpoint) -> int:
            return operator.index(await ask(endpoint))

        def alike(answers: list[int]) -> bool:
            return max(answers) <= NEAR * min(answers)

        answers = sorted(await self.retries.run(lambda: self.majority(number, alike)))
        return answers[(len(answers) - 1) // 2]
