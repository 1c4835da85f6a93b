"""Badges as credentials for their holder, with status lists that follow the chain (DID-030)."""

import time
from typing import Any

from trex.badges.chain.contract import BadgeState
from trex.gateway import holdings
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.sd_jwt import (
    LIST_BITS,
    VC_CONTEXT,
    encode_list,
    issue,
    issuer_jwk,
    sign_jwt,
    status_entry,
)
from trex.gateway.service import Gateway
from trex.passport.contracts import Method
from trex.passport.did import TrexDid
from trex.passport.texts import write_date

STATUS_S = 60
"""How long a status list is kept before the chain is asked again."""
CHUNK = 500
"""States asked for at once."""
MINTED = Method("minted", (), ("uint256",))
STATE_OF = Method("stateOf", ("uint256",), ("uint8",))
PURPOSES = {"revocation": (4,), "suspension": (2,)}
"""States of a badge (BDG-020) that each list marks."""


def issuer(gateway: Gateway) -> str:
    """The gateway as an issuer: did:web of its host."""
    return f"did:web:{gateway.settings.host.replace(':', '%3A')}"


def key_name(gateway: Gateway) -> str:
    """Name of the issuer's key."""
    return f"{issuer(gateway)}#badges"


def issuer_document(gateway: Gateway) -> dict[str, Any]:
    """The issuer's DID document, at /.well-known/did.json."""
    name = key_name(gateway)
    method = {"id": name, "type": "JsonWebKey2020", "controller": issuer(gateway)}
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"],
        "id": issuer(gateway),
        "verificationMethod": [{**method, "publicKeyJwk": issuer_jwk(gateway.keys.issuer_key())}],
        "assertionMethod": [name],
    }


async def credential(gateway: Gateway, passport: int, token_id: int, holder: dict[str, str] | None) -> str:
    """Issue a badge of a passport as a credential.

    Raises:
        GatewayError: it is another's, or does not count now.
    """
    badge = await holdings.badge(gateway, token_id)
    if badge is None or badge.passport != passport:
        raise GatewayError(Fault.NOT_FOUND, "you have no such badge")
    if badge.state is not BadgeState.GRANTED:
        raise GatewayError(Fault.CONFLICT, f"this badge is {badge.state.value}")  # DID-033
    url, chain = gateway.settings.public_url, gateway.settings.contracts.chain_id
    contract = gateway.settings.contracts.badges.hex()
    document: dict[str, Any] = {
        "@context": [VC_CONTEXT],
        "type": ["VerifiableCredential", "TrexBadge"],
        "issuer": issuer(gateway),
        "validFrom": write_date(badge.attested_s),
        "credentialStatus": [status_entry(url, purpose, token_id) for purpose in PURPOSES],
        "credentialSubject": {
            "id": str(TrexDid(chain, passport)),
            "badge": f"eip155:{chain}/erc721:0x{contract}/{token_id}",
            "name": badge.name,
            "level": badge.level,
            "points": badge.points,
            "policy": f"0x{badge.document.hex()}",
            "evidence": f"0x{badge.evidence.hex()}",
        },
    }
    if badge.expires_s:
        document["validUntil"] = write_date(badge.expires_s)
    return issue(gateway.keys.issuer_key(), key_name(gateway), document, holder)


async def status_list(gateway: Gateway, purpose: str, page: int) -> str:
    """A status list as a signed credential (`application/vc+jwt`).

    Raises:
        GatewayError: there is no such list.
    """
    kept = gateway.status_lists.get((purpose, page))
    if kept is not None and time.monotonic() - kept[0] < STATUS_S:
        return kept[1]
    at = gateway.settings.contracts.badges
    (minted,) = await gateway.client.ask((at, MINTED, ()))
    if purpose not in PURPOSES or page < 0 or page * LIST_BITS > minted:
        raise GatewayError(Fault.NOT_FOUND, "no such status list")
    first, last = max(1, page * LIST_BITS), min(int(minted), (page + 1) * LIST_BITS - 1)
    marked = []
    for start in range(first, last + 1, CHUNK):
        numbers = range(start, min(start + CHUNK, last + 1))
        states = await gateway.client.ask(*((at, STATE_OF, (number,)) for number in numbers))
        marked += [
            number - page * LIST_BITS
            for number, state in zip(numbers, states, strict=True)
            if state in PURPOSES[purpose]
        ]
    url = f"{gateway.settings.public_url}/v1/status/{purpose}/{page}"
    document = {
        "@context": [VC_CONTEXT],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer(gateway),
        "validFrom": write_date(gateway.now_s),
        "validUntil": write_date(gateway.now_s + 10 * STATUS_S),
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": encode_list(marked),
        },
    }
    header = {"typ": "vc+jwt", "cty": "vc", "kid": key_name(gateway)}
    signed = sign_jwt(gateway.keys.issuer_key(), header, document)
    gateway.status_lists[purpose, page] = (time.monotonic(), signed)
    return signed
