"""Passports as DIDs and badges as credentials, read by other implementations."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pydid
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from tests.gateway.authenticator import Authenticator
from tests.gateway.conftest import Served
from tests.gateway.people import Person, evm_person, solana_person
from tests.gateway.test_grants import folder, give, offering
from tests.node.conftest import Devnet

from trex.gateway import credentials, holdings
from trex.gateway.sd_jwt import encode_list, issuer_jwk
from trex.node.cli import main
from trex.passport.did import DidError, TrexDid, did_pkh, read_did
from trex.passport.keys import Key, KeyKind, evm_key
from trex.types.evm import read_address

__all__ = ["folder", "offering"]

PEERS = Path(__file__).with_name("peers")
RESULT = 'application/ld+json;profile="https://w3id.org/did-resolution"'


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is told here comes from the chain: one database is enough."""
    return f"sqlite:///{tmp_path / 'gateway.db'}"


async def others(asked: dict[str, Any]) -> Any:
    """What independent readers make of it."""
    assert (PEERS / "node_modules").exists(), "the peers are not there: scripts/setup test brings them"
    process = await asyncio.create_subprocess_exec(
        *("node", "identity.mjs"),
        cwd=PEERS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, errors = await process.communicate(json.dumps(asked).encode())
    assert process.returncode == 0, errors.decode()
    return json.loads(out)


async def resolved(served: Served, did: str, expect: int = 200, accept: str = "*/*", query: str = "") -> Any:
    async with served.http.get(
        f"{served.url}/1.0/identifiers/{did}{query}", headers={"accept": accept}
    ) as answer:
        assert answer.status == expect
        return json.loads(await answer.text()), answer.headers["content-type"]


async def passport_with_all_keys(served: Served) -> Person:
    alice = await evm_person(served).create()
    solana, wallet = solana_person(served), evm_person(served)
    await alice.finished(await alice.do(alice.link(solana, "acting"), alice, solana))
    await alice.finished(await alice.do(alice.link(wallet), alice, wallet))
    device = Authenticator(served.gateway.settings.public_url)
    act = {
        **alice.link(alice, "acting"),
        "key": {"kind": "passkey", "data": f"0x{device.key.data.hex()}"},
    }
    prepared = await alice.post("/v1/acts/prepare", {"act": act})
    asked = prepared["signatures"]
    signature = device.sign_digest(bytes.fromhex(asked[1]["digest"][2:]))
    proofs = [alice.proof(asked[0]), {"signature": f"0x{signature.hex()}"}]
    job = await alice.post(
        "/v1/acts", {"act": act, "deadlineS": prepared["deadlineS"], "proofs": proofs}, 202
    )
    await alice.finished(job)
    return alice


async def test_document_holds_for_pydid_and_did_resolver(served: Served) -> None:
    """DID-002, DID-010 to DID-014, DID-020, DID-021, DID-023: keys come and go, the name stays."""
    alice = await passport_with_all_keys(served)
    did = f"did:trex:1962:{alice.passport}"
    result, kind = await resolved(served, did)
    assert kind.startswith(RESULT)
    document = result["didDocument"]
    kinds = [method["type"] for method in document["verificationMethod"]]
    assert kinds == ["EcdsaSecp256k1RecoveryMethod2020", "Ed25519VerificationKey2020", "JsonWebKey2020"]
    names = [method["id"] for method in document["verificationMethod"]]
    assert document["authentication"] == document["assertionMethod"] == names
    # pydid 0.5 breaks on any method of the first kind: it reads the others, and did-resolver reads all.
    told = {**document, "verificationMethod": document["verificationMethod"][1:]}
    read = pydid.DIDDocument.deserialize(told)
    assert read.id == did
    for name in names[1:]:
        assert read.dereference(name).id == name
    assert len(document["alsoKnownAs"]) == 3
    told = await others({"did": did, "gateway": served.url})
    assert told["resolved"]["didDocument"] == document
    alone, kind = await resolved(served, did, accept="application/did+ld+json")
    assert (alone, kind) == (document, "application/did+ld+json")
    version = int(result["didDocumentMetadata"]["versionId"])
    again, _ = await resolved(served, did, query=f"?versionId={version}")
    assert again["didDocument"] == document
    await resolved(served, did, 404, query="?versionId=0")


@pytest.mark.parametrize(
    ("did", "status", "error"),
    [
        ("did:trex:1962:999999999", 404, "notFound"),
        ("did:trex:1962:0", 400, "invalidDid"),
        ("did:trex:1962:01", 400, "invalidDid"),
        ("did:trex:1962", 400, "invalidDid"),
        ("did:trex:1628:1", 501, "methodNotSupported"),
        ("did:web:example.com", 501, "methodNotSupported"),
        ("nothing", 400, "invalidDid"),
    ],
)
async def test_resolution_errors(served: Served, did: str, status: int, error: str) -> None:
    """DID-022."""
    result, _ = await resolved(served, did, status)
    assert (result["didDocument"], result["didResolutionMetadata"]["error"]) == (None, error)
    if status == 404:
        result, _ = await resolved(served, did, 406, accept="text/html")
        assert result["didResolutionMetadata"]["error"] == "representationNotSupported"


async def test_badge_as_a_credential_discloses_what_its_holder_likes(
    devnet: Devnet, offering: Served
) -> None:
    """DID-030 to DID-034, by @sd-jwt/core and jose."""
    alice = await evm_person(offering).create()
    give(devnet, alice, 60)
    granted = await alice.post("/v1/grants", {"policy": "wealthy"}, 202)
    await alice.finished({"number": granted["job"]})
    (badge,) = await holdings.badges_of(offering.gateway, alice.passport)
    holder = issuer_jwk(ec.generate_private_key(ec.SECP256R1()))
    asked = {"tokenId": badge.token_id, "holder": holder}
    async with offering.http.post(
        f"{offering.url}/v1/credentials", json=asked, headers=alice.headers
    ) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/vc+sd-jwt"
        token = await answer.text()
    url = f"{offering.url}/v1/status/revocation/0"
    told = await others(
        {
            "did": f"did:trex:1962:{alice.passport}",
            "gateway": offering.url,
            "credential": token,
            "reveal": {"level": True},
            "status": {"url": url, "indices": [badge.token_id]},
        }
    )
    assert told["payload"]["credentialSubject"] == {"level": 2}
    assert told["payload"]["cnf"] == {"jwk": holder}
    assert told["payload"]["type"] == ["VerifiableCredential", "TrexBadge"]
    assert set(told["all"]["credentialSubject"]) == {
        *("id", "badge", "name", "level", "points", "policy", "evidence")
    }
    assert f"did:trex:1962:{alice.passport}" not in told["presented"]
    assert told["status"]["length"] == 131_072
    assert told["status"]["set"] == [0]
    bob = await evm_person(offering).create()
    await bob.post("/v1/credentials", asked, 404)
    await alice.post("/v1/credentials", {"tokenId": badge.token_id, "holder": {**holder, "d": "x"}}, 422)

    renounce = {"act": "renounce", "passport": alice.passport, "actor": alice.body, "tokenId": badge.token_id}
    await alice.finished(await alice.do(renounce, alice))
    assert (await alice.post("/v1/credentials", asked, 409))["detail"] == "this badge is revoked"
    offering.gateway.status_lists.clear()
    told = await others(
        {
            "did": "did:trex:1962:1",
            "gateway": offering.url,
            "status": {"url": url, "indices": [badge.token_id]},
        }
    )
    assert told["status"]["set"] == [1]
    await offering.get("/v1/status/revocation/9", 404)
    await offering.get("/v1/status/other/0", 404)


async def test_passport_as_anyone_sees_it(served: Served) -> None:
    alice = await evm_person(served).create()
    found = await served.get(f"/v1/passports/{alice.passport}")
    assert (found["did"], found["badges"], found["points"]) == (f"did:trex:1962:{alice.passport}", [], 0)
    assert [key["role"] for key in found["keys"]] == ["acting"]
    await served.get("/v1/passports/999999999", 404)


async def test_trex_did_resolve(devnet: Devnet, served: Served) -> None:
    alice = await evm_person(served).create()
    did = f"did:trex:1962:{alice.passport}"
    done = await asyncio.to_thread(CliRunner().invoke, main, ["did", "resolve", did, "--rpc", devnet.url])
    assert json.loads(done.stdout)["id"] == did
    for wrong in ("did:trex:1962:999999999", "did:trex:1:1", "x"):
        done = await asyncio.to_thread(
            CliRunner().invoke, main, ["did", "resolve", wrong, "--rpc", devnet.url]
        )
        assert done.exit_code == 1


def test_did_pkh_is_as_published() -> None:
    """The example accounts of the did:pkh method and of CAIP-10."""
    address = evm_key(read_address("0xab16a96D359eC26a11e2C2b3d8f8B8942d5Bfcdb"))
    assert did_pkh(address, 1) == "did:pkh:eip155:1:0xab16a96D359eC26a11e2C2b3d8f8B8942d5Bfcdb"
    solana = Key(KeyKind.ED25519, bytes(32))
    assert (
        did_pkh(solana, 1)
        == "did:pkh:solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:11111111111111111111111111111111"
    )


def test_read_did_takes_one_form() -> None:
    """DID-001."""
    assert read_did("did:trex:1628:7") == TrexDid(1628, 7)
    for text in (
        "did:trex:1628:7 ",
        "did:trex:1628:+7",
        "did:trex:1628:7#x",
        "did:trex:1628:\u0667",
        "DID:trex:1:1",
    ):
        with pytest.raises(DidError):
            read_did(text)


def test_encode_list_first_bit_is_leftmost() -> None:
    assert encode_list([]) != encode_list([0])
    assert credentials.PURPOSES["revocation"] == (4,)
