"""Development methods that change accounts, or the mempool."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from trex.chain.core import DevCore
from trex.chain.dev.accounts import ACCOUNTS
from trex.chain.dev.params import address_at, bool_at, data_at, number_at, object_at, word_at
from trex.chain.dev.signing import Signing
from trex.chain.rpc.dispatch import Handler, Session
from trex.chain.rpc.messages import INVALID_PARAMS
from trex.chain.workers import Workers
from trex.types.errors import RpcError

FAUCET_WEI = 100 * 10**18
"""What the faucet gives when nobody says how much."""
FAUCET = ACCOUNTS[9]
"""Who pays for the faucet above an L1, where ether comes from genesis and deposits only."""
JSON_NULL = b"null"
JSON_TRUE = b"true"


class StateMethods:
    """Overwrites accounts, plays them, and takes transactions out of the mempool."""

    def __init__(
        self, core: DevCore, workers: Workers, signing: Signing, above_l1: Callable[[], bool]
    ) -> None:
        """Make them for one chain; `above_l1` tells whether it still follows an L1."""
        self.core = core
        self.workers = workers
        self.signing = signing
        self.above_l1 = above_l1

    def table(self) -> Mapping[str, Handler]:
        """Return every method by each of its names."""
        table: dict[str, Handler] = {
            "anvil_addBalance": self.add_balance,
            "anvil_autoImpersonateAccount": self.impersonate_all,
            "anvil_dropAllTransactions": self.drop_all,
            "anvil_removePoolTransactions": self.drop_of,
            "eth_sendUnsignedTransaction": self.send_unsigned,
            "evm_setAccountBalance": self.set_balance,
            "evm_setAccountCode": self.set_code,
            "evm_setAccountNonce": self.set_nonce,
            "evm_setAccountStorageAt": self.set_storage,
            "trex_faucet": self.faucet,
        }
        both: dict[str, Handler] = {
            "dropTransaction": self.drop,
            "impersonateAccount": self.impersonate,
            "setBalance": self.set_balance,
            "setCode": self.set_code,
            "setNonce": self.set_nonce,
            "setStorageAt": self.set_storage,
            "stopImpersonatingAccount": self.stop_impersonating,
        }
        for name, handler in both.items():
            table[f"anvil_{name}"] = table[f"hardhat_{name}"] = handler
        return table

    async def _patch(self, address: str, change: dict[str, Any]) -> None:
        await self.workers.quick(self.core.patch, orjson.dumps({address: change}))

    async def set_balance(self, _: Session, params: list[Any]) -> bytes:
        """Set an account's balance: address, wei."""
        await self._patch(address_at(params, 0), {"balance": hex(number_at(params, 1))})
        return JSON_TRUE

    async def set_code(self, _: Session, params: list[Any]) -> bytes:
        """Set an account's code: address, bytes."""
        await self._patch(address_at(params, 0), {"code": data_at(params, 1)})
        return JSON_TRUE

    async def set_nonce(self, _: Session, params: list[Any]) -> bytes:
        """Set an account's nonce: address, number."""
        await self._patch(address_at(params, 0), {"nonce": hex(number_at(params, 1, bits=64))})
        return JSON_TRUE

    async def set_storage(self, _: Session, params: list[Any]) -> bytes:
        """Set a storage slot: address, slot, word."""
        change = {"storage": {word_at(params, 1): word_at(params, 2)}}
        await self._patch(address_at(params, 0), change)
        return JSON_TRUE

    async def add_balance(self, _: Session, params: list[Any]) -> bytes:
        """Add to an account's balance: address, wei."""
        await self._add(address_at(params, 0), number_at(params, 1))
        return JSON_NULL

    async def _add(self, address: str, wei: int) -> int:
        """Add to a balance and return what it is then."""
        answer = await self.workers.quick(self.core.rpc, "eth_getBalance", orjson.dumps([address, "latest"]))
        balance = int(orjson.loads(answer), 16) + wei
        if balance >= 1 << 256:
            raise RpcError(INVALID_PARAMS, "invalid argument 1: the balance would not fit 256 bits")
        await self._patch(address, {"balance": hex(balance)})
        return balance

    async def faucet(self, session: Session, params: list[Any]) -> bytes:
        """Give ether: address, wei (100 ether when not said); answer the new balance."""
        address = address_at(params, 0)
        amount = number_at(params, 1, FAUCET_WEI)
        if self.above_l1():
            await self.signing.send(session, [{"from": FAUCET.address, "to": address, "value": hex(amount)}])
            return await self.workers.quick(
                self.core.rpc, "eth_getBalance", orjson.dumps([address, "pending"])
            )
        return orjson.dumps(hex(await self._add(address, amount)))

    async def impersonate(self, _: Session, params: list[Any]) -> bytes:
        """Let an account send without a signature: address."""
        self.signing.impersonated.add(address_at(params, 0))
        return JSON_TRUE

    async def stop_impersonating(self, _: Session, params: list[Any]) -> bytes:
        """Take that back: address."""
        self.signing.impersonated.discard(address_at(params, 0))
        return JSON_TRUE

    async def impersonate_all(self, _: Session, params: list[Any]) -> bytes:
        """Let every account send without a signature, or no longer: bool."""
        self.signing.impersonate_all = bool_at(params, 0)
        return JSON_NULL

    async def send_unsigned(self, _: Session, params: list[Any]) -> bytes:
        """Send as anybody, once, without a signature: a transaction as of eth_sendTransaction."""
        return await self.signing.send_unsigned(object_at(params, 0))

    async def drop(self, _: Session, params: list[Any]) -> bytes:
        """Remove a transaction from the mempool: hash."""
        gone = await self.workers.quick(self.core.drop, data_at(params, 0, 32))
        return JSON_TRUE if gone else b"false"

    async def drop_all(self, _: Session, __: list[Any]) -> bytes:
        """Empty the mempool."""
        await self.workers.quick(self.core.drop, None)
        return JSON_NULL

    async def drop_of(self, _: Session, params: list[Any]) -> bytes:
        """Remove all of an account's transactions from the mempool: address."""
        await self.workers.heavy(self._drop_of, address_at(params, 0))
        return JSON_NULL

    def _drop_of(self, sender: str) -> None:
        """Remove a sender's transactions, the last first: what stands before one stays executable."""
        content = orjson.loads(self.core.rpc("txpool_contentFrom", orjson.dumps([sender])))
        found = {**content["pending"], **content["queued"]}
        for nonce in sorted(found, key=int, reverse=True):
            self.core.drop(found[nonce]["hash"])
