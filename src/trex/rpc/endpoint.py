"""One JSON-RPC endpoint over HTTP: bounded in time and bytes, its failures put into words once."""

import asyncio
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from trex.rpc.errors import EndpointError, RefusedError, UnavailableError

MAX_ANSWER_BYTES = 256 << 20
"""An endpoint that sends more than this is cut off, unless it is named another bound."""
LARGE_BYTES = 1 << 20
"""A question above it is written to the socket piece by piece."""
REVERTED = 3
"""JSON-RPC code of an execution that reverted, as geth's."""

_NOT_NOW = frozenset({-32603, -32097, 429})
"""JSON-RPC codes by which endpoints say `not now`: internal error, rate limits."""
_LIMIT = -32005
"""EIP-1474, `limit exceeded`: a question for logs is too long for ever, another comes too soon."""
_FAILED_CALL = frozenset({-32000, -32015})
"""Other clients' JSON-RPC codes of a call that reverted, where the message says so too."""


class Endpoint:
    """One JSON-RPC endpoint. Nothing it says is believed here; that is its caller's part."""

    def __init__(
        self,
        url: str,
        session: aiohttp.ClientSession,
        *,
        timeout_s: float = 10.0,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        """Name an endpoint; nothing is sent yet.

        Args:
            url: http or https, chosen by the operator; it is followed nowhere else.
            session: shared by all endpoints; closing it is the caller's.
            timeout_s: for a whole request.
            max_answer_bytes: longest answer.
        """
        self.url = url
        self.name = urlsplit(url).netloc.rpartition("@")[2]
        """Host and port, for messages: the rest of a URL may hold a key."""
        self.session = session
        self.timeout = aiohttp.ClientTimeout(total=timeout_s)
        self.max_answer_bytes = max_answer_bytes
        self.asked = 0
        """Requests sent so far, batches counted once."""
        self._ids = itertools.count(1)

    def patient(self, timeout_s: float) -> "Endpoint":
        """Return the same endpoint, waited for at least so many seconds."""
        waits_s = max(timeout_s, self.timeout.total or 0.0)
        return Endpoint(self.url, self.session, timeout_s=waits_s, max_answer_bytes=self.max_answer_bytes)

    async def call(self, method: str, *params: Any) -> Any:
        """Return a method's result.

        Raises:
            UnavailableError: no answer, or none that is JSON-RPC, or `not now`.
            RefusedError: the endpoint answered with an error that asking again does not mend.
        """
        number = next(self._ids)
        answer = await self._post(_request(number, method, params))
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise self._unavailable("bad_answer", f"no JSON-RPC answer to {method}")
        return _raised(self._outcome(method, answer))

    async def batch(self, method: str, params: Sequence[Sequence[Any]]) -> list[Any]:
        """Return one method's results for several parameters, in their order; errors as in `call`."""
        return [_raised(outcome) for outcome in await self.outcomes([(method, one) for one in params])]

    async def outcomes(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Return the results of a batch, in order; one that is refused leaves its RefusedError in its place.

        Raises:
            UnavailableError: as in `call`, for the batch or any of its requests.
            RefusedError: of the batch as a whole.
        """
        if not requests:
            return []
        numbered = [(next(self._ids), method, params) for method, params in requests]
        answers = await self._post([_request(*one) for one in numbered])
        if isinstance(answers, dict) and answers.get("error") is not None:
            _raised(self._outcome("a batch", answers))
        if not isinstance(answers, list):
            raise self._unavailable("bad_answer", "no JSON-RPC answer to a batch")
        by_id = {
            answer["id"]: answer
            for answer in answers
            if isinstance(answer, dict) and isinstance(answer.get("id"), int)
        }
        if any(number not in by_id for number, _, _ in numbered):
            raise self._unavailable("bad_answer", "an answer of a batch is missing")
        return [self._outcome(method, by_id[number]) for number, method, _ in numbered]

    async def _post(self, message: Any) -> Any:
        self.asked += 1
        body = orjson.dumps(message)
        try:
            async with self.session.post(
                self.url,
                # Six blobs are written piece by piece.
                data=io.BytesIO(body) if len(body) > LARGE_BYTES else body,
                headers={"content-type": "application/json"},
                timeout=self.timeout,
                allow_redirects=False,
            ) as response:
                if response.status == 429 or response.status >= 500:
                    raise self._unavailable("overloaded", f"HTTP {response.status}")
                return orjson.loads(await self._bounded(response))
        except TimeoutError as error:
            raise self._unavailable("timeout", f"no answer in {self.timeout.total} s") from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise self._unavailable("unreachable", _words(error)) from error
        except orjson.JSONDecodeError as error:
            raise self._unavailable("bad_answer", "the answer is not JSON") from error

    async def _bounded(self, response: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_chunked(1 << 16):
            size += len(part)
            if size > self.max_answer_bytes:
                raise RefusedError(
                    "too_large", f"{self.name}: the answer exceeds {self.max_answer_bytes} bytes"
                )
            parts.append(part)
        return b"".join(parts)

    def _outcome(self, method: str, answer: Mapping[str, Any]) -> Any:
        """Return a result, or the refusal in its place."""
        error = answer.get("error")
        if error is None:
            if "result" not in answer:
                raise self._unavailable("bad_answer", f"neither result nor error to {method}")
            return answer["result"]
        if not isinstance(error, dict):
            raise self._unavailable("bad_answer", f"a malformed error to {method}")
        code, message = error.get("code"), str(error.get("message", ""))
        code = code if isinstance(code, int) else 0
        if code in _NOT_NOW or (code == _LIMIT and method != "eth_getLogs"):
            raise self._unavailable("overloaded", f"{method}: {message}")
        data = error.get("data")
        reverted = code == REVERTED or (code in _FAILED_CALL and "revert" in message.lower())
        return RefusedError(
            "reverted" if reverted else "refused",
            f"{self.name}: {method}: {message}",
            rpc_code=code,
            data=data if isinstance(data, str) else None,
        )

    def _unavailable(self, code: str, message: str) -> EndpointError:
        return UnavailableError(code, f"{self.name}: {message}")


def _request(number: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _raised(outcome: Any) -> Any:
    if isinstance(outcome, RefusedError):
        raise outcome
    return outcome


def _words(error: BaseException) -> str:
    """Say what an error of the network is, without the URL that some of aiohttp's repeat."""
    return (isinstance(error, OSError) and str(error)) or type(error).__name__
