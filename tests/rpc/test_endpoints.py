"""Endpoints that answer badly, late, differently or not: what each comes to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from trex.rpc.endpoint import Endpoint
from trex.rpc.endpoints import Endpoints, Retries, most
from trex.rpc.errors import EndpointError, NoQuorumError, RefusedError, UnavailableError

Answer = Callable[[Any], Any]
"""From a request's JSON to the answer's: bytes and responses go out as they are."""


@asynccontextmanager
async def served(answer: Answer, **options: Any) -> AsyncIterator[Endpoint]:
    """An endpoint that answers as it is told."""

    async def handle(request: web.Request) -> web.StreamResponse:
        found = answer(orjson.loads(await request.read()))
        if asyncio.iscoroutine(found):
            found = await found
        if isinstance(found, web.Response):
            return found
        return web.Response(body=found if isinstance(found, bytes) else orjson.dumps(found))

    application = web.Application()
    application.router.add_post("/{key:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Endpoint(f"http://127.0.0.1:{runner.addresses[0][1]}/secret", session, **options)
    finally:
        await runner.cleanup()


def saying(result: Any) -> Answer:
    return lambda asked: {"jsonrpc": "2.0", "id": asked["id"], "result": result}


def failing(code: Any, message: str = "no", data: Any = None) -> Answer:
    error = {"code": code, "message": message, "data": data}
    return lambda asked: {"jsonrpc": "2.0", "id": asked["id"], "error": error}


def later(seconds: float, answer: Answer) -> Answer:
    async def wait(asked: Any) -> Any:
        await asyncio.sleep(seconds)
        return answer(asked)

    return wait


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (b"no JSON", UnavailableError, "bad_answer"),
        (b"[]", UnavailableError, "bad_answer"),
        ({"id": 77, "result": 1}, UnavailableError, "bad_answer"),
        (lambda asked: {"id": asked["id"]}, UnavailableError, "bad_answer"),
        (lambda asked: {"id": asked["id"], "error": "no"}, UnavailableError, "bad_answer"),
        (web.Response(status=503), UnavailableError, "overloaded"),
        (web.Response(status=429), UnavailableError, "overloaded"),
        (web.Response(status=302, headers={"Location": "/other"}), UnavailableError, "bad_answer"),
        (failing(-32603), UnavailableError, "overloaded"),
        (failing(-32005), UnavailableError, "overloaded"),
        (failing(-32601), RefusedError, "refused"),
        (failing({"code": 3}), RefusedError, "refused"),
        (failing(3, "execution reverted", "0xab"), RefusedError, "reverted"),
        (failing(-32000, "Reverted"), RefusedError, "reverted"),
        (failing(-32000, "nonce too low"), RefusedError, "refused"),
        (b" " * 1001, RefusedError, "too_large"),
    ],
)
async def test_what_an_answer_comes_to(answer: Any, kind: type[EndpointError], code: str) -> None:
    """And no message tells the rest of the URL, which may hold a key."""
    told = answer if callable(answer) else lambda _: answer
    async with served(told, max_answer_bytes=1000) as endpoint:
        with pytest.raises(kind) as caught:
            await endpoint.call("eth_call")
        assert caught.value.code == code
        assert "secret" not in str(caught.value)


async def test_limit_of_logs_is_refused_for_smaller_questions() -> None:
    """EIP-1474's -32005: nothing but a shorter range mends it there, and time does elsewhere."""
    async with served(failing(-32005)) as endpoint:
        with pytest.raises(RefusedError):
            await endpoint.call("eth_getLogs", {})


async def test_endpoint_that_is_not_there_or_silent_is_unavailable() -> None:
    async with aiohttp.ClientSession() as session:
        for url in ("http://127.0.0.1:1/secret", "no url of any kind/secret"):
            with pytest.raises(UnavailableError) as caught:
                await Endpoint(url, session).call("eth_call")
            assert caught.value.code == "unreachable"
            assert "secret" not in str(caught.value)
    async with served(later(30, saying(1)), timeout_s=0.2) as endpoint:
        with pytest.raises(UnavailableError) as caught:
            await endpoint.call("eth_call")
        assert caught.value.code == "timeout"


