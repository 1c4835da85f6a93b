"""Worlds to attack: a chain in this process, and a gateway that is served."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.adversarial.chain import HELPERS, Chain, Codes, network
from tests.adversarial.kit import ATTACKS
from tests.adversarial.serving import endpoint
from tests.adversarial.variants import creation_codes, weakened
from tests.gateway.conftest import KEYS, PLENTY, Served, serving

from trex.chain.opening import open_chain
from trex.gateway.service import Gateway
from trex.gateway.settings import Settings

DEVNET = 1962


@pytest.fixture(scope="session")
def codes() -> Codes:
    """Creation code of weakened contracts and of the attackers' own, compiled when the first is wanted."""
    return Codes(
        cache(lambda: weakened(list(dict.fromkeys(one.guard for one in ATTACKS if one.guard.is_contract)))),
        cache(lambda: creation_codes(HELPERS)),
    )


@pytest.fixture(scope="session")
def cores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Any]]:
    """Chains by id, each opened once."""
    opened: dict[int, Any] = {}

    def core(chain_id: int) -> Any:
        if chain_id not in opened:
            path = tmp_path_factory.mktemp("attacked")
            opened[chain_id] = open_chain(path, network(chain_id), cache_bytes=64 << 20)
        return opened[chain_id]

    yield core
    for one in opened.values():
        one.close()


@pytest.fixture
def chain(cores: Callable[[int], Any], codes: Codes) -> Iterator[Chain]:
    """The devnet as its genesis has it."""
    moments: dict[int, int] = {}

    def at(chain_id: int) -> Chain:
        core = cores(chain_id)
        moments.setdefault(chain_id, core.snapshot())
        return Chain(core, codes, at)

    yield at(DEVNET)
    for chain_id, moment in moments.items():
        assert cores(chain_id).revert(moment)


@contextlib.asynccontextmanager
async def settings_of(chain: Chain, folder: Path, **more: Any) -> AsyncIterator[Settings]:
    """Of a gateway before that chain, whose clock is set to today's."""
    chain.wait(int(time.time()) - chain.now_s)
    async with endpoint(chain) as url:
        database = f"sqlite:///{folder / 'gateway.db'}"
        yield Settings("http://localhost", database, url, requests=PLENTY, costly=PLENTY, **more)


@pytest.fixture
async def gateway(chain: Chain, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway that does not listen."""
    async with settings_of(chain, tmp_path) as settings:
        running = Gateway(settings, KEYS)
        await running.start()
        yield running
        await running.stop()


@pytest.fixture
async def served(chain: Chain, tmp_path: Path) -> AsyncIterator[Served]:
    """A gateway that listens."""
    async with settings_of(chain, tmp_path) as settings, serving(settings) as running:
        yield running
