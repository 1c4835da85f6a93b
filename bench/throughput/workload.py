"""Signed transactions, made before any clock starts, and the requests that carry them."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eth_account import Account
from eth_utils.crypto import keccak
from wire import call, request

from trex import _core  # noqa: TID251  (signing so much in Python takes minutes)

if TYPE_CHECKING:
    from collections.abc import Callable

    from systems import Running

HERE = Path(__file__).resolve().parent
SENDERS = 200
CONNECTIONS = 4
BATCH = 100
MAX_FEE_WEI = 1000 * 10**9
PRIORITY_FEE_WEI = 10**9
TRANSFER_GAS = 21_000
TOKEN_GAS = 60_000
DEPLOY_GAS = 16_000_000
TRANSFER_SELECTOR = "a9059cbb"
BALANCE_SELECTOR = "70a08231"


@dataclass(slots=True)
class Sender:
    """An account that sends: its key, and the nonce that comes next."""

    key: bytes
    address: str
    nonce: int = 0

    def sign(self, chain_id: int, to: str, value: int, gas: int, data: str) -> str:
        """Sign the next transaction of this account, an EIP-1559 one; 0x-prefixed hex."""
        fields = {
            "type": "0x2",
            "chainId": hex(chain_id),
            "nonce": hex(self.nonce),
            "gas": hex(gas),
            "maxFeePerGas": hex(MAX_FEE_WEI),
            "maxPriorityFeePerGas": hex(PRIORITY_FEE_WEI),
            "value": hex(value),
            "to": to,
            "input": data,
        }
        self.nonce += 1
        return _core.sign_transaction(json.dumps(fields).encode(), self.key)


def senders() -> list[Sender]:
    """Return the accounts that send, the same in every run."""
    keys = [keccak(text=f"throughput {index}") for index in range(SENDERS)]
    return [Sender(key, Account.from_key(key).address.lower()) for key in keys]


def word(value: int | str) -> str:
    """Return an ABI word of a number or an address, as hex."""
    return f"{int(value, 16) if isinstance(value, str) else value:064x}"


def compile_token() -> str:
    """Return the creation code of Token.sol, as hex.

    Raises:
        RuntimeError: the compiler refused it.
    """
    root = HERE.parents[1]
    settings = {
        "evmVersion": "prague",
        "optimizer": {"enabled": True, "runs": 10_000},
        "outputSelection": {"*": {"*": ["evm.bytecode.object"]}},
    }
    sources = {"Token.sol": {"content": (HERE / "Token.sol").read_text()}}
    job = json.dumps({"language": "Solidity", "sources": sources, "settings": settings})
    done = subprocess.run(
        [str(root / "scripts" / "solc"), "--standard-json"],
        input=job,
        capture_output=True,
        text=True,
        cwd=root,
    )
    try:
        code: str = json.loads(done.stdout)["contracts"]["Token.sol"]["Token"]["evm"]["bytecode"]["object"]
    except (ValueError, KeyError):
        raise RuntimeError(f"cannot compile Token.sol: {done.stdout[:500]}{done.stderr[:500]}") from None
    return code


def deploy_token(running: Running, accounts: list[Sender], code: str) -> str:
    """Deploy the token with a balance for each account; return its address.

    Raises:
        RuntimeError: it was not included, or failed.
    """
    holders = "".join(word(account.address) for account in accounts)
    data = "0x" + code + word(0x40) + word(10**24) + word(len(accounts)) + holders
    fields = {
        "chainId": running.chain_id,
        "nonce": accounts[0].nonce,
        "gas": DEPLOY_GAS,
        "maxFeePerGas": MAX_FEE_WEI,
        "maxPriorityFeePerGas": PRIORITY_FEE_WEI,
        "value": 0,
        "data": data,
    }
    accounts[0].nonce += 1
    raw = Account.sign_transaction(fields, accounts[0].key).raw_transaction
    tx_hash = running.connection.rpc("eth_sendRawTransaction", "0x" + raw.hex())
    for _ in range(300):
        receipt = running.connection.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt is not None:
            if receipt["status"] != "0x1":
                raise RuntimeError("the token's constructor failed")
            address: str = receipt["contractAddress"]
            return address
        time.sleep(0.05)
    raise RuntimeError("the token was not deployed in time")


def transfers(accounts: list[Sender], chain_id: int, count: int) -> list[list[str]]:
    """Sign transfers of 1 wei to accounts that do not exist yet, by connection and in sending order."""

    def sign(account: Sender, index: int) -> str:
        to = "0x" + keccak(text=f"new {account.nonce} {index}")[:20].hex()
        return account.sign(chain_id, to, 1, TRANSFER_GAS, "0x")

    return _by_connection(accounts, count, sign)


def token_transfers(accounts: list[Sender], chain_id: int, count: int, token: str) -> list[list[str]]:
    """Sign ERC-20 transfers from holder to holder, by connection and in sending order."""

    def sign(account: Sender, index: int) -> str:
        to = accounts[(index * 7 + 1) % len(accounts)].address
        return account.sign(chain_id, token, 0, TOKEN_GAS, "0x" + TRANSFER_SELECTOR + word(to) + word(1))

    return _by_connection(accounts, count, sign)


def _by_connection(accounts: list[Sender], count: int, sign: Callable[[Sender, int], str]) -> list[list[str]]:
    """Sign in turns; an account belongs to one connection, so its nonces arrive in order."""
    lanes: list[list[str]] = [[] for _ in range(CONNECTIONS)]
    for index in range(count):
        at = index % len(accounts)
        lanes[at % CONNECTIONS].append(sign(accounts[at], index))
    return lanes


def batches(raws: list[str], size: int = BATCH) -> list[bytes]:
    """Return the requests that send transactions of one connection, `size` in each."""
    prepared = []
    for at in range(0, len(raws), size):
        calls = [
            call("eth_sendRawTransaction", raw, call_id=index)
            for index, raw in enumerate(raws[at : at + size])
        ]
        prepared.append(request(json.dumps(calls).encode()))
    return prepared