async def test_batch_keeps_its_order_and_the_refusals_in_their_place() -> None:
    def answer(asked: Any) -> Any:
        told = [(failing(3) if one["params"] == [1] else saying(one["params"]))(one) for one in asked]
        return told[::-1]

    async with served(answer) as endpoint:
        one, refused, three = await endpoint.outcomes([("a", [0]), ("b", [1]), ("c", [2])])
        assert (one, three, refused.code) == ([0], [2], "reverted")
        assert await endpoint.batch("a", [(5,), (6,)]) == [[5], [6]]
        assert await endpoint.outcomes([]) == []
        with pytest.raises(RefusedError):
            await endpoint.batch("a", [(0,), (1,)])
        assert endpoint.asked == 3


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"[]", UnavailableError),
        (b"7", UnavailableError),
        (b'[{"id": [1], "result": 1}]', UnavailableError),
        (b'{"error": {"code": -32600, "message": "batch too large"}}', RefusedError),
        (b'{"error": {"code": -32005, "message": "later"}}', UnavailableError),
    ],
)
async def test_batch_that_is_not_answered_whole_has_no_result(
    answer: bytes, kind: type[EndpointError]
) -> None:
    async with served(lambda _: answer) as endpoint:
        with pytest.raises(kind):
            await endpoint.batch("a", [()])


async def test_retries_end_by_attempts_and_by_budget() -> None:
    tried: list[int] = []

    async def fail() -> None:
        tried.append(1)
        raise UnavailableError("overloaded", "later")

    for retries, most_tries in (
        (Retries(attempts=3, first_wait_s=0.001), 3),
        (Retries(budget_s=0.0), 1),
    ):
        tried.clear()
        with pytest.raises(UnavailableError):
            await retries.run(fail)
        assert len(tried) == most_tries
    tried.clear()

    async def stop() -> None:
        tried.append(1)
        raise RefusedError("refused", "never")

    with pytest.raises(RefusedError):
        await Retries().run(stop)
    assert len(tried) == 1


def test_most_is_the_largest_group() -> None:
    assert most([1, 2, 2, 3]) == [2, 2]
    assert most([(1, "a"), (2, "a"), (3, "b")], key=lambda one: one[1]) == [(1, "a"), (2, "a")]
    assert most([]) == []


@asynccontextmanager
async def several(*answers: Answer, quorum: int | None = None) -> AsyncIterator[Endpoints]:
    async with AsyncExitStack() as stack:
        yield Endpoints(
            [await stack.enter_async_context(served(one)) for one in answers],
            quorum=quorum,
            retries=Retries(budget_s=0.2),
        )


async def ask(endpoint: Endpoint) -> int:
    return int(await endpoint.call("eth_blockNumber"))


@pytest.mark.parametrize("quorum", [0, 3, -1])
async def test_quorum_that_cannot_be_is_refused(quorum: int) -> None:
    with pytest.raises(ValueError, match="quorum"):
        async with several(saying(1), saying(1), quorum=quorum):
            pass
    with pytest.raises(ValueError, match="no endpoint"):
        Endpoints([])


async def test_liar_that_answers_first_does_not_keep_the_honest_from_being_heard() -> None:
    """While answers differ, the slow are waited for: longer than the moment that stragglers get."""
    async with several(saying(9), saying(1), later(0.6, saying(1))) as endpoints:
        assert await endpoints.agreed(ask) == 1
        assert endpoints.disagreements == 1


async def test_straggler_is_not_waited_for_when_enough_agree() -> None:
    async with several(saying(1), saying(1), later(600, saying(1))) as endpoints:
        async with asyncio.timeout(180):
            assert await endpoints.agreed(ask) == 1


