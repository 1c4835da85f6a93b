"""What dApp test suites call: the methods of anvil, Hardhat and Ganache, under each name they go by."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from trex.chain.build import core_build
from trex.chain.core import DevCore, Sealed
from trex.chain.dev.params import argument, bool_at, number_at, object_at, quantity
from trex.chain.dev.signing import Signing
from trex.chain.dev.state import JSON_NULL, JSON_TRUE, StateMethods
from trex.chain.producer import Mining, Producer
from trex.chain.rpc.dispatch import Handler, Session
from trex.chain.rpc.messages import INVALID_PARAMS, METHOD_NOT_FOUND, SERVER_ERROR, TIMED_OUT
from trex.chain.workers import Workers
from trex.types.errors import RpcError

MINE_MAX = 100_000
"""Blocks that one request may ask for; how many it gets, time decides as well."""
LEAST_GAS_LIMIT = 1_000_000
"""Below this no block can be made: the deposit that brings the L1 block's attributes needs so much."""
OUTSIDE_L1 = (
    *("setBalance", "setCode", "setNonce", "setStorageAt", "addBalance"),
    *("setAccountBalance", "setAccountCode", "setAccountNonce", "setAccountStorageAt"),
    *("impersonateAccount", "autoImpersonateAccount", "sendUnsignedTransaction"),
    *("snapshot", "revert", "reset", "setBlockGasLimit", "setBlockTimestampInterval"),
)
"""Methods, without what stands before `_`, that change a chain in ways of which L1 knows nothing."""
CANNOT = {
    **dict.fromkeys(
        ("anvil_setNextBlockBaseFeePerGas", "hardhat_setNextBlockBaseFeePerGas"),
        "a block's base fee follows from its slot",
    ),
    **dict.fromkeys(
        ("anvil_setCoinbase", "hardhat_setCoinbase"),
        "fees go to the vaults of the network, whoever makes blocks",
    ),
    "hardhat_setPrevRandao": "prevrandao is that of the block's L1 origin",
    **dict.fromkeys(
        ("anvil_setMinGasPrice", "hardhat_setMinGasPrice"), "the least price is the network's least base fee"
    ),
}
"""What test suites ask for and a block of this chain cannot have, and why."""


class DevnetL1(Protocol):
    """A devnet's L1, as far as these methods concern it."""

    async def reach(self, timestamp_s: int, *, gradually: bool = False) -> None:
        """Let L1 have a block of this time or later, and this chain know of it.

        Args:
            timestamp_s: seconds since 1970.
            gradually: with blocks in between, for a chain that makes blocks on the way there.
        """
        ...

    async def leave(self, method: str) -> None:
        """Let the chain go its own way for good: this method changes it as nobody could derive from L1."""
        ...


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a snapshot keeps beside the chain's own."""

    offset_ms: int
    next_timestamp: int | None


