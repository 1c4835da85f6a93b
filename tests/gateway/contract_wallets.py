"""Wallets that are contracts: Safes, there and not yet there, and what accounts delegate to."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from tests.gateway.conftest import Served
from tests.gateway.people import Person
from tests.node.conftest import Devnet
from tests.passport.test_client import SAFE, SAFE_FACTORY, SAFE_HANDLER

from trex.chain.dev.accounts import ACCOUNTS
from trex.passport.keys import evm_key
from trex.passport.proofs import undeployed_signature
from trex.types.network_file import keccak256
from trex.types.primitives import Address

DELEGATE = "0xe6cae83bde06e4c305530e199d7217f42808555b"
"""Simple7702Account of EntryPoint v0.8, which people delegate to: a predeploy, where viem looks for it."""
SETUP = keccak256(b"setup(address[],uint256,address,bytes,address,address,uint256,address)")[:4]
CREATE = keccak256(b"createProxyWithNonce(address,bytes,uint256)")[:4]


def send(
    devnet: Devnet, to: str | None, data: str, value: int = 0, sender: str = ACCOUNTS[0].address
) -> dict[str, Any]:
    """Send a transaction of one of the devnet's accounts; it must succeed."""
    request = {"from": sender, "data": data, "value": hex(value), "gas": hex(5_000_000)}
    receipt = devnet.receipt(devnet.call("eth_sendTransaction", request | ({"to": to} if to else {})))
    assert receipt["status"] == "0x1", receipt
    return receipt


@dataclass
class Safe:
    """A Safe 1.4.1 of some owners, whose address follows from them."""

    owners: list[LocalAccount]
    threshold: int
    address: Address
    creation: bytes
    """Calldata for the factory."""

    def inner(self, digest: bytes, signers: int) -> bytes:
        """What EIP-1271 of the Safe takes: the owners' signatures, ascending."""
        domain = {"chainId": 1962, "verifyingContract": f"0x{self.address.hex()}"}
        kinds = {"SafeMessage": [{"type": "bytes", "name": "message"}]}
        signing = sorted(self.owners[:signers], key=lambda one: int(one.address, 16))
        return b"".join(
            bytes(one.sign_typed_data(domain, kinds, {"message": digest}).signature) for one in signing
        )

    def deploy(self, devnet: Devnet) -> None:
        """Put it on the chain."""
        send(devnet, f"0x{SAFE_FACTORY.hex()}", f"0x{self.creation.hex()}")
        assert devnet.call("eth_getCode", f"0x{self.address.hex()}", "latest") != "0x"

    def person(
        self,
        served: Served,
        *,
        wrapped: bool,
        signers: int = 0,
        factory: Address = SAFE_FACTORY,
        creation: bytes = b"",
    ) -> Person:
        """Somebody with this Safe.

        Args:
            served: where.
            wrapped: whether signatures say how it is deployed (ERC-6492).
            signers: how many owners sign; the threshold by default.
            factory: that the wrapping names.
            creation: that the wrapping names; the right one by default.
        """

        def sign(digest: bytes) -> bytes:
            inner = self.inner(digest, signers or self.threshold)
            return undeployed_signature(factory, creation or self.creation, inner) if wrapped else inner

        def sign_text(raw: bytes) -> bytes:
            return sign(keccak256(b"\x19Ethereum Signed Message:\n" + str(len(raw)).encode() + raw))

        def sign_typed(typed: dict[str, Any]) -> bytes:
            data = encode_typed_data(full_message=typed)
            return sign(keccak256(b"\x19" + data.version + data.header + data.body))

        return Person(served, evm_key(self.address), sign_text, sign_typed)


def new_safe(devnet: Devnet, owners: Sequence[LocalAccount] = (), threshold: int = 2) -> Safe:
    """A Safe that is not there yet; of three owners, unless they are named."""
    accounts = list(owners) or [Account.create() for _ in range(3)]
    who = [one.address for one in accounts]
    kinds = ["address[]", "uint256", "address", "bytes", "address", "address", "uint256", "address"]
    setup = SETUP + encode(kinds, [who, threshold, bytes(20), b"", SAFE_HANDLER, bytes(20), 0, bytes(20)])
    values = [SAFE, setup, secrets.randbits(128)]
    creation = CREATE + encode(["address", "bytes", "uint256"], values)
    asked = {"to": f"0x{SAFE_FACTORY.hex()}", "data": f"0x{creation.hex()}"}
    told = devnet.call("eth_call", asked, "latest")
    return Safe(accounts, threshold, Address(bytes.fromhex(told[26:66])), creation)
