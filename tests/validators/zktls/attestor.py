"""Claims signed as an attestor signs them, by a key of the tests: a real one would sign them too."""

import copy
import json
from typing import Any

import rfc8785
from eth_keys.datatypes import PrivateKey

from trex.types.network_file import keccak256
from trex.types.primitives import Address

KEY = PrivateKey(bytes(31) + b"\x07")
ADDRESS = Address(KEY.public_key.to_canonical_address())
NOW_S = 1_795_300_000

STARS: dict[str, Any] = {
    "body": "",
    "method": "GET",
    "responseMatches": [
        {"type": "regex", "value": '"full_name":"(?<repo>[^"]+)"'},
        {"type": "regex", "value": '"stargazers_count":(?<stars>\\d+)'},
    ],
    "responseRedactions": [],
    "url": "https://api.github.com/repos/octo/tool",
}
"""An honest request for a repository's stars."""


def canonical(value: Any) -> str:
    return rfc8785.dumps(value).decode()


def provider_hash(parameters: dict[str, Any]) -> str:
    """By the formula of today's attestors, written anew here."""
    keys = ("url", "method", "body", "responseMatches", "responseRedactions")
    return "0x" + keccak256(rfc8785.dumps({key: parameters[key] for key in keys if key in parameters})).hex()


def sign(parameters: str, context: str, timestamp: str, owner: str = "0x" + "ab" * 20) -> dict[str, Any]:
    """The document of a claim with these very texts."""
    identifier = "0x" + keccak256(f"http\n{parameters}\n{context}".encode("utf-8", "surrogatepass")).hex()
    text = f"{identifier}\n{owner.lower()}\n{timestamp}\n1".encode()
    digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text)
    signature = KEY.sign_msg_hash(digest).to_bytes()
    return {
        "identifier": identifier,
        "claimData": {
            "provider": "http",
            "parameters": parameters,
            "owner": owner,
            "timestampS": int(timestamp),
            "context": context,
            "identifier": identifier,
            "epoch": 1,
        },
        "signatures": ["0x" + signature[:64].hex() + f"{signature[64] + 27:02x}"],
        "witnesses": [{"id": f"0x{ADDRESS.hex()}", "url": "wss://attestor.example/ws"}],
    }


def claim(
    parameters: dict[str, Any] | None = None,
    extracted: dict[str, Any] | None = None,
    *,
    message: str = "nonce-1",
    timestamp_s: int = NOW_S - 60,
    context: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An honest claim for stars, or one with other parameters and extracted values."""
    asked = copy.deepcopy(STARS) if parameters is None else parameters
    if parameters is None and extracted is None:
        extracted = {"repo": "octo/tool", "stars": "12044"}
    said: dict[str, Any] = {
        "contextMessage": message,
        "providerHash": provider_hash(asked),
        **(context or {}),
    }
    if extracted is not None:
        said["extractedParameters"] = extracted
    return sign(canonical(asked), canonical(said), str(timestamp_s))


def document(proof: Any) -> bytes:
    return json.dumps(proof).encode()