class DevMethods:
    """Control of a development chain."""

    def __init__(
        self,
        core: DevCore,
        workers: Workers,
        producer: Producer,
        signing: Signing,
        rewound: Callable[[int], None],
    ) -> None:
        """Make them for one chain; `rewound` is told the number of the block that the head went back to."""
        self.core = core
        self.workers = workers
        self.producer = producer
        self.clock = producer.clock
        self.signing = signing
        self.rewound = rewound
        self.l1: DevnetL1 | None = None
        """The clock of the L1 that this chain settles on; None without one."""
        self._moments: dict[int, _Moment] = {}
        self._instance = "0x" + secrets.token_hex(32)

    def table(self) -> Mapping[str, Handler]:
        """Return every method by each of its names."""
        signing = self.signing
        table: dict[str, Handler] = {
            "eth_accounts": signing.accounts,
            "eth_requestAccounts": signing.accounts,
            "eth_sendTransaction": signing.send,
            "eth_sign": signing.sign,
            "eth_signTransaction": signing.sign_transaction,
            "eth_signTypedData_v4": signing.sign_typed_data,
            "personal_sign": signing.personal_sign,
            "evm_increaseTime": self.increase_time,
            "evm_mine": self.evm_mine,
            "evm_revert": self.revert,
            "evm_setAutomine": self.set_automine,
            "evm_setBlockGasLimit": self.set_gas_limit,
            "evm_setIntervalMining": self.set_interval,
            "evm_setNextBlockTimestamp": self.set_next_timestamp,
            "evm_setTime": self.set_time,
            "evm_snapshot": self.snapshot,
            "hardhat_getAutomine": self.get_automine,
            "hardhat_metadata": self.metadata,
            "anvil_getAutomine": self.get_automine,
            "anvil_getIntervalMining": self.get_interval,
            "anvil_increaseTime": self.increase_time,
            "anvil_metadata": self.metadata,
            "anvil_nodeInfo": self.node_info,
            "anvil_removeBlockTimestampInterval": self.remove_timestamp_interval,
            "anvil_revert": self.revert,
            "anvil_setAutomine": self.set_automine,
            "anvil_setBlockGasLimit": self.set_gas_limit,
            "anvil_setBlockTimestampInterval": self.set_timestamp_interval,
            "anvil_setIntervalMining": self.set_interval_s,
            "anvil_setNextBlockTimestamp": self.set_next_timestamp,
            "anvil_setTime": self.set_time,
            "anvil_snapshot": self.snapshot,
            "trex_setMining": self.set_mining,
            "web3_clientVersion": self.client_version,
        }
        for name, handler in (
            ("mine", self.mine),
            ("reset", self.reset),
            ("setLoggingEnabled", self.set_logging),
        ):
            table[f"anvil_{name}"] = table[f"hardhat_{name}"] = handler
        table |= {name: _refusing(name, why) for name, why in CANNOT.items()}
        table |= StateMethods(self.core, self.workers, signing, lambda: self.l1 is not None).table()
        return {
            name: self._leaving(name, handler) if name.partition("_")[2] in OUTSIDE_L1 else handler
            for name, handler in table.items()
        }

    def _leaving(self, name: str, handler: Handler) -> Handler:
        """Take the chain away from its L1 before a method changes what L1 would have to agree to."""

        async def method(session: Session, params: list[Any]) -> bytes:
            if self.l1 is not None:
                await self.l1.leave(name)
            return await handler(session, params)

        return method

    # Time and blocks

    async def increase_time(self, _: Session, params: list[Any]) -> bytes:
        """Move the chain's clock forward: seconds; answer by how much it is ahead in all."""
        seconds = number_at(params, 0, bits=40)
        await self._l1_reaches(self._now_s() + seconds)
        self.clock.offset_ms += seconds * 1000
        return orjson.dumps(self.clock.offset_ms // 1000)

    async def set_time(self, _: Session, params: list[Any]) -> bytes:
        """Set the chain's clock: seconds, or milliseconds as JavaScript counts; answer the change."""
        stamp = number_at(params, 0, bits=50)
        seconds = stamp / 1000 if stamp > 10**11 else float(stamp)
        head = self.core.head()
        if seconds < head.timestamp:
            raise self._too_early(seconds, head)
        await self._l1_reaches(seconds)
        before = self.clock.offset_ms
        self.clock.set_now(seconds)
        return orjson.dumps((self.clock.offset_ms - before) // 1000)

    def _now_s(self) -> float:
        return self.clock.genesis_time_s + self.clock.now_ms() / 1000

    async def _l1_reaches(self, seconds: float, *, gradually: bool = False) -> None:
        """Let L1's time go with ours, a second behind: no block is older than its origin, or much later."""
        if self.l1 is not None:
            await self.l1.reach(int(seconds) - 1, gradually=gradually)

    @staticmethod
    def _too_early(seconds: float, head: Sealed) -> RpcError:
        return RpcError(
            SERVER_ERROR,
            f"Timestamp {int(seconds)} is lower than or equal to previous block's timestamp {head.timestamp}",
        )

    async def set_next_timestamp(self, _: Session, params: list[Any]) -> bytes:
        """Let the next block have this timestamp: seconds."""
        await self._next_timestamp(number_at(params, 0, bits=40))
        return JSON_NULL

    async def _next_timestamp(self, seconds: int) -> None:
        head = self.core.head()
        slot = max(head.slot + 1, self.clock.first_slot_at(seconds))
        # Blocks may share a second, as long as it has slots left.
        if self.clock.timestamp(slot) != seconds and self.clock.block_time_ms <= 1000:
            raise self._too_early(seconds, head)
        await self._l1_reaches(seconds)
        self.producer.next_timestamp = seconds

    async def set_timestamp_interval(self, _: Session, params: list[Any]) -> bytes:
        """Let each block be so many seconds after the one before it, whatever the clock says."""
        self.producer.interval_s = number_at(params, 0, bits=30)
        return JSON_NULL

    async def remove_timestamp_interval(self, _: Session, __: list[Any]) -> bytes:
        """Let blocks follow the clock again; tell whether they did not."""
        was_set = self.producer.interval_s is not None
        self.producer.interval_s = None
        return JSON_TRUE if was_set else b"false"

    async def evm_mine(self, _: Session, params: list[Any]) -> bytes:
        """Make a block now: nothing, a timestamp, or `{timestamp?, blocks?}`."""
        blocks = 1
        if params and params[0] is not None:
            if type(params[0]) is dict:
                options = object_at(params, 0)
                blocks = self._blocks(options.get("blocks", 1))
                stamp = options.get("timestamp")
            else:
                stamp = params[0]
            if stamp is not None:
                await self._next_timestamp(quantity(stamp, 0, bits=40))
        await self._make(blocks)
        return b'"0x0"'

    @staticmethod
    def _blocks(value: Any) -> int:
        blocks = quantity(value, 0, bits=64)
        if blocks > MINE_MAX:
            raise RpcError(INVALID_PARAMS, f"invalid argument 0: at most {MINE_MAX} blocks in one request")
        return blocks

    async def mine(self, _: Session, params: list[Any]) -> bytes:
        """Make blocks: how many (1), seconds between them (1)."""
        blocks = self._blocks(params[0] if params and params[0] is not None else 1)
        interval_s = number_at(params, 1, 1, bits=40)
        if blocks > 1:
            reached = max(self._now_s(), self.core.head().timestamp) + (blocks - 1) * interval_s
            await self._l1_reaches(reached, gradually=True)
        try:
            await self._make(blocks, max(1, -(-interval_s * 1000 // self.clock.block_time_ms)))
        finally:
            if blocks > 1 and self.clock.slot() < self.core.head().slot:
                self.clock.set_now(self.core.head().timestamp)
        return JSON_TRUE

    async def _make(self, blocks: int, apart: int = 1) -> None:
        """Make blocks, `apart` slots between them, for no longer than a call may take.

        Other requests get their turn after each block.

        Raises:
            RpcError: not all were made; those that were stay.
        """
        limit_s = self.workers.limits.call_timeout_s
        deadline = time.monotonic() + limit_s
        for made in range(blocks):
            if self.producer.stopping or time.monotonic() > deadline:
                why = (
                    "the node is stopping" if self.producer.stopping else f"limit call_timeout_s={limit_s:g}"
                )
                raise RpcError(TIMED_OUT, f"made {made} of {blocks} blocks, which stay: {why}")
            await self.producer.make(slot=self.core.head().slot + apart if made else None)
            await asyncio.sleep(0)

    async def snapshot(self, _: Session, __: list[Any]) -> bytes:
        """Remember the chain as it is; answer a number to revert to."""
        number = await self.workers.quick(self.core.snapshot)
        self._moments[number] = _Moment(self.clock.offset_ms, self.producer.next_timestamp)
        return orjson.dumps(hex(number))

    async def revert(self, _: Session, params: list[Any]) -> bytes:
        """Return to a snapshot and forget it and later ones: its number."""
        number = number_at(params, 0, bits=63)
        moment = self._moments.get(number)
        if moment is None:
            return b"false"
        async with self.producer.paused():
            if not await self.workers.quick(self.core.revert, number):
                return b"false"
            self.clock.offset_ms = moment.offset_ms
            self.producer.next_timestamp = moment.next_timestamp
            for later in [key for key in self._moments if key >= number]:
                del self._moments[later]
            self.rewound(self.core.head().number)
        return JSON_TRUE

    async def reset(self, _: Session, params: list[Any]) -> bytes:
        """Return to block 0 and the wall clock, and forget snapshots, overwrites and the mempool."""
        if any(params):
            raise RpcError(INVALID_PARAMS, "invalid argument 0: this chain cannot be a fork of another")
        if self._moments:
            await self.workers.quick(self.core.revert, min(self._moments))
            self._moments.clear()
        self.clock.offset_ms = 0
        self.producer.next_timestamp = self.producer.interval_s = self.producer.gas_limit = None
        self.signing.impersonated.clear()
        self.signing.impersonate_all = False
        await self.producer.make()  # what waits for a block goes with it
        async with self.producer.paused():
            await self.workers.quick(self.core.unwind, 0)
            await self.workers.quick(self.core.drop, None)
            self.rewound(0)
        return JSON_TRUE

    # What causes a block

    async def set_automine(self, _: Session, params: list[Any]) -> bytes:
        """Make a block for each transaction at once, or none by itself: bool."""
        mining = self.producer.mining
        self.producer.mining = Mining(slots=False, instant=bool_at(params, 0), interval_ms=mining.interval_ms)
        await self.producer.after_submit()
        return JSON_TRUE

    async def set_interval(self, _: Session, params: list[Any]) -> bytes:
        """Make a block each so often: milliseconds; 0 for none."""
        value = argument(params, 0)
        if type(value) is list and len(value) == 2:  # Hardhat also takes a range: its middle
            value = (quantity(value[0], 0) + quantity(value[1], 0)) // 2
        interval_ms = quantity(value, 0, bits=40)
        instant = self.producer.mining.instant and not interval_ms
        self.producer.mining = Mining(slots=False, instant=instant, interval_ms=interval_ms)
        return JSON_TRUE

    async def set_interval_s(self, session: Session, params: list[Any]) -> bytes:
        """Make a block each so often: seconds, as anvil counts; 0 for none."""
        return await self.set_interval(session, [1000 * number_at(params, 0, bits=30)])

    async def set_mining(self, _: Session, params: list[Any]) -> bytes:
        """Choose what causes a block: `slots` (the network's rule), `instant` or `manual`."""
        kind = argument(params, 0)
        if kind not in ("slots", "instant", "manual"):
            raise RpcError(INVALID_PARAMS, "invalid argument 0: expected slots, instant or manual")
        self.producer.mining = Mining(slots=kind == "slots", instant=kind == "instant")
        await self.producer.after_submit()
        return JSON_TRUE

    async def get_automine(self, _: Session, __: list[Any]) -> bytes:
        """Tell whether each transaction makes a block at once."""
        return JSON_TRUE if self.producer.mining.instant else b"false"

    async def get_interval(self, _: Session, __: list[Any]) -> bytes:
        """Tell the interval in seconds, null when there is none."""
        interval_ms = self.producer.mining.interval_ms
        return orjson.dumps(interval_ms // 1000) if interval_ms else JSON_NULL

    async def set_gas_limit(self, _: Session, params: list[Any]) -> bytes:
        """Set the gas limit of the blocks to come."""
        gas_limit = number_at(params, 0, bits=63)
        if gas_limit < LEAST_GAS_LIMIT:
            raise RpcError(INVALID_PARAMS, f"invalid argument 0: a block needs {LEAST_GAS_LIMIT} gas")
        self.producer.gas_limit = gas_limit
        return JSON_TRUE

    async def set_logging(self, _: Session, params: list[Any]) -> bytes:
        """Let the log tell of each block, or of trouble only: bool."""
        logging.getLogger("trex.chain").setLevel(logging.NOTSET if bool_at(params, 0) else logging.WARNING)
        return JSON_TRUE

    # Who this is

    @staticmethod
    def _version() -> str:
        # Test helpers of dApps ask by this prefix whether they may control time.
        return f"anvil-compatible/T-Rex/v{core_build().version}"

    async def client_version(self, _: Session, __: list[Any]) -> bytes:
        """Answer web3_clientVersion."""
        return orjson.dumps(self._version())

    async def metadata(self, _: Session, __: list[Any]) -> bytes:
        """Answer hardhat_metadata."""
        head = self.core.head()
        return orjson.dumps(
            {
                "clientVersion": self._version(),
                "chainId": self.core.chain_id,
                "instanceId": self._instance,
                "latestBlockNumber": head.number,
                "latestBlockHash": head.hash,
            }
        )

    async def node_info(self, _: Session, __: list[Any]) -> bytes:
        """Answer anvil_nodeInfo."""
        head = self.core.head()
        return orjson.dumps(
            {
                "currentBlockNumber": hex(head.number),
                "currentBlockTimestamp": head.timestamp,
                "currentBlockHash": head.hash,
                "hardFork": "osaka",
                "transactionOrder": "fees",
                "environment": {
                    "baseFee": hex(head.base_fee_wei),
                    "chainId": self.core.chain_id,
                    "gasLimit": hex(self.producer.gas_limit or head.gas_limit),
                    "gasPrice": hex(head.base_fee_wei),
                },
                "forkConfig": {"forkUrl": None, "forkBlockNumber": None, "forkRetryBackoff": None},
            }
        )


def _refusing(name: str, why: str) -> Handler:
    """Return a method that says why there is none."""

    async def method(_: Session, __: list[Any]) -> bytes:
        raise RpcError(METHOD_NOT_FOUND, f"the method {name} is not available: {why}")

    return method
