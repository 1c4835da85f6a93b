"""From the bytes of a request to the bytes of its answer.

Three kinds of methods: those of `Methods`, written in Python; eth_sendRawTransaction, whose runs in a
batch become one call of the core; and all others, which the core answers by name.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

import orjson

from trex.chain.core import Core
from trex.chain.limits import ServerLimits
from trex.chain.metrics import Metrics
from trex.chain.rpc.messages import (
    HEAD,
    INVALID_PARAMS,
    INVALID_REQUEST,
    NULL,
    RESPONSE_TOO_LARGE,
    TIMED_OUT,
    Call,
    MalformedError,
    encode_batch,
    encode_error,
    encode_result,
    over_limit,
    parse,
    read_call,
)
from trex.chain.rpc.transactions import Transactions
from trex.chain.workers import Workers, as_rpc_error, guarded
from trex.types.errors import RpcError

if TYPE_CHECKING:
    from trex.chain.rpc.websocket import Connection

SEND = "eth_sendRawTransaction"

SEND_MARK = b'"eth_sendRawTransaction"'
SEND_MARK_WITHIN = 256
"""A batch whose beginning names no transaction is not tried as one of transactions only."""

LIGHT = frozenset(
    {
        "eth_accounts",
        "eth_blockNumber",
        "eth_chainId",
        "eth_coinbase",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockTransactionCountByHash",
        "eth_getBlockTransactionCountByNumber",
        "eth_getCode",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "eth_mining",
        "eth_protocolVersion",
        "eth_syncing",
        "net_listening",
        "net_peerCount",
        "net_version",
        "rpc_modules",
        "txpool_status",
        "web3_clientVersion",
    }
)
"""Methods so quick that a thread would cost more than they do: point reads. They run on the loop."""


BRIEF = frozenset(
    {
        "eth_call",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
    }
)
"""Methods that are mostly as quick: the core answers them on the loop when it can do so within `BRIEF_S`."""
BRIEF_S = 0.002
"""Of this thread's own time. Of time that passes, which others may have had, a tenth counts."""
BRIEF_REST = 20
"""After one that took longer, such calls go to threads for so many times as long."""
AT_ONCE_BYTES = 4096
"""Longer messages get a task, and no call of theirs is answered on the loop: copying takes time too."""


@dataclass(slots=True)
class Session:
    """Who sends a message."""

    connection: "Connection | None" = None
    """The WebSocket, for those who came by one."""
    admin: bool = False
    """A valid token was shown."""
    after_answer: list[Callable[[], None]] = field(default_factory=list)
    """What begins when the answer that announces it is on its way."""


Handler = Callable[[Session, list[Any]], Awaitable[bytes]]
"""A method in Python: parameters by position in, JSON of the result out. Raises RpcError."""


