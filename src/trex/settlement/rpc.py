"""What a node above an L1 answers about itself: op-node's methods, and more in `trex_info`."""

from collections.abc import Callable
from typing import Any

import orjson

from trex.chain.batches import batch_reasons
from trex.chain.rpc.dispatch import Handler, Session
from trex.chain.rpc.messages import INVALID_PARAMS, SERVER_ERROR
from trex.chain.workers import Workers
from trex.settlement.deployment import output_root
from trex.settlement.driver import Driver
from trex.settlement.l1.header import L1Block
from trex.settlement.positions import Position, PositionsError, ReadBatch
from trex.settlement.throttle import Unposted
from trex.types.errors import CoreError, RpcError
from trex.types.primitives import Hash32

NO_L1_BLOCK = {"hash": "0x" + "00" * 32, "number": 0, "parentHash": "0x" + "00" * 32, "timestamp": 0}
"""What op-node says of an L1 block that it does not know yet."""
NO_ADDRESS = "0x" + "00" * 20
SINCE_GENESIS = (
    "regolith_time",
    "canyon_time",
    "delta_time",
    "ecotone_time",
    "fjord_time",
    "granite_time",
    "holocene_time",
    "isthmus_time",
)
"""Forks of the OP Stack whose rules on deposits, fees and outputs T-Rex has from its genesis on."""

REASONS: dict[str, dict[str, Any]] = {reason["name"]: reason for reason in orjson.loads(batch_reasons())}
"""Code, name and text of every reason why a header reads as empty, by name."""


