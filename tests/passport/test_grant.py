"""From a new passport to a badge on a running devnet, signed as wallets do: EIP-712 by eth-account."""

import time
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from tests.node.conftest import Devnet
from tests.passport.test_devnet import BADGE, KEY, PASSPORT, PROOF, calldata, devnet, read, send

from trex.chain.dev.accounts import ACCOUNTS
from trex.types.network_file import keccak256

__all__ = ["devnet"]

NULLIFIERS = "0x5472657800000000000000000000000000000005"
POLICIES = "0x5472657800000000000000000000000000000006"
WALLET = Account.from_key(keccak256(b"a person's wallet"))
KEY_OF_WALLET = (1, bytes.fromhex(WALLET.address[2:]))
DEADLINE = 4_000_000_000
BINDING = [
    ("uint256", "passport"),
    ("bytes32", "nullifier"),
    ("bytes32", "scope"),
    ("bytes32", "commitment"),
    ("uint64", "keyEpoch"),
    ("uint64", "attestedAt"),
    ("uint64", "deadline"),
]
GRANT = [
    ("uint256", "passport"),
    ("bytes32", "policy"),
    ("bytes32[]", "nullifiers"),
    ("bytes32", "evidence"),
    ("bytes32", "validatorVersion"),
    ("uint64", "attestedAt"),
    ("uint64", "expiresAt"),
    ("uint64", "deadline"),
    ("uint16", "level"),
    ("uint32", "points"),
    ("uint8", "evidenceClass"),
]


def typed(name: str, contract: str, types: dict[str, list[tuple[str, str]]], value: dict[str, Any]) -> Any:
    """Arguments of `sign_typed_data`; the first type is the one that is signed."""
    domain = {"name": name, "version": "1", "chainId": 1962, "verifyingContract": contract}
    fields = {
        kind: [{"type": each, "name": field} for each, field in members] for kind, members in types.items()
    }
    return domain, fields, value


def attested(message: Any) -> bytes:
    """Signatures of two of the devnet's three attestors, ascending by address (PAS-060)."""
    return b"".join(
        Account.sign_typed_data(ACCOUNTS[place].private_key, *message).signature for place in (7, 9)
    )


def encoded(fields: list[tuple[str, str]]) -> str:
    return f"({','.join(kind for kind, _ in fields)})"


def test_person_gets_a_badge_and_not_twice(devnet: Devnet) -> None:
    """PAS-004, PAS-040, BDG-010, BDG-012."""
    creation = {
        "keyId": keccak256(encode(["uint8", "bytes"], KEY_OF_WALLET)),
        "keyNonce": 0,
        "deadline": DEADLINE,
    }
    kinds = {"CreatePassport": [("bytes32", "keyId"), ("uint256", "keyNonce"), ("uint256", "deadline")]}
    signed = WALLET.sign_typed_data(*typed("T-Rex Passport", PASSPORT, kinds, creation)).signature
    proof = (DEADLINE, 0, signed)
    assert send(devnet, PASSPORT, calldata("create", [KEY, PROOF], [KEY_OF_WALLET, proof]))["status"] == "0x1"
    passport = read(devnet, PASSPORT, "passportOf", ["bytes32"], [creation["keyId"]], ["uint256"])

    now = int(devnet.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    nullifier = keccak256(time.time_ns().to_bytes(8))
    binding = dict(
        zip(
            [name for _, name in BINDING],
            [passport, nullifier, keccak256(b"wallet"), bytes(32), 1, now, DEADLINE],
            strict=True,
        )
    )
    signatures = attested(typed("T-Rex Nullifiers", NULLIFIERS, {"BindNullifier": BINDING}, binding))
    bind = calldata("bind", [encoded(BINDING), "uint64", "bytes"], [tuple(binding.values()), 1, signatures])
    assert send(devnet, NULLIFIERS, bind)["status"] == "0x1"

    document = keccak256(nullifier)
    kinds_of_policy = ["bytes32", "uint16", "uint8", "string", "string"]
    publish = calldata("publish", kinds_of_policy, [document, 3, 1, "Early bird", ""])
    policy = bytes.fromhex(send(devnet, POLICIES, publish)["logs"][0]["topics"][1][2:])
    values = [passport, policy, [nullifier], bytes(32), bytes(32), now, 0, DEADLINE, 2, 100, 1]
    grant = dict(zip([name for _, name in GRANT], values, strict=True))
    message = typed(
        "T-Rex Badge",
        BADGE,
        {"GrantBatch": [("Grant[]", "grants")], "Grant": GRANT},
        {"grants": [grant]},
    )
    data = calldata(
        "grant", [f"{encoded(GRANT)}[]", "uint64", "bytes"], [[tuple(values)], 1, attested(message)]
    )
    assert send(devnet, BADGE, data)["status"] == "0x1"
    assert read(devnet, BADGE, "balanceOf", ["address"], [WALLET.address], ["uint256"]) == 1
    assert read(devnet, BADGE, "levelOf", ["bytes32", "uint256"], [policy, passport], ["uint16"]) == 2
    assert send(devnet, BADGE, data)["status"] == "0x0"
