"""One JSON-RPC endpoint over HTTP: bounded in time and bytes, its failures put into words once."""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from trex.settlement.l1.errors import L1Error, L1RefusedError, L1UnavailableError

MAX_ANSWER_BYTES = 256 << 20
"""An endpoint that sends more than this is cut off."""
RETRY_CODES = frozenset({-32005, -32603, -32097, 429})
"""JSON-RPC codes by which endpoints say `not now`: limit exceeded, internal error, rate limits."""
REVERTED = 3
"""JSON-RPC code of an execution that reverted."""


class Endpoint:
    """One JSON-RPC endpoint. Nothing it says is believed here; that is the reader's part."""

    def __init__(self, url: str, session: aiohttp.ClientSession, *, timeout_s: float = 10.0) -> None:
        """Name an endpoint; nothing is sent yet.

        Args:
            url: http or https.
            session: shared by all endpoints; closing it is the caller's.
            timeout_s: for a whole request.
        """
        self.url = url
        self.session = session
        self.timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._ids = itertools.count(1)

    async def call(self, method: str, *params: Any) -> Any:
        """Return a method's result.

        Raises:
            L1UnavailableError: no answer, or none that is JSON-RPC, or `not now`.
            L1RefusedError: the endpoint answered with an error that asking again does not mend.
        """
        number = next(self._ids)
        body = orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        answer = await self._post(body)
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise self._unavailable("bad_answer", f"no JSON-RPC answer to {method}")
        return self._result(method, answer)

    async def batch(self, method: str, params: list[tuple[Any, ...]]) -> list[Any]:
        """Return one method's results for several parameters, in their order; errors as in `call`."""
        if not params:
            return []
        numbers = [next(self._ids) for _ in params]
        body = orjson.dumps(
            [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": one}
                for number, one in zip(numbers, params, strict=True)
            ]
        )
        answers = await self._post(body)
        if not isinstance(answers, list):
            raise self._unavailable("bad_answer", f"no JSON-RPC batch answer to {method}")
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
        if any(number not in by_id for number in numbers):
            raise self._unavailable("bad_answer", f"an answer is missing in the batch of {method}")
        return [self._result(method, by_id[number]) for number in numbers]

    async def _post(self, body: bytes) -> Any:
        try:
            async with self.session.post(
                self.url, data=body, headers={"content-type": "application/json"}, timeout=self.timeout
            ) as response:
                if response.status == 429 or response.status >= 500:
                    raise self._unavailable("overloaded", f"HTTP {response.status}")
                return orjson.loads(await self._bounded(response))
        except TimeoutError as error:
            raise self._unavailable("timeout", f"no answer in {self.timeout.total} s") from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise self._unavailable("unreachable", str(error) or type(error).__name__) from error
        except orjson.JSONDecodeError as error:
            raise self._unavailable("bad_answer", "the answer is not JSON") from error

    async def _bounded(self, response: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_chunked(1 << 16):
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise self._unavailable("bad_answer", f"the answer exceeds {MAX_ANSWER_BYTES} bytes")
            parts.append(part)
        return b"".join(parts)

    def _result(self, method: str, answer: Mapping[str, Any]) -> Any:
        error = answer.get("error")
        if error is None:
            if "result" not in answer:
                raise self._unavailable("bad_answer", f"neither result nor error to {method}")
            return answer["result"]
        if not isinstance(error, dict):
            raise self._unavailable("bad_answer", f"a malformed error to {method}")
        code, message = error.get("code", 0), str(error.get("message", ""))
        if code in RETRY_CODES:
            raise self._unavailable("overloaded", f"{method}: {message}")
        data = error.get("data")
        raise L1RefusedError(
            "reverted" if code == REVERTED or "revert" in message else "refused",
            f"{self.url}: {method}: {message}",
            rpc_code=code if isinstance(code, int) else 0,
            data=data if isinstance(data, str) else None,
        )

    def _unavailable(self, code: str, message: str) -> L1Error:
        return L1UnavailableError(code, f"{self.url}: {message}")