class SettlementMethods:
    """JSON-RPC methods about derivation."""

    def __init__(self, driver: Driver, role: str, workers: Workers) -> None:
        """Name the driver, what this node is (`sequencer` or `verifier`), and who answers, bounded."""
        self.driver = driver
        self.workers = workers
        self.role = role
        self.feed: Callable[[], dict[str, Any]] | None = None
        """Tells how the feed of unsafe blocks stands."""

    def table(self) -> dict[str, Handler]:
        """Return the methods by name."""
        return {
            "optimism_syncStatus": self._on_thread(self.sync_status),
            "optimism_outputAtBlock": self._on_thread(self.output_at_block, 1),
            "optimism_rollupConfig": self._on_thread(self.rollup_config),
            "eth_syncing": self._on_thread(self.syncing),
            "trex_batch": self._on_thread(self.batch, 1),
            "trex_info": self._on_thread(self.info),
        }

    def _on_thread(self, answer: Callable[..., Any], arguments: int = 0) -> Handler:
        async def method(_: Session, params: list[Any]) -> bytes:
            if len(params) > arguments:
                raise RpcError(INVALID_PARAMS, f"too many arguments, want at most {arguments}")
            if len(params) < arguments:
                raise RpcError(INVALID_PARAMS, f"missing value for required argument {len(params)}")
            try:
                return orjson.dumps(await self.workers.heavy(answer, *params))
            except PositionsError as error:
                raise RpcError(SERVER_ERROR, str(error)) from error

        return method

    def sync_status(self) -> dict[str, Any]:
        """Answer optimism_syncStatus; `trex` is ours, the rest op-node's."""
        driver = self.driver
        heads, position = driver.l1_heads, driver.position
        safe, finalized = driver.core.l1_heads()
        final_l1 = _l1_ref(heads.finalized if heads else None)
        safe_l2, final_l2 = self._l2_ref(safe), self._l2_ref(finalized)
        unsafe_l2 = self._l2_ref(driver.core.head().number)
        return {
            "current_l1": _l1_ref(position.mark.block if position else None),
            "current_l1_finalized": final_l1,
            "head_l1": _l1_ref(heads.latest if heads else None),
            "safe_l1": _l1_ref(heads.safe if heads else None),
            "finalized_l1": final_l1,
            "unsafe_l2": unsafe_l2,
            "safe_l2": safe_l2,
            "finalized_l2": final_l2,
            "pending_safe_l2": safe_l2,
            "queued_unsafe_l2": {**NO_L1_BLOCK, "l1origin": {"hash": "0x" + "00" * 32, "number": 0}}
            | {"sequenceNumber": 0},
            "cross_unsafe_l2": unsafe_l2,
            "local_safe_l2": safe_l2,
            "trex": self._derivation(),
        }

    def output_at_block(self, number: Any) -> dict[str, Any]:
        """Answer optimism_outputAtBlock."""
        at = _quantity(number)
        header = self._header(at)
        state, passer = header["stateRoot"], header["withdrawalsRoot"]
        root = output_root(_bytes32(state), _bytes32(passer), _bytes32(header["hash"]))
        return {
            "version": "0x" + "00" * 32,
            "outputRoot": "0x" + root.hex(),
            "blockRef": self._l2_ref(at),
            "withdrawalStorageRoot": passer,
            "stateRoot": state,
            "syncStatus": self.sync_status(),
        }

    def rollup_config(self) -> dict[str, Any]:
        """Answer optimism_rollupConfig.

        What T-Rex does not have stands as zero: channels, a system config contract, protocol versions. Block
        time is rounded up to whole seconds, as the field has no fractions; `trex_info` has milliseconds.
        """
        driver, network = self.driver, self.driver.network
        settlement, genesis = driver.settlement, network.genesis
        scalars = network.parameters
        scalar = (
            1 << 248 | scalars.l1_blob_base_fee_scalar << 32 | scalars.l1_base_fee_scalar
        )  # the OP Stack's packing since Ecotone
        batcher = settlement.accounts.get("sequencer")
        return {
            "genesis": {
                "l1": {"hash": _hex(genesis.l1_origin.hash), "number": genesis.l1_origin.number},
                "l2": {"hash": self._header(0)["hash"], "number": 0},
                "l2_time": genesis.timestamp,
                "system_config": {
                    "batcherAddr": _hex(batcher) if batcher else NO_ADDRESS,
                    "overhead": "0x" + "00" * 32,
                    "scalar": f"0x{scalar:064x}",
                    "gasLimit": genesis.gas_limit,
                    "eip1559Params": "0x0000000000000000",
                    "operatorFeeParams": "0x" + "00" * 32,
                },
            },
            "block_time": -(-scalars.block_time_ms // 1000),
            "max_sequencer_drift": settlement.max_drift_s,
            "seq_window_size": settlement.parameters.get("maxOriginLagL1Blocks", 0),
            "channel_timeout": 0,
            "l1_chain_id": settlement.chain_id,
            "l2_chain_id": network.chain_id,
            **dict.fromkeys(SINCE_GENESIS, 0),
            "batch_inbox_address": _hex(driver.contracts.inbox),
            "deposit_contract_address": _hex(driver.contracts.portal),
            "l1_system_config_address": NO_ADDRESS,
            "protocol_versions_address": NO_ADDRESS,
        }

    def syncing(self) -> Any:
        """Answer eth_syncing: false when all that L1 has is derived.

        How many L2 blocks there are is not known before L1 is read, so L1's numbers stand beside.
        """
        driver = self.driver
        if driver.synced:
            return False
        head = hex(driver.core.head().number)
        position, heads = driver.position, driver.l1_heads
        return {
            "startingBlock": head,
            "currentBlock": head,
            "highestBlock": head,
            "currentL1Block": hex(position.mark.block.number) if position else "0x0",
            "highestL1Block": hex(heads.latest.number) if heads else "0x0",
        }

    def info(self) -> dict[str, Any]:
        """Answer trex_info: the core's, with what this node is and how derivation stands."""
        told: dict[str, Any] = orjson.loads(self.driver.core.rpc("trex_info", b"[]"))
        told["role"] = self.role
        told["derivation"] = self._derivation()
        told["batches"] = [_read_batch(one) for one in self.driver.batches()]
        if self.feed is not None:
            told["feed"] = self.feed()
        return told

    def batch(self, index: Any) -> dict[str, Any]:
        """Answer trex_batch: how a batch header was read, with the rule that it broke (BAT-050)."""
        number = _quantity(index)
        read = self.driver.batch(number)
        if read is None:
            position = self.driver.position
            count = position.mark.batch_count if position else 0
            why = "is not kept here any more" if number < count else f"was not read yet, of {count} so far"
            raise RpcError(SERVER_ERROR, f"batch {number} {why}")
        reason = REASONS.get(read.outcome, {"code": 0, "name": read.outcome, "text": "read by its batch"})
        return {**_read_batch(read), "outcome": reason}

    def _derivation(self) -> dict[str, Any]:
        driver = self.driver
        position, heads, mismatch = driver.position, driver.l1_heads, driver.mismatch
        return {
            "role": self.role,
            "synced": driver.synced,
            "l1Head": heads.latest.number if heads else None,
            "l1Derived": position.mark.block.number if position else None,
            "batches": position.mark.batch_count if position else None,
            "derived": _reached(position),
            "final": _reached(driver.final),
            "trouble": driver.fault or driver.trouble,
            "unposted": _unposted(driver.unposted),
            "mismatch": None
            if mismatch is None
            else {
                "l1Block": mismatch.l1_number,
                "firstBlock": mismatch.first_block,
                "lastBlock": mismatch.last_block,
                "derivedHash": _hex(mismatch.derived),
            },
        }

    def _header(self, number: int) -> dict[str, Any]:
        header = orjson.loads(self.driver.core.rpc("eth_getHeaderByNumber", orjson.dumps([hex(number)])))
        if header is None:
            raise RpcError(SERVER_ERROR, f"block {number} is not known here")
        return dict(header)

    def _l2_ref(self, number: int) -> dict[str, Any]:
        header = self._header(number)
        try:
            origin, hash_ = self.driver.core.origin(number)
            first = self._first_of_origin(number, origin)
        except CoreError as error:
            raise RpcError(SERVER_ERROR, f"the state of block {number} is not kept: {error}") from error
        return {
            "hash": header["hash"],
            "number": number,
            "parentHash": header["parentHash"],
            "timestamp": int(header["timestamp"], 16),
            "l1origin": {"hash": _hex(Hash32(hash_)), "number": origin},
            "sequenceNumber": number - first,
        }

    def _first_of_origin(self, number: int, origin: int) -> int:
        """Return the first block that has the origin of this one, as far back as state is kept."""

        def older(block: int) -> bool:
            try:
                return self.driver.core.origin(block)[0] < origin
            except CoreError:
                return True

        low, high, step = number, number, 1
        while low > 0 and not older(low):  # in growing steps, as the first one is near as a rule
            high, low, step = low, max(low - step, 0), step * 2
        if low == 0 and not older(0):
            return 0
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (middle, high) if older(middle) else (low, middle)
        return high


def _unposted(stands: Unposted | None) -> dict[str, Any] | None:
    """Return what L1 has yet to carry, and how much may stand there (PST-024)."""
    if stands is None:
        return None
    return {
        "blocks": stands.blocks,
        "transactions": stands.transactions,
        "bytes": stands.bytes,
        "mostBytes": stands.most_bytes,
        "blobsPerL1Block": stands.blobs_per_l1_block,
        "full": stands.is_full,
    }


def _read_batch(one: ReadBatch) -> dict[str, Any]:
    return {
        "index": one.index,
        "l1Block": one.l1_number,
        "outcome": one.outcome,
        "firstBlock": one.first_block,
        "lastBlock": one.last_block,
    }


def _reached(position: Position | None) -> dict[str, Any] | None:
    """Return where derivation is: an L1 block, what the inbox has there, and the block it leads to."""
    if position is None:
        return None
    mark = position.mark
    return {
        "l1": {"hash": _hex(mark.block.hash), "number": mark.block.number},
        "batches": mark.batch_count,
        "accumulator": _hex(mark.accumulator),
        "block": {"hash": _hex(position.safe.hash), "number": position.safe.number},
    }


def _l1_ref(block: L1Block | None) -> dict[str, Any]:
    if block is None:
        return NO_L1_BLOCK
    return {
        "hash": _hex(block.hash),
        "number": block.number,
        "parentHash": _hex(block.parent_hash),
        "timestamp": block.timestamp,
    }


def _quantity(value: Any) -> int:
    try:
        if type(value) is not str or not value.startswith("0x"):
            raise ValueError("no quantity")
        number = int(value, 16)
        if number >= 2**63:  # what the positions' file can hold
            raise ValueError("too large")
    except ValueError:
        raise RpcError(
            INVALID_PARAMS, "invalid argument 0: expected a number below 2^63 as 0x-prefixed hex"
        ) from None
    return number


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _bytes32(text: str) -> Hash32:
    return Hash32(bytes.fromhex(text[2:]))
