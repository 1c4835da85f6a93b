"""An epoch of rewards that a member computes from its own endpoint before it signs (ATT-024, PTS-035)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trex.engagement import epochs
from trex.engagement.epochs import EpochError
from trex.engagement.terms import Terms, TermsError, read_terms
from trex.engagement.tree import RewardTree
from trex.gateway.attestor.refusal import Refusal, UndecidedError
from trex.passport.client import PersonaClient
from trex.types.primitives import Hash32

WAIT_S = 10.0
"""A request waits that long for the computation; the next one finds it further on, or done."""


@dataclass(frozen=True, slots=True)
class ShownTerms:
    """Terms of an epoch, as the gateway shows them to the members."""

    document: bytes
    """Canonical JSON (PTS-027)."""

    def write(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {"terms": self.document.decode()}


def read_shown_terms(told: Mapping[str, Any]) -> Terms:
    """Read what `ShownTerms.write` wrote.

    Raises:
        Refusal: it is something else.
    """
    try:
        return read_terms(told["terms"].encode())
    except (TermsError, KeyError, TypeError, AttributeError) as error:
        raise Refusal("terms", f"not the terms of an epoch: {error}") from error


@dataclass(slots=True)
class Computations:
    """Epochs that are computed, or were, by the hash of their terms."""

    _tasks: dict[Hash32, asyncio.Task[RewardTree]] = field(default_factory=dict)

    async def tree(self, client: PersonaClient, terms: Terms) -> RewardTree:
        """Compute an epoch, once.

        Raises:
            UndecidedError: it is not done yet, or the endpoint cannot tell.
            EndpointError: the endpoint does not answer.
        """
        task = self._tasks.get(terms.hash)
        if task is None:
            for other in self._tasks.values():  # a newer one takes its place: one at a time
                other.cancel()
            self._tasks.clear()
            task = self._tasks[terms.hash] = asyncio.create_task(epochs.compute(client, terms))
        await asyncio.wait({task}, timeout=WAIT_S)
        if not task.done():
            raise UndecidedError("computing")
        if task.cancelled() or task.exception() is not None:
            self._tasks.pop(terms.hash, None)
        try:
            return task.result()
        except asyncio.CancelledError as error:
            raise UndecidedError("another epoch is computed") from error
        except EpochError as error:
            raise UndecidedError(str(error)) from error

    def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks.values():
            task.cancel()


async def judge_epoch(
    client: PersonaClient, computed: Computations, message: Mapping[str, Any], terms: Terms
) -> None:
    """See that an epoch is what follows from the chain under its terms.

    Args:
        client: of the member's own endpoint.
        computed: what it computed before.
        message: members of EpochRewards, numbers as decimal text.
        terms: as shown.

    Raises:
        Refusal: something is otherwise.
        UndecidedError: it cannot be told now.
        EndpointError: the endpoint does not answer.
    """
    number = int(message["epoch"])
    before = await epochs.newest_terms(client, number)
    said = [
        ("formula", message["formula"], f"0x{terms.hash.hex()}"),
        ("number", number, await epochs.count(client) + 1),
        ("terms' number", terms.epoch, number),
        ("chain", terms.chain_id, client.contracts.chain_id),
        ("token", message["token"].lower(), f"0x{terms.token.hex()}"),
        ("first block", terms.from_block, before.to_block + 1 if before else terms.from_block),  # PTS-029
    ]
    _same(said)
    tree = await computed.tree(client, terms)
    _same([("total", int(message["total"]), tree.total), ("root", message["root"], f"0x{tree.root.hex()}")])


def _same(said: list[tuple[str, Any, Any]]) -> None:
    for what, there, here in said:
        if there != here:
            raise Refusal("epoch", f"{what}: asked for {there}, follows {here}")
