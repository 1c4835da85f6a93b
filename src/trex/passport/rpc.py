"""The chain's JSON-RPC as persona services use it: one endpoint of the operator's own choice."""

from collections.abc import Sequence
from typing import Any

import aiohttp
import orjson

from trex.types.errors import RpcError

MAX_ANSWER_BYTES = 33_554_432
"""An endpoint that sends more than this is cut off."""


class RpcUnavailableError(Exception):
    """The endpoint does not answer, or not with JSON-RPC: ask again later."""


class Rpc:
    """Calls methods of one endpoint."""

    def __init__(self, url: str, session: aiohttp.ClientSession, *, timeout_s: float = 15.0) -> None:
        """Name an endpoint; nothing is sent yet.

        Args:
            url: chosen by the operator.
            session: closing it is the caller's.
            timeout_s: for a whole request.
        """
        self.url, self.session = url, session
        self.timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def call(self, method: str, *params: Any) -> Any:
        """Call one method.

        Raises:
            RpcError: the endpoint answers with an error.
            RpcUnavailableError: it does not answer.
        """
        (answer,) = await self.batch([(method, params)])
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Call several methods at once; where one fails its `RpcError` stands in its place.

        Raises:
            RpcUnavailableError: the endpoint does not answer.
        """
        body = orjson.dumps(
            [
                {"jsonrpc": "2.0", "id": at, "method": method, "params": list(params)}
                for at, (method, params) in enumerate(requests)
            ]
        )
        try:
            async with self.session.post(
                self.url,
                data=body,
                headers={"content-type": "application/json"},
                timeout=self.timeout,
                allow_redirects=False,
            ) as response:
                response.raise_for_status()
                raw = b""
                while more := await response.content.read(1 << 20):
                    raw += more
                    if len(raw) > MAX_ANSWER_BYTES:
                        raise RpcUnavailableError("an answer without bound")
            by_id = {entry["id"]: entry for entry in orjson.loads(raw)}
            return [_result(by_id[at]) for at in range(len(requests))]
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise RpcUnavailableError(f"the chain's endpoint: {type(error).__name__}") from error


def _result(entry: dict[str, Any]) -> Any:
    if (error := entry.get("error")) is not None:
        data = error.get("data")
        return RpcError(int(error["code"]), str(error["message"]), data if isinstance(data, str) else None)
    return entry["result"]