@pytest.mark.parametrize("lie", [1, 10**18])
async def test_liar_beside_a_slow_one_does_not_move_the_middle(lie: int) -> None:
    """Of two answers that are not alike one may be a lie: the third is waited for."""
    async with several(saying(lie), saying(100), later(0.6, saying(104))) as endpoints:
        assert await endpoints.middle(ask) == (100 if lie == 1 else 104)
    async with several(saying(100), saying(104), later(30, saying(lie))) as endpoints:
        assert await endpoints.middle(ask) == 100


async def test_too_few_that_agree_or_answer_give_no_answer_and_say_why() -> None:
    async with several(saying(1), saying(2), saying(3)) as endpoints:
        with pytest.raises(NoQuorumError, match="at most 1 say the same"):
            await endpoints.agreed(ask)
    async with several(saying(1), failing(-32601), failing(-32603)) as endpoints:
        with pytest.raises(NoQuorumError) as caught:
            await endpoints.agreed(ask)
        assert {type(failure) for failure in caught.value.failures} == {RefusedError, UnavailableError}
    async with several(saying(1), failing(3), failing(3)) as endpoints:
        with pytest.raises(RefusedError) as refused:
            await endpoints.agreed(ask)
        assert refused.value.code == "reverted"


NONSENSE: list[Any] = [None, 7, -1.5, True, "", "0x", "0x-1", [], [[]], {}, {"number": {}}, {"number": 7}]


@pytest.mark.parametrize("said", NONSENSE, ids=repr)
async def test_nonsense_of_one_is_its_own_bad_answer_whatever_reading_it_stumbles_over(said: Any) -> None:
    """DRV-066: readers fail in ways of their own; the others are heard all the same."""

    async def careless(endpoint: Endpoint) -> int:
        answer = await endpoint.call("eth_getBlockByNumber")
        return int(answer["number"].removeprefix("0x"), 16).to_bytes(8, "big")[7]

    async def raw(endpoint: Endpoint) -> Any:
        return await endpoint.call("eth_getBlockByNumber")

    honest = saying({"number": "0x5"})
    async with several(saying(said), honest, honest) as endpoints:
        assert await endpoints.first(careless) == 5
        assert await endpoints.majority(careless) == [5, 5]
        assert await endpoints.agreed(careless) == 5
        assert await endpoints.middle(careless) == 5
    async with several(saying(said)) as alone:
        for asked in (alone.first(careless), alone.majority(careless), alone.middle(careless)):
            with pytest.raises(UnavailableError) as caught:
                await asked
            assert caught.value.code in {"bad_answer", "no_quorum"}
            assert "secret" not in str(caught.value)
    async with several(saying(said), saying("0x5"), saying("0x5")) as endpoints:
        assert await endpoints.agreed(raw) == "0x5"
    async with several(saying({"un": "ordered"}), saying(5), saying(5)) as endpoints:
        assert await endpoints.middle(raw) == 5


async def test_slow_endpoint_is_not_waited_for_alone_nor_asked_first_again() -> None:
    async with several(later(30, saying(1)), saying(2)) as endpoints:
        endpoints.slow_s = 0.05
        assert await endpoints.first(ask) == 2
        endpoints.slow_s = 30
        assert await endpoints.first(ask) == 2
        assert [endpoint.asked for endpoint in endpoints.endpoints] == [1, 2]
    # It may still be who answers.
    async with several(later(0.3, saying(1)), failing(-32603)) as endpoints:
        endpoints.slow_s = 0.05
        assert await endpoints.first(ask) == 1


async def test_first_good_answer_is_asked_first_again() -> None:
    async with several(failing(-32603), saying(2)) as endpoints:
        assert [await endpoints.first(ask), await endpoints.first(ask)] == [2, 2]
        assert [endpoint.asked for endpoint in endpoints.endpoints] == [1, 2]
    async with several(failing(-32603), failing(3)) as endpoints:
        with pytest.raises(UnavailableError):
            await endpoints.first(ask)
