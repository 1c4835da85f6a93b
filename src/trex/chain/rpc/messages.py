"""JSON-RPC 2.0 messages: requests read from JSON, answers written as bytes. Pure."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

from trex.types.errors import RpcError

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000
TIMED_OUT = -32002
RESPONSE_TOO_LARGE = -32003
LIMIT_EXCEEDED = -32005

HEAD = b'{"jsonrpc":"2.0","id":'
NULL = b"null"


@dataclass(slots=True)
class Call:
    """One request that is well formed."""

    id: bytes | None
    """The id as JSON, just as it is to be answered; None for a notification, which is not answered."""
    method: str
    params: Any
    """As JSON gave it: a list, or a dict for methods that take parameters by name."""


class MalformedError(RpcError):
    """A message that is no request; carries the id under which to say so."""

    __slots__ = ("id",)

    def __init__(self, code: int, message: str, request_id: bytes = NULL) -> None:
        super().__init__(code, message)
        self.id = request_id


def parse(body: bytes) -> Any:
    """Return the JSON value of a message.

    Raises:
        MalformedError: it is not JSON.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedError(PARSE_ERROR, "parse error") from None
    messages = value if type(value) is list else [value]
    if any(_has_wide_id(message) for message in messages):
        _put_wide_ids(messages, body)
    return value


def _has_wide_id(message: Any) -> bool:
    """Whether an id may be a whole number beyond 64 bits, which orjson reads as a float."""
    return type(message) is dict and type(message.get("id")) is float and abs(message["id"]) >= 2.0**63


def _put_wide_ids(messages: list[Any], body: bytes) -> None:
    """Write such ids into messages as they came: an answer carries its request's id, digit for digit."""
    try:
        exact = json.loads(body)
    except (ValueError, RecursionError):
        return  # thousands of digits, or of brackets: a float is what such an id gets
    for message, same in zip(messages, exact if type(exact) is list else [exact], strict=True):
        if _has_wide_id(message):
            message["id"] = same["id"]


def read_call(message: Any) -> Call | MalformedError:
    """Read one request of JSON-RPC 2.0, or say what is wrong with it."""
    if type(message) is not dict:
        return MalformedError(INVALID_REQUEST, "invalid request")
    request_id: bytes | None = None
    if "id" in message:
        value = message["id"]
        if type(value) is int:
            request_id = b"%d" % value
        elif isinstance(value, dict | list):
            return MalformedError(INVALID_REQUEST, "invalid request")
        else:
            request_id = orjson.dumps(value)
    method = message.get("method")
    if message.get("jsonrpc") != "2.0" or type(method) is not str:
        return MalformedError(INVALID_REQUEST, "invalid request", request_id or NULL)
    params = message.get("params")
    if params is None:
        params = []
    elif type(params) is not list and type(params) is not dict:
        if request_id is None:
            return Call(None, method, [])
        return MalformedError(INVALID_PARAMS, "non-array args", request_id)
    return Call(request_id, method, params)


def encode_result(request_id: bytes, result: bytes) -> bytes:
    """Return the answer that carries a result, already JSON."""
    return b'%b%b,"result":%b}' % (HEAD, request_id, result)


def encode_error(request_id: bytes, error: RpcError) -> bytes:
    """Return the answer that carries an error."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return b'%b%b,"error":%b}' % (HEAD, request_id, orjson.dumps(body, default=str))


def encode_batch(answers: list[bytes]) -> bytes:
    """Return the answer to a batch."""
    return b"[%b]" % b",".join(answers)


def notification(subscription: bytes, result: bytes) -> bytes:
    """Return a message of eth_subscription; `subscription` is its id as JSON."""
    return b'{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":%b,"result":%b}}' % (
        subscription,
        result,
    )


def over_limit(what: str, limit: str, value: int | float) -> RpcError:
    """Return the error of a limit, which names it."""
    shown = str(value) if type(value) is int else f"{value:g}"
    return RpcError(LIMIT_EXCEEDED, f"{what}: limit {limit}={shown}")


def method_not_found(method: str) -> RpcError:
    """Return the error for a method that there is not, in geth's words."""
    return RpcError(METHOD_NOT_FOUND, f"the method {method[:200]} does not exist/is not available")
