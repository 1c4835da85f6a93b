"""Wallets that count for a passport and stand nowhere."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.gateway.conftest import Served, serving, settings_for
from tests.gateway.people import evm_person, solana_person
from tests.gateway.test_grants import folder, give, holds, policy
from tests.node.conftest import Devnet

from trex.gateway import holdings, people
from trex.validators.onchain.source import EvmChain

__all__ = ["folder"]


@pytest.fixture
async def served(devnet: Devnet, tmp_path: Path, folder: Path) -> AsyncIterator[Served]:
    discreet = policy(f"Discreet {tmp_path.name}", holds("5"), "private")
    (folder / "discreet.json").write_text(json.dumps(discreet))
    chains = {1962: EvmChain(1962, (devnet.url,), 1)}
    settings = settings_for(devnet, f"sqlite:///{tmp_path}/g.db", policies=folder, chains=chains)
    async with serving(settings) as running:
        yield running


async def test_private_wallet_counts_and_the_chain_does_not_know_it(devnet: Devnet, served: Served) -> None:
    """GTW-045, BDG-051: both sides sign, once; another's signature or session links nothing."""
    alice, mallory = await evm_person(served).create(), await evm_person(served).create()
    wallet, solana = evm_person(served), solana_person(served)
    give(devnet, wallet, 7)
    for who in (wallet, solana):
        prepared = await alice.post("/v1/private-links/prepare", {"key": who.body})
        proofs = [one.proof(asked) for one, asked in zip((alice, who), prepared["signatures"], strict=True)]
        signed = {"key": who.body, "nonce": prepared["nonce"], "proofs": proofs}
        await alice.finished(await alice.post("/v1/private-links", signed, 202))
        await alice.post("/v1/private-links", signed, 403)
        assert await served.gateway.client.passport_of(who.key) == (0, 0)
    assert [one.key for one in await people.linked(served.gateway, alice.passport)] == [
        wallet.key,
        solana.key,
    ]
    found = await alice.post("/v1/evaluations", {"policy": "discreet"})
    assert (found["outcome"], found["level"]) == ("granted", 1)
    granted = await alice.post("/v1/grants", {"policy": "discreet"}, 202)
    await alice.finished({"number": granted["job"]})
    (badge,) = await holdings.badges_of(served.gateway, alice.passport)
    said = await alice.post(f"/v1/badges/{badge.token_id}/re-executions")
    assert said["outcome"] == "granted", "its link is opened to those who re-execute (BDG-052)"
    shown = await alice.get(f"/v1/evidence/{granted['evidence']}/disclosure")
    assert [one["keyId"] for one in shown["links"]] == [
        f"0x{wallet.key.id.hex()}",
        f"0x{solana.key.id.hex()}",
    ]
    found = await alice.post("/v1/evaluations", {"policy": "wealthy"})
    assert found["outcome"] == "refused", "a published sum would tell what the private wallet holds (BDG-051)"

    other = evm_person(served)
    for signers in ((mallory, other), (alice, mallory)):
        prepared = await alice.post("/v1/private-links/prepare", {"key": other.body})
        proofs = [one.proof(asked) for one, asked in zip(signers, prepared["signatures"], strict=True)]
        signed = {"key": other.body, "nonce": prepared["nonce"], "proofs": proofs}
        assert (await alice.post("/v1/private-links", signed, 403))["code"] == "bad_signature"
    prepared = await alice.post("/v1/private-links/prepare", {"key": other.body})
    proofs = [one.proof(asked) for one, asked in zip((alice, other), prepared["signatures"], strict=True)]
    signed = {"key": other.body, "nonce": prepared["nonce"], "proofs": proofs}
    await mallory.post("/v1/private-links", signed, 403)
