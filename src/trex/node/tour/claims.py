"""Claims of an exchange and a platform, signed as attestors sign them, by a key that devnets believe."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785
from eth_keys.datatypes import PrivateKey

from trex.chain.dev.accounts import ACCOUNTS
from trex.node.devnet_gateway import CLAIMS
from trex.types.network_file import keccak256
from trex.validators.zktls.provider import Template, provider_by_id

OWNER = "0x" + "02" * 20
"""Whose connection the attestor saw; gateways do not read it."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a platform shows to whom it belongs."""

    provider: str
    """Id of the provider."""
    body: str
    """What the platform answers."""
    values: Mapping[str, str]
    """Of the request's placeholders."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What an honest client asks an attestor to look at."""
        template = provider_by_id(self.provider).templates[0]
        found: dict[str, Any] = {
            "url": template.url,
            "method": template.method,
            "body": template.body,
            "responseMatches": [{"type": one.type, "value": one.value} for one in template.matches],
            "responseRedactions": _redactions(template),
        }
        return found | ({"paramValues": dict(self.values)} if self.values else {})


def vip(account: str, level: int) -> Page:
    """The account page of OKX, at a level."""
    tier = f"VIP{level}" if level else "Lv1"
    return Page("okx-vip-level", f'{{"data":[{{"level":"{tier}","mainUid":"{account}"}}]}}', {})


def followers(account: str, count: int) -> Page:
    """Twitch's list of a channel's followers."""
    return Page("twitch-followers", f'{{"total":{count},"data":[]}}', {"broadcaster": account})


def sign(page: Page, message: str, now_s: int) -> dict[str, Any]:
    """Look at a page and sign what it says, as an attestor does; the key is the devnet's.

    Args:
        page: what was shown.
        message: bound to it, as the gateway handed it out.
        now_s: Unix time in seconds.

    Raises:
        ValueError: the page does not say what is asked for: no attestor would sign.
    """
    parameters = page.parameters
    extracted = dict(page.values)
    for match in parameters["responseMatches"]:
        caught = re.search(match["value"].replace("(?<", "(?P<"), page.body)
        if caught is None:
            raise ValueError(f"{page.provider}: the page does not have {match['value']}")
        extracted |= caught.groupdict()
    hashed = ("url", "method", "body", "responseMatches", "responseRedactions")
    provider = keccak256(rfc8785.dumps({key: parameters[key] for key in hashed}))
    said: dict[str, Any] = {
        "contextMessage": message,
        "providerHash": f"0x{provider.hex()}",
        "extractedParameters": extracted,
    }
    texts = [rfc8785.dumps(parameters).decode(), rfc8785.dumps(said).decode()]
    identifier = "0x" + keccak256("\n".join(["http", *texts]).encode()).hex()
    text = "\n".join([identifier, OWNER, str(now_s), "1"]).encode()
    digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text)
    signature = PrivateKey(ACCOUNTS[CLAIMS].key).sign_msg_hash(digest).to_bytes()
    return {
        "identifier": identifier,
        "claimData": {
            "provider": "http",
            "parameters": texts[0],
            "owner": OWNER,
            "timestampS": now_s,
            "context": texts[1],
            "identifier": identifier,
            "epoch": 1,
        },
        "signatures": [f"0x{signature[:64].hex()}{signature[64] + 27:02x}"],
        "witnesses": [{"id": ACCOUNTS[CLAIMS].address.lower(), "url": "wss://attestor.devnet/ws"}],
    }


def _redactions(template: Template) -> list[dict[str, str]]:
    names = {"jsonPath": "json_path", "xPath": "x_path", "regex": "regex"}
    return [
        {key: getattr(one, name) for key, name in names.items() if getattr(one, name)}
        for one in template.redactions
    ]
