"""Routes of identity: DIDs, credentials, status lists, and passports as anyone may see them."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from trex.gateway import credentials, holdings
from trex.gateway.dimensions import dimensions
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.badges import passport_of
from trex.gateway.http.models import Body, account_name
from trex.passport.did import METHOD, DidError, TrexDid, read_did, resolve
from trex.points import ledger
from trex.rpc.errors import RefusedError

router = APIRouter(tags=["identity"])

RESULT = 'application/ld+json;profile="https://w3id.org/did-resolution"'
DOCUMENTS = ("application/did+ld+json", "application/did+json", "application/did")
_STATUS = {"invalidDid": 400, "notFound": 404, "representationNotSupported": 406, "methodNotSupported": 501}


class CredentialAsked(Body):
    """Which badge, and whose key presents it."""

    token_id: Annotated[int, Field(ge=1, lt=2**64)]
    holder: dict[str, str] | None = None
    """A public JSON Web Key (EC P-256 or OKP Ed25519) that the credential is bound to."""


@router.get("/1.0/identifiers/{did:path}")
async def identifier(
    did: str,
    request: Request,
    gateway: TheGateway,
    version_id: Annotated[int | None, Query(alias="versionId", ge=0)] = None,
) -> Response:
    """Resolve a DID (the Universal Resolver's interface)."""
    accept = request.headers.get("accept", "*/*")
    alone = next((kind for kind in DOCUMENTS if kind in accept), None)
    whole = any(
        kind in accept for kind in ("*/*", "did-resolution", "application/json", "application/ld+json")
    )
    if alone is None and not whole:
        return _result(None, {"error": "representationNotSupported"}, {})
    try:
        read = read_did(did)
        found = await resolve(gateway.client, read, block=version_id, service=gateway.settings.public_url)
    except DidError as error:
        other = did.startswith("did:") and not did.startswith(f"did:{METHOD}:")
        foreign = other or "another network" in str(error)
        return _result(None, {"error": "methodNotSupported" if foreign else "invalidDid"}, {})
    except RefusedError:
        return _result(None, {"error": "notFound"}, {})
    if found is None:
        return _result(None, {"error": "notFound"}, {})
    if alone is not None:
        return Response(orjson.dumps(found.document), media_type=alone)
    metadata = {"versionId": str(found.version), "generation": found.generation, "deactivated": False}
    return _result(found.document, {"contentType": DOCUMENTS[0]}, metadata)


def _result(document: Any, resolution: dict[str, Any], metadata: dict[str, Any]) -> Response:
    answer = {
        "@context": "https://w3id.org/did-resolution/v1",
        "didDocument": document,
        "didResolutionMetadata": resolution,
        "didDocumentMetadata": metadata,
    }
    status = _STATUS.get(resolution.get("error", ""), 200)
    return Response(orjson.dumps(answer), status, media_type=RESULT)


@router.get("/.well-known/did.json")
async def issuer(gateway: TheGateway) -> dict[str, Any]:
    """Whose key signs credentials (did:web)."""
    return credentials.issuer_document(gateway)


@router.post("/v1/credentials", dependencies=[Costly])
async def credential(body: CredentialAsked, session: SignedIn, gateway: TheGateway) -> Response:
    """A badge of yours as a Verifiable Credential (SD-JWT), each member disclosed as you like."""
    passport = await passport_of(session, gateway)
    token = await credentials.credential(gateway, passport, body.token_id, _public(body.holder))
    return Response(token, media_type="application/vc+sd-jwt")


def _public(jwk: dict[str, str] | None) -> dict[str, str] | None:
    if jwk is None:
        return None
    wanted = {"EC": {"kty", "crv", "x", "y"}, "OKP": {"kty", "crv", "x"}}.get(jwk.get("kty", ""))
    if wanted is None or jwk.keys() != wanted or jwk["crv"] not in ("P-256", "Ed25519"):
        raise GatewayError(Fault.MALFORMED, "holder: a public key of P-256 or Ed25519 is expected, no more")
    return jwk


@router.get("/v1/status/{purpose}/{page}", dependencies=[Costly])
async def status(purpose: str, page: int, gateway: TheGateway) -> Response:
    """Which badges are revoked or suspended (Bitstring Status List)."""
    return Response(await credentials.status_list(gateway, purpose, page), media_type="application/vc+jwt")


@router.get("/v1/passports/{number}", dependencies=[Costly])
async def passport(number: Annotated[int, Field(ge=1, lt=2**96)], gateway: TheGateway) -> dict[str, Any]:
    """A passport as the chain shows it to anyone: public keys, badges, points."""
    state = await gateway.client.state(number)
    if state is None:
        raise GatewayError(Fault.NOT_FOUND, f"there is no passport {number}")
    keys = await gateway.client.keys(number)
    held, points = await holdings.badges_of(gateway, number), await ledger.total_of(gateway.client, number)
    deeds = await ledger.deed_points_of(gateway.client, number)
    did = TrexDid(gateway.settings.contracts.chain_id, number)
    return {
        "passport": number,
        "did": str(did),
        "generation": state.generation,
        "recovering": state.recovery_key_id is not None,
        "keys": [
            {
                "account": account_name(one.key),
                "role": one.role.name.lower(),
                "keyId": f"0x{one.key.id.hex()}",
            }
            for one in keys
        ],
        "dimensions": {one.id: one.score for one in dimensions(held, gateway.offers, deeds)},
        "badges": [
            {
                "tokenId": badge.token_id,
                "name": badge.name,
                "level": badge.level,
                "points": badge.points,
                "state": badge.state.value,
                "evidence": f"0x{badge.evidence.hex()}",
                "public": badge.is_public,
                "expiresAtS": badge.expires_s,
            }
            for badge in held
        ],
        "points": points,
    }
