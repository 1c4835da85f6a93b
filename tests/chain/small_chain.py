"""A chain small enough to reason about, for tests of the server: keeps the Protocols of `trex.chain.core`."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from trex.types.errors import CoreError, RpcError

HASH_ZERO = "0x" + "00" * 32
LOG_ADDRESS = "0x" + "aa" * 20


@dataclass(frozen=True)
class SmallHead:
    number: int
    hash: str
    slot: int
    timestamp: int
    transactions: int
    base_fee_wei: int = 7
    gas_used: int = 0
    gas_limit: int = 30_000_000
    logs: int = 0


@dataclass
class SmallState:
    heads: list[SmallHead] = field(default_factory=list)
    bodies: list[list[str]] = field(default_factory=list)
    balances: dict[str, int] = field(default_factory=dict)


class SmallChain:
    """Any hex text is a transaction; it is included by the next block and logs once."""

    chain_id = 1962
    max_idle_ms = 2000

    def __init__(self, genesis_time_s: int | None = None, block_time_ms: int = 200) -> None:
        self.genesis_time_s = genesis_time_s if genesis_time_s is not None else int(time.time()) - 100
        self.block_time_ms = block_time_ms
        self.lock = threading.RLock()
        self.state = SmallState([SmallHead(0, sha(b"genesis"), 0, self.genesis_time_s, 0)], [[]])
        self.pool: list[str] = []
        self.stream: list[str] = []
        self.saved: list[tuple[int, dict[str, int]]] = []
        self.submits: list[int] = []
        self.builds: list[int] = []
        self.build_error: Exception | None = None
        self.slow_s = 0.0
        self.asked: list[str] = []

    def head(self) -> SmallHead:
        return self.state.heads[-1]

    def submit(self, transactions: Sequence[str]) -> list[str | RpcError]:
        out: list[str | RpcError] = []
        with self.lock:
            self.submits.append(len(transactions))
            for raw in transactions:
                try:
                    data = bytes.fromhex(raw[2:]) if raw.startswith("0x") else b""
                except ValueError:
                    data = b""
                if not data:
                    out.append(RpcError(-32000, "rlp: expected List"))
                    continue
                tx_hash = sha(data)
                self.pool.append(tx_hash)
                self.stream.append(tx_hash)
                out.append(tx_hash)
        return out

    def submit_batches(self, bodies: Sequence[bytes], most: int) -> list[tuple[bytes, int, int] | None]:
        return [self._submit_batch(body, most) for body in bodies]

    def _submit_batch(self, body: bytes, most: int) -> tuple[bytes, int, int] | None:
        try:
            calls = orjson.loads(body)
        except ValueError:
            return None
        if len(calls) > most or not all(
            isinstance(call, dict)
            and call.get("method") == "eth_sendRawTransaction"
            and type(call.get("id")) is int
            and type(call.get("params")) is list
            and [type(part) for part in call["params"]] == [str]
            for call in calls
        ):
            return None
        outcomes = self.submit([call["params"][0] for call in calls])
        refused = sum(isinstance(outcome, RpcError) for outcome in outcomes)
        answers = [
            {"jsonrpc": "2.0", "id": call["id"]}
            | (
                {"error": {"code": outcome.code, "message": outcome.message}}
                if isinstance(outcome, RpcError)
                else {"result": outcome}
            )
            for call, outcome in zip(calls, outcomes, strict=True)
        ]
        return orjson.dumps(answers), len(calls) - refused, refused

    def pool_len(self) -> tuple[int, int]:
        return len(self.pool), 0

    def pending_since(self, cursor: int | None, full: bool, limit: int) -> tuple[int, list[bytes]]:
        if cursor is None:
            return len(self.stream), []
        found = self.stream[cursor : cursor + limit]
        as_json = [orjson.dumps({"hash": h} if full else h) for h in found]
        return cursor + len(found), as_json

    def build(
        self,
        slot: int,
        *,
        allow_empty: bool,
        budget_ms: int,
        gas_limit: int | None = None,
        l1_headers: Sequence[bytes] = (),
        deposits: Sequence[tuple[bytes, int, bytes]] = (),
        most_unposted_bytes: int | None = None,
    ) -> SmallHead | None:
        if self.build_error is not None:
            raise self.build_error
        with self.lock:
            assert slot > self.head().slot
            if not self.pool and not allow_empty:
                return None
            body, self.pool = self.pool, []
            number = self.head().number + 1
            head = SmallHead(
                number,
                sha(b"%d %d" % (number, slot)),
                slot,
                self.genesis_time_s + slot * self.block_time_ms // 1000,
                len(body),
                gas_used=21000 * len(body),
                logs=len(body),
            )
            self.state.heads.append(head)
            self.state.bodies.append(body)
            self.builds.append(slot)
            return head

    def set_outlook(self, outlook: Callable[[], tuple[int, int | None]]) -> None:
        self.outlook = outlook

    def match_logs(self, number: int, filters: Sequence[bytes]) -> list[list[bytes]]:
        out = []
        for text in filters:
            criteria = orjson.loads(text)
            address = criteria.get("address", LOG_ADDRESS)
            if not isinstance(address, str) or len(address) != 42:
                raise RpcError(-32602, "invalid argument 0: invalid address")
            logs = self._logs(number) if address == LOG_ADDRESS else []
            out.append([orjson.dumps(log) for log in logs])
        return out

    def _logs(self, number: int) -> list[dict[str, Any]]:
        return [
            {
                "address": LOG_ADDRESS,
                "blockNumber": hex(number),
                "transactionHash": tx_hash,
                "removed": False,
            }
            for tx_hash in self.state.bodies[number]
        ]

    def counters(self) -> dict[str, int]:
        return {"pool_transactions": len(self.pool)}

    def brief(self, method: str, params: bytes) -> bytes | None:
        return None

    def rpc(self, method: str, params: bytes) -> bytes:
        self.asked.append(method)
        args = orjson.loads(params)
        answer = getattr(self, "do_" + method, None)
        if answer is None:
            raise RpcError(-32601, f"the method {method} does not exist/is not available")
        try:
            return orjson.dumps(answer(*args))
        except (TypeError, ValueError, AttributeError):
            raise RpcError(-32602, "invalid params") from None

    def do_eth_chainId(self) -> str:
        return hex(self.chain_id)

    def do_eth_blockNumber(self) -> str:
        return hex(self.head().number)

    def do_web3_clientVersion(self) -> str:
        return "T-Rex/test"

    def do_eth_call(self, *_: Any) -> str:
        time.sleep(self.slow_s)
        return "0x"

    def do_big(self, size: int) -> str:
        return "x" * size

    def do_panic(self) -> None:
        raise type("PanicException", (BaseException,), {})("index out of bounds")

    def do_surprise(self) -> None:
        raise ZeroDivisionError("surprise")

    def do_broken_store(self) -> None:
        raise CoreError("store_corrupt", "page 7 of /secret/path")

    def do_eth_getBalance(self, address: str, _tag: str = "latest") -> str:
        return hex(self.state.balances.get(address, 0))

    def do_eth_getTransactionCount(self, _address: str, _tag: str = "latest") -> str:
        return "0x0"

    def do_eth_getTransactionByHash(self, tx_hash: str) -> dict[str, Any] | None:
        if tx_hash in self.pool:
            nonce = "0x9" if sha(bytes.fromhex("6a70")) == tx_hash else "0x0"
            return {"from": LOG_ADDRESS, "nonce": nonce, "blockNumber": None}
        return None

    def do_eth_getHeaderByNumber(self, number: str) -> dict[str, Any]:
        if int(number, 16) >= len(self.state.heads):
            raise RpcError(-32000, "unknown block")
        head = self.state.heads[int(number, 16)]
        return {"number": number, "hash": head.hash, "timestamp": hex(head.timestamp)}

    def do_eth_getBlockByNumber(self, number: str, _full: bool) -> dict[str, Any]:
        at = self.head().number if number == "latest" else int(number, 16)
        head = self.state.heads[at]
        return {
            "number": hex(at),
            "hash": head.hash,
            "timestamp": hex(head.timestamp),
            "transactions": self.state.bodies[at],
        }

    def do_eth_getTransactionReceipt(self, tx_hash: str) -> dict[str, Any] | None:
        for number, body in enumerate(self.state.bodies):
            if tx_hash in body:
                return {"transactionHash": tx_hash, "blockNumber": hex(number), "status": "0x1"}
        return None

    def do_eth_getLogs(self, criteria: dict[str, Any]) -> list[dict[str, Any]]:
        first = int(criteria.get("fromBlock", "0x0"), 16)
        last = int(criteria.get("toBlock", hex(self.head().number)), 16)
        logs = [log for number in range(first, last + 1) for log in self._logs(number)]
        if len(logs) > 100:
            raise RpcError(-32005, "query returns more than 100 logs")
        return logs

    def patch(self, changes: bytes) -> None:
        for address, change in orjson.loads(changes).items():
            if "balance" in change:
                self.state.balances[address] = int(change["balance"], 16)

    def impersonate(self, request: bytes) -> str:
        tx_hash = sha(request)
        self.pool.append(tx_hash)
        return tx_hash

    def snapshot(self) -> int:
        self.saved.append((len(self.state.heads), dict(self.state.balances)))
        return len(self.saved)

    def revert(self, snapshot: int) -> bool:
        if not 1 <= snapshot <= len(self.saved):
            return False
        with self.lock:
            blocks, balances = self.saved[snapshot - 1]
            del self.saved[snapshot - 1 :]
            del self.state.heads[blocks:], self.state.bodies[blocks:]
            self.state.balances = balances
            self.pool.clear()
        return True

    def unwind(self, number: int) -> SmallHead:
        with self.lock:
            self.pool += [tx for body in self.state.bodies[number + 1 :] for tx in body]
            del self.state.heads[number + 1 :], self.state.bodies[number + 1 :]
            self.saved.clear()
            return self.head()

    def drop(self, transaction: str | None) -> int:
        before = len(self.pool)
        self.pool = [] if transaction is None else [t for t in self.pool if t != transaction]
        return before - len(self.pool)


class SmallSigner:
    """Signs nothing: shows what it was asked to sign."""

    def sign_transaction(self, request: bytes, private_key: bytes) -> str:
        return "0x" + request.hex()

    def sign_message(self, message: bytes, private_key: bytes) -> str:
        return "0x" + (message + private_key).hex()

    def sign_typed_data(self, typed_data: bytes, private_key: bytes) -> str:
        return "0x" + (typed_data + private_key).hex()


def sha(data: bytes) -> str:
    return "0x" + sha256(data).hexdigest()