class Dispatcher:
    """Answers messages."""

    def __init__(
        self,
        core: Core,
        workers: Workers,
        transactions: Transactions,
        limits: ServerLimits,
        metrics: Metrics,
        methods: Mapping[str, Handler],
    ) -> None:
        """Make a dispatcher; `methods` stand before the core's of the same name."""
        self.core = core
        self.workers = workers
        self.transactions = transactions
        self.limits = limits
        self.metrics = metrics
        self.methods = methods
        self._brief_again = 0.0

    async def answer(self, body: bytes, session: Session) -> bytes | None:
        """Answer a message; None when there is nothing to answer (notifications)."""
        if body[:1] == b"[" and (answer := await self._send_batch(body)) is not None:
            return answer
        try:
            message = parse(body)
        except MalformedError as error:
            return encode_error(NULL, error)
        if type(message) is list:
            return await self._batch(message, len(body) <= AT_ONCE_BYTES, session)
        answers = await self._calls([read_call(message)], len(body) <= AT_ONCE_BYTES, session)
        return answers[0] if answers else None

    def at_once(self, body: bytes) -> bytes | None:
        """Answer a message now that asks for one quick read; None where it asks for anything else."""
        if len(body) > AT_ONCE_BYTES or body[:1] != b"{":
            return None
        try:
            call = read_call(parse(body))
        except MalformedError:
            return None
        if type(call) is not Call or call.id is None or not self._is_core(call):
            return None
        outcome = self._quick(call)
        if outcome is None:
            return None
        (answer,) = self._encode(call, outcome)
        return answer

    async def _batch(self, messages: list[Any], is_short: bool, session: Session) -> bytes | None:
        limits = self.limits
        if not messages:
            return encode_error(NULL, RpcError(INVALID_REQUEST, "empty batch"))
        if len(messages) > limits.batch_requests:
            what = f"batch too large: {len(messages)} requests"
            error = over_limit(what, "batch_requests", limits.batch_requests)
            return encode_error(NULL, RpcError(INVALID_REQUEST, error.message))
        answers = await self._calls([read_call(message) for message in messages], is_short, session)
        return encode_batch(answers) if answers else None

    async def _calls(
        self, calls: list[Call | MalformedError], is_short: bool, session: Session
    ) -> list[bytes]:
        """Answer calls in their order, neighbours of one kind together; on the loop only what is short."""
        answers: list[bytes] = []
        size, at, limit = 0, 0, self.limits.batch_response_bytes
        deadline = time.monotonic() + self.limits.call_timeout_s
        while at < len(calls):
            call = calls[at]
            if at > 0 and (error := self._over(size, deadline)) is not None:
                answers += [
                    encode_error((rest.id or NULL), error) for rest in calls[at:] if rest.id is not None
                ]
                break
            if isinstance(call, MalformedError):
                done, some = 1, [encode_error(call.id, call)]
            elif call.method == SEND:
                run = [call]
                for following in islice(calls, at + 1, None):
                    if type(following) is not Call or following.method != SEND:
                        break
                    run.append(following)
                done, some = len(run), await self._send(run)
            elif call.method in self.methods:
                done, some = 1, await self._local(call, session)
            else:
                run = [c for c in takewhile(self._is_core, islice(calls, at, None)) if isinstance(c, Call)]
                done, some = len(run), await self._core(run, limit - size, is_short)
            at += done
            size += sum(map(len, some))
            answers += some
        return answers

    def _over(self, size: int, deadline: float) -> RpcError | None:
        """Tell which limit of a whole batch keeps its further calls from being answered."""
        if size > self.limits.batch_response_bytes:
            what = over_limit("response too large", "batch_response_bytes", self.limits.batch_response_bytes)
            return RpcError(RESPONSE_TOO_LARGE, what.message)
        return self._timed_out() if time.monotonic() > deadline else None

    def _timed_out(self) -> RpcError:
        return RpcError(TIMED_OUT, f"request timed out: limit call_timeout_s={self.limits.call_timeout_s:g}")

    def _is_core(self, call: Call | MalformedError) -> bool:
        return type(call) is Call and call.method != SEND and call.method not in self.methods

    async def _send(self, calls: list[Call]) -> list[bytes]:
        """Put the transactions of neighbouring calls into the mempool by one call of the core."""
        started = time.perf_counter()
        raws: list[str] = []
        for call in calls:
            params = call.params
            if type(params) is list and len(params) == 1 and type(params[0]) is str:
                raws.append(params[0])
        outcomes: list[str | RpcError]
        if len(raws) == len(calls):
            outcomes = await self._submit(raws)
        else:
            sound = iter(await self._submit(raws)) if raws else iter(())
            outcomes = [self._send_fault(call.params) or next(sound) for call in calls]
        failed = 0
        answers: list[bytes] = []
        for call, outcome in zip(calls, outcomes, strict=True):
            if type(outcome) is str:
                if call.id is not None:
                    answers.append(HEAD + call.id + b',"result":"' + outcome.encode() + b'"}')
            else:
                failed += 1
                if call.id is not None:
                    assert isinstance(outcome, RpcError)
                    answers.append(encode_error(call.id, outcome))
        seconds = time.perf_counter() - started
        if failed:
            self.metrics.called(SEND, seconds, True, failed)
        if failed < len(calls):
            self.metrics.called(SEND, seconds, False, len(calls) - failed)
        return answers

    async def _send_batch(self, body: bytes) -> bytes | None:
        """Answer a batch that holds nothing but transactions, unparsed; None where it holds anything else."""
        if SEND_MARK not in body[:SEND_MARK_WITHIN]:
            return None
        started = time.perf_counter()
        try:
            answered = await self.transactions.submit_batch(body)
        except Exception as error:
            # Some may be in: trying again call by call would refuse what was taken.
            failure = as_rpc_error(error, SEND)
            calls = [read_call(message) for message in parse(body)]
            self.metrics.called(SEND, time.perf_counter() - started, True, len(calls))
            return encode_batch([encode_error(call.id, failure) for call in calls if call.id is not None])
        if answered is None:
            return None
        answer, accepted, refused = answered
        seconds = time.perf_counter() - started
        if accepted:
            self.metrics.called(SEND, seconds, False, accepted)
        if refused:
            self.metrics.called(SEND, seconds, True, refused)
        return answer

    async def _submit(self, raws: list[str]) -> list[str | RpcError]:
        try:
            return await self.transactions.submit(raws)
        except Exception as error:
            return [as_rpc_error(error, SEND)] * len(raws)

    @staticmethod
    def _send_fault(params: Any) -> RpcError | None:
        if type(params) is not list:
            return RpcError(INVALID_PARAMS, "non-array args")
        if not params:
            return RpcError(INVALID_PARAMS, "missing value for required argument 0")
        if len(params) > 1:
            return RpcError(INVALID_PARAMS, "too many arguments, want at most 1")
        if type(params[0]) is not str:
            return RpcError(INVALID_PARAMS, "invalid argument 0: expected a hex string")
        return None

    async def _local(self, call: Call, session: Session) -> list[bytes]:
        started = time.perf_counter()
        result: bytes | RpcError
        try:
            if type(call.params) is not list:
                raise RpcError(INVALID_PARAMS, "non-array args")
            result = await self.methods[call.method](session, call.params)
        except Exception as error:
            result = as_rpc_error(error, call.method)
        self.metrics.called(call.method, time.perf_counter() - started, isinstance(result, RpcError))
        return self._encode(call, result)

    async def _core(self, calls: list[Call], room: int, is_short: bool) -> list[bytes]:
        """Let the core answer neighbouring calls, on the loop if it is one quick read, else on a thread."""
        if is_short and len(calls) == 1 and (quick := self._quick(calls[0])) is not None:
            return self._encode(calls[0], quick)
        finished: list[bytes | RpcError] = []
        failure = self._timed_out()
        try:
            await self.workers.heavy(self._ask_all, calls, room, finished)
        except Exception as error:
            failure = as_rpc_error(error, calls[0].method)
        outcomes = list(finished)  # a thread that ran out of time may still append to the other list
        outcomes += [failure] * (len(calls) - len(outcomes))
        answers: list[bytes] = []
        for call, outcome in zip(calls, outcomes, strict=True):
            answers += self._encode(call, outcome)
        return answers

    def _quick(self, call: Call) -> bytes | RpcError | None:
        """Answer a call on the loop if it is a quick read; None if a thread must do it."""
        light = call.method in LIGHT
        if not light and call.method not in BRIEF:
            return None
        # The pending block is executed for whoever asks for its state; its nonces are the mempool's.
        if call.method != "eth_getTransactionCount" and _names_pending(call.params):
            return None
        if light:
            return self._ask(call)
        started, worked = time.perf_counter(), time.thread_time()
        if started < self._brief_again:
            return None
        outcome: bytes | RpcError | None
        try:
            outcome = guarded(self.core.brief, call.method, orjson.dumps(call.params))
        except Exception as error:
            outcome = as_rpc_error(error, call.method)
        ended, worked = time.perf_counter(), time.thread_time() - worked
        worked = max(worked, (ended - started) / 10)
        if worked > BRIEF_S:
            self._brief_again = ended + BRIEF_REST * worked
        if outcome is not None:
            self.metrics.called(call.method, ended - started, isinstance(outcome, RpcError))
        return outcome

    def _ask_all(self, calls: list[Call], room: int, outcomes: list[bytes | RpcError]) -> None:
        """Answer calls one after another on this thread, until there is no more room or time."""
        deadline = time.monotonic() + self.limits.call_timeout_s
        for call in calls:
            if room < 0 and len(calls) > 1:
                error = over_limit(
                    "response too large", "batch_response_bytes", self.limits.batch_response_bytes
                )
                outcomes.append(RpcError(RESPONSE_TOO_LARGE, error.message))
                continue
            if time.monotonic() > deadline:
                return
            outcome = self._ask(call)
            if isinstance(outcome, bytes):
                room -= len(outcome)
            outcomes.append(outcome)

    def _ask(self, call: Call) -> bytes | RpcError:
        started = time.perf_counter()
        outcome: bytes | RpcError
        try:
            outcome = guarded(self.core.rpc, call.method, orjson.dumps(call.params))
        except Exception as error:
            outcome = as_rpc_error(error, call.method)
        self.metrics.called(call.method, time.perf_counter() - started, isinstance(outcome, RpcError))
        return outcome

    @staticmethod
    def _encode(call: Call, outcome: bytes | RpcError) -> list[bytes]:
        if call.id is None:
            return []
        if isinstance(outcome, RpcError):
            return [encode_error(call.id, outcome)]
        return [encode_result(call.id, outcome)]


def _names_pending(params: Any) -> bool:
    """Tell whether parameters name the pending block, by its tag or by an object (EIP-1898)."""
    return any(one == "pending" or (type(one) is dict and "pending" in one.values()) for one in params)
