"""eth_sendTransaction and the signing methods: the devnet holds keys, and plays accounts it has none of."""

import asyncio
from typing import Any

import orjson

from trex.chain.core import DevCore, Signer
from trex.chain.dev.accounts import ACCOUNTS
from trex.chain.dev.params import address_at, argument, data_at, object_at, quantity
from trex.chain.producer import Producer
from trex.chain.rpc.dispatch import Session
from trex.chain.rpc.messages import INVALID_PARAMS, SERVER_ERROR
from trex.chain.rpc.transactions import Transactions
from trex.chain.workers import Workers
from trex.types.errors import RpcError

INCLUSION_S = 2.0
"""A transaction that the node signs itself is answered when it is in a block, or after so long."""
IMPERSONATED_GAS = 10_000_000
"""Gas of an impersonated transaction that names none."""
BLOB_FIELDS = ("blobs", "blobVersionedHashes", "commitments", "maxFeePerBlobGas", "proofs", "sidecar")
"""Fields of a request for a blob transaction (EIP-4844)."""


class Signing:
    """Methods that act for an account."""

    def __init__(
        self,
        core: DevCore,
        signer: Signer,
        workers: Workers,
        transactions: Transactions,
        producer: Producer,
    ) -> None:
        """Hold the keys of the well-known accounts."""
        self.core = core
        self.signer = signer
        self.workers = workers
        self.transactions = transactions
        self.producer = producer
        self.impersonated: set[str] = set()
        """Accounts that may send without a signature."""
        self.impersonate_all = False
        self._keys = {account.address.lower(): account.key for account in ACCOUNTS}
        self._turns: dict[str, asyncio.Lock] = {}

    def _key(self, address: str) -> bytes:
        key = self._keys.get(address)
        if key is None:
            raise RpcError(SERVER_ERROR, f"unknown account {address}")
        return key

    async def accounts(self, _: Session, __: list[Any]) -> bytes:
        """Answer eth_accounts and eth_requestAccounts."""
        known = [account.address.lower() for account in ACCOUNTS]
        return orjson.dumps(known + sorted(self.impersonated - set(known)))

    async def send(self, _: Session, params: list[Any]) -> bytes:
        """Answer eth_sendTransaction: fill in what is missing, sign, send, wait a moment for inclusion."""
        request = object_at(params, 0)
        sender = address_at([request.get("from")], 0)
        if sender in self._keys:
            # One at a time for each account: the next nonce is known when the last one is in the mempool.
            async with self._turns.setdefault(sender, asyncio.Lock()):
                raw = await self._signed(request, sender)
                (outcome,) = await self.transactions.submit([raw])
            if isinstance(outcome, RpcError):
                raise outcome
            tx_hash = outcome
        elif self.impersonate_all or sender in self.impersonated:
            tx_hash = await self._impersonate(request, sender)
        else:
            raise RpcError(SERVER_ERROR, f"unknown account {sender}")
        return await self._sent(tx_hash)

    async def send_unsigned(self, request: dict[str, Any]) -> bytes:
        """Send as anybody; answers as eth_sendTransaction does."""
        return await self._sent(await self._impersonate(request, address_at([request.get("from")], 0)))

    async def _sent(self, tx_hash: str) -> bytes:
        """Answer with a hash, with slots after waiting a moment for inclusion."""
        if self.producer.mining.slots:
            await self.transactions.wait_for(tx_hash, INCLUSION_S)
        return orjson.dumps(tx_hash)

    async def sign_transaction(self, _: Session, params: list[Any]) -> bytes:
        """Answer eth_signTransaction with the raw transaction."""
        request = object_at(params, 0)
        sender = address_at([request.get("from")], 0)
        self._key(sender)
        return orjson.dumps(await self._signed(request, sender))

    async def _signed(self, request: dict[str, Any], sender: str) -> str:
        filled = await self.workers.heavy(self._fill, request, sender)
        return await self.workers.quick(self.signer.sign_transaction, orjson.dumps(filled), self._key(sender))

    async def _impersonate(self, request: dict[str, Any], sender: str) -> str:
        gas = request.get("gas")
        if gas is None:
            gas = await self.workers.heavy(
                self._ask, "eth_estimateGas", [self._call(request, sender), "pending"]
            )
        wanted = {**self._call(request, sender), "gas": gas or hex(IMPERSONATED_GAS)}
        tx_hash = await self.workers.quick(self.core.impersonate, orjson.dumps(wanted))
        self.producer.wanted = True
        await self.producer.after_submit()
        return tx_hash

    @staticmethod
    def _call(request: dict[str, Any], sender: str) -> dict[str, Any]:
        """Return what a transaction does, without what it pays.

        Raises:
            RpcError: it asks for two things at once, or for what this chain has not.
        """
        if _type(request) == 3 or any(request.get(key) is not None for key in BLOB_FIELDS):
            raise RpcError(
                SERVER_ERROR, "transaction type not supported: tx type 3 not supported by this pool"
            )
        given = [request[key] for key in ("input", "data") if request.get(key) is not None]
        if len({str(data).lower() for data in given}) > 1:
            raise RpcError(
                SERVER_ERROR,
                'both "data" and "input" are set and not equal. '
                'Please use "input" to pass transaction call data',
            )
        data = given[0] if given else "0x"
        call = {"from": sender, "to": request.get("to"), "value": request.get("value", "0x0"), "input": data}
        return {key: value for key, value in call.items() if value is not None}

    def _ask(self, method: str, params: list[Any]) -> Any:
        return orjson.loads(self.core.rpc(method, orjson.dumps(params)))

    def _fill(self, request: dict[str, Any], sender: str) -> dict[str, Any]:
        """Return the request with every field given (on a thread)."""
        filled = {**self._call(request, sender), "chainId": hex(self.core.chain_id)}
        if int(str(request.get("chainId") or filled["chainId"]), 0) != self.core.chain_id:
            raise RpcError(INVALID_PARAMS, "invalid argument 0: chainId is another network's")
        for key in ("accessList", "authorizationList"):
            if request.get(key) is not None:
                filled[key] = request[key]
        if request.get("gas") is None:
            filled["gas"] = self._ask("eth_estimateGas", [filled, "pending"])
        else:
            filled["gas"] = request["gas"]
        filled["nonce"] = request.get("nonce")
        if filled["nonce"] is None:
            filled["nonce"] = self._ask("eth_getTransactionCount", [sender, "pending"])
        if request.get("gasPrice") is not None or _type(request) in (0, 1):
            if request.get("maxFeePerGas") is not None or request.get("maxPriorityFeePerGas") is not None:
                raise RpcError(
                    SERVER_ERROR, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"
                )
            filled["gasPrice"] = request.get("gasPrice") or self._ask("eth_gasPrice", [])
        else:
            tip = request.get("maxPriorityFeePerGas") or self._ask("eth_maxPriorityFeePerGas", [])
            ceiling = 2 * self.core.head().base_fee_wei + int(tip, 16)
            filled["maxPriorityFeePerGas"] = tip
            filled["maxFeePerGas"] = request.get("maxFeePerGas") or hex(ceiling)
        return filled

    async def sign(self, _: Session, params: list[Any]) -> bytes:
        """Answer eth_sign: address, message."""
        return await self._sign_message(address_at(params, 0), data_at(params, 1))

    async def personal_sign(self, _: Session, params: list[Any]) -> bytes:
        """Answer personal_sign: message, address."""
        return await self._sign_message(address_at(params, 1), data_at(params, 0))

    async def _sign_message(self, address: str, message: str) -> bytes:
        raw = bytes.fromhex(message[2:])
        return orjson.dumps(await self.workers.quick(self.signer.sign_message, raw, self._key(address)))

    async def sign_typed_data(self, _: Session, params: list[Any]) -> bytes:
        """Answer eth_signTypedData_v4: address, typed data as an object or as its text."""
        key = self._key(address_at(params, 0))
        value = argument(params, 1)
        data = value.encode() if type(value) is str else orjson.dumps(value)
        return orjson.dumps(await self.workers.quick(self.signer.sign_typed_data, data, key))


def _type(request: dict[str, Any]) -> int | None:
    """Return the EIP-2718 type that a request asks for, None where it leaves that to its fields."""
    return quantity(request["type"], 0, bits=8) if request.get("type") is not None else None
