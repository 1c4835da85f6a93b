"""Passport and Badge on a running devnet: real passkeys, ed25519 by the chain's own precompile."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS, eddsa
from eth_abi.abi import decode, encode
from eth_account import Account
from tests.node.conftest import Devnet, devnet_at

from trex.chain.dev.accounts import ACCOUNTS
from trex.types.network_file import keccak256

ROOT = Path(__file__).resolve().parents[2]
PASSPORT = "0x06fab5a4e177fefe5cc15dc41c64ba933021418a"
BADGE = "0xa51b53dc3aa7f4ef5fe9bb429521a73f411ad867"
KEY_VERIFIER = "0x5472657800000000000000000000000000000002"
VALIDATOR_SET = "0x5472657800000000000000000000000000000003"
PASSKEY, ED25519 = 2, 3
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
DEADLINE = 4_000_000_000
KEY, PROOF = "(uint8,bytes)", "(uint64,uint64,bytes)"


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with devnet_at(tmp_path_factory.mktemp("persona") / "data") as running:
        yield running


def calldata(name: str, kinds: list[str], values: list[Any]) -> str:
    return "0x" + (keccak256(f"{name}({','.join(kinds)})".encode())[:4] + encode(kinds, values)).hex()


def read(devnet: Devnet, to: str, name: str, kinds: list[str], values: list[Any], answer: list[str]) -> Any:
    found = devnet.call("eth_call", {"to": to, "data": calldata(name, kinds, values)}, "latest")
    return decode(answer, bytes.fromhex(found[2:]))[0]


def send(devnet: Devnet, to: str, data: str) -> dict[str, Any]:
    sender = ACCOUNTS[0]
    request = {
        "to": bytes.fromhex(to[2:]),
        "data": data,
        "gas": 2_000_000,
        "nonce": int(devnet.call("eth_getTransactionCount", sender.address, "pending"), 16),
        "chainId": 1962,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 1,
        "value": 0,
    }
    signed = Account.from_key(sender.private_key).sign_transaction(request)
    return devnet.receipt(devnet.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex()))


def creation_digest(devnet: Devnet, key: tuple[int, bytes]) -> bytes:
    """EIP-712 digest of `CreatePassport`, from the domain that the contract tells (EIP-5267)."""
    key_id = keccak256(encode(["uint8", "bytes"], key))
    typed = keccak256(b"CreatePassport(bytes32 keyId,uint256 keyNonce,uint256 deadline)")
    nonce = read(devnet, PASSPORT, "keyNonceOf", ["bytes32"], [key_id], ["uint256"])
    struct = keccak256(encode(["bytes32", "bytes32", "uint256", "uint256"], [typed, key_id, nonce, DEADLINE]))
    kinds = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    names = [keccak256(text.encode()) for text in (kinds, "T-Rex Passport", "1")]
    domain = keccak256(encode(["bytes32"] * 3 + ["uint256", "address"], [*names, 1962, PASSPORT]))
    return keccak256(b"\x19\x01" + domain + struct)


def passkey() -> tuple[tuple[int, bytes], Any]:
    secret = ECC.generate(curve="P-256")
    x, y = (int(value).to_bytes(32) for value in secret.public_key().pointQ.xy)
    return (PASSKEY, x + y + hashlib.sha256(b"localhost").digest()), secret


def assertion(secret: Any, digest: bytes) -> bytes:
    """What an authenticator answers, its s brought to the lower half as clients do."""
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    members = {
        "type": "webauthn.get",
        "challenge": challenge,
        "origin": "http://localhost",
        "crossOrigin": False,
    }
    client = json.dumps(members, separators=(",", ":")).encode()
    data = hashlib.sha256(b"localhost").digest() + b"\x1d" + bytes(4)
    signature = DSS.new(secret, "fips-186-3").sign(SHA256.new(data + hashlib.sha256(client).digest()))
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    return encode(["bytes", "bytes", "uint256", "uint256"], [data, client, r, min(s, P256_ORDER - s)])


def ed25519_key() -> tuple[tuple[int, bytes], Any]:
    secret = ECC.generate(curve="Ed25519")
    return (ED25519, secret.public_key().export_key(format="raw")), secret


def sign_in(devnet: Devnet, key: tuple[int, bytes], secret: Any, digest: bytes, issued_at: int) -> bytes:
    kinds = [KEY, "bytes32", "string", "uint64", "uint64"]
    values = [key, digest, "Create a T-Rex passport.", issued_at, DEADLINE]
    text = read(devnet, KEY_VERIFIER, "signInText", kinds, values, ["string"])
    assert text.startswith("localhost wants you to sign in with your Solana account:\n")
    assert f"Nonce: {digest.hex()}\n" in text
    signature: bytes = eddsa.new(secret, "rfc8032").sign(text.encode())
    return signature


def test_create_by_a_passkey(devnet: Devnet) -> None:
    key, secret = passkey()
    before = read(devnet, PASSPORT, "count", [], [], ["uint256"])
    proof = (DEADLINE, 0, assertion(secret, creation_digest(devnet, key)))
    assert send(devnet, PASSPORT, calldata("create", [KEY, PROOF], [key, proof]))["status"] == "0x1"
    assert read(devnet, PASSPORT, "count", [], [], ["uint256"]) == before + 1
    assert send(devnet, PASSPORT, calldata("create", [KEY, PROOF], [key, proof]))["status"] == "0x0"


def test_create_by_an_ed25519_key_and_not_by_another(devnet: Devnet) -> None:
    """PRE-003, PAS-008: verified by the chain's precompile."""
    issued_at = int(devnet.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    (key, secret), (_, other) = ed25519_key(), ed25519_key()
    digest = creation_digest(devnet, key)
    forged = (DEADLINE, issued_at, sign_in(devnet, key, other, digest, issued_at))
    assert send(devnet, PASSPORT, calldata("create", [KEY, PROOF], [key, forged]))["status"] == "0x0"
    proof = (DEADLINE, issued_at, sign_in(devnet, key, secret, digest, issued_at))
    assert send(devnet, PASSPORT, calldata("create", [KEY, PROOF], [key, proof]))["status"] == "0x1"
    key_id = keccak256(encode(["uint8", "bytes"], key))
    assert read(devnet, PASSPORT, "passportOf", ["bytes32"], [key_id], ["uint256"]) > 0


def test_badge_contract_is_the_collection_at_its_known_address(devnet: Devnet) -> None:
    assert read(devnet, BADGE, "name", [], [], ["string"]) == "T-Rex Badge"
    for interface in ("80ac58cd", "b45a3c0e", "0489b56f", "49064906"):
        code = bytes.fromhex(interface)
        assert read(devnet, BADGE, "supportsInterface", ["bytes4"], [code], ["bool"])
    assert read(devnet, BADGE, "PASSPORT", [], [], ["address"]) == PASSPORT


def test_validator_set_is_what_the_network_names(devnet: Devnet) -> None:
    persona = json.loads((ROOT / "networks" / "sources" / "devnet.json").read_text())["persona"]
    members = read(devnet, VALIDATOR_SET, "membersOf", ["uint64"], [1], ["address[]"])
    assert list(members) == persona["validators"]
    assert read(devnet, VALIDATOR_SET, "thresholdOf", ["uint64"], [1], ["uint8"]) == persona["threshold"]
