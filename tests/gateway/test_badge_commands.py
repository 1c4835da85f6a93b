"""`trex badge publish|grant|verify|re-execute|disclose` beside a devnet and a gateway, typed by outsiders."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.gateway.conftest import KEYS, Served, serving, settings_for
from tests.gateway.test_grants import ETHER, holds, policy, stars
from tests.gateway.test_run import plain_config
from tests.node.conftest import Devnet
from tests.validators.zktls.attestor import ADDRESS as ATTESTOR
from tests.validators.zktls.attestor import claim

from trex.badges.chain.contract import badges
from trex.badges.chain.quarantine import every_badge
from trex.badges.chain.verify import case_of
from trex.chain.dev.accounts import ACCOUNTS
from trex.gateway import holdings, outbox, people
from trex.gateway.attest import LocalAttestor
from trex.gateway.outbox import JobKind
from trex.gateway.people import AccountOf
from trex.node.cli import main
from trex.sdk.gateway import GatewayClient, PersonaGatewayError, SignedIn, require_asked
from trex.sdk.wallets import EvmWallet, SolanaWallet
from trex.types.evm import read_address
from trex.types.primitives import Address, Hash32
from trex.validators.onchain.source import EvmChain


@pytest.fixture
async def open_gateway(devnet: Devnet, tmp_path: Path) -> AsyncIterator[Served]:
    settings = settings_for(
        devnet,
        f"sqlite:///{tmp_path}/g.db",
        chains={1962: EvmChain(1962, (devnet.url,), 1)},
        publishers=(read_address(ACCOUNTS[0].address),),
        trusted_attestors=(ATTESTOR,),
    )
    async with serving(settings) as running:
        yield running


class Outsider:
    """Types commands beside a gateway that runs in this process."""

    def __init__(self, devnet: Devnet, served: Served, folder: Path) -> None:
        self.devnet, self.served, self.folder = devnet, served, folder
        self.client = GatewayClient(served.url, served.http)

    async def type(self, *arguments: str, key: bytes | None = None) -> tuple[int, Any]:
        """Exit code and answer: JSON where it is, else the words."""
        env = {"TREX_L2": self.devnet.url, "TREX_GATEWAY": self.served.url}
        env |= {"TREX_KEY": key.hex()} if key else {}
        words = ["badge", *arguments]
        result = await asyncio.to_thread(CliRunner().invoke, main, words, env=env, prog_name="trex")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        try:
            return result.exit_code, json.loads(result.stdout)
        except json.JSONDecodeError:
            return result.exit_code, result.output

    def file(self, document: Any) -> str:
        path = self.folder / f"{secrets.token_hex(4)}.json"
        path.write_text(json.dumps(document))
        return str(path)

    def read(self, path: str) -> Any:
        return json.loads(Path(path).read_text())

    @property
    def config(self) -> str:
        """The gateway's file, as its operator has it."""
        database = self.served.gateway.settings.database
        more = f'database = "{database}"'
        file = self.folder / "gateway.toml"
        file.write_text(plain_config(self.folder, self.devnet, more))
        return str(file)

    async def publish(self, document: Any, *more: str) -> dict[str, Any]:
        code, found = await self.type("publish", self.file(document), "--account", "0", "--json", *more)
        assert code == 0, found
        assert isinstance(found, dict)
        return found

    async def person(self, ether: int = 0) -> SignedIn:
        who = await self.client.create(EvmWallet(secrets.token_bytes(32)))
        self.give(who, ether)
        return who

    def give(self, who: SignedIn, ether: int) -> None:
        self.devnet.call("anvil_setBalance", f"0x{who.wallet.key.data.hex()}", hex(ether * ETHER))
        self.devnet.call("evm_mine")  # what is overwritten is the next block's state, not the last one's

    async def badge(self, slug: str, who: SignedIn) -> int:
        assert isinstance(who.wallet, EvmWallet)
        code, found = await self.type("grant", slug, "--json", key=who.wallet.private_key)
        assert code == 0, found
        return int(found["tokenId"])


@pytest.fixture
def outsider(devnet: Devnet, open_gateway: Served, tmp_path: Path) -> Outsider:
    return Outsider(devnet, open_gateway, tmp_path)


def wealthy(folder: Path) -> dict[str, Any]:
    found = policy(f"Wealthy {folder.name} {secrets.token_hex(4)}", holds("5"), expiryS=3600)
    found["levels"].append({"level": 2, "name": "Two", "points": 20, "when": holds("50")})
    return found


def outcomes(answer: Any) -> dict[str, str]:
    return {step["code"]: step["outcome"] for step in answer["steps"]}


async def test_from_a_file_to_a_badge_that_anyone_verifies_and_re_executes(
    devnet: Devnet, outsider: Outsider
) -> None:
    """GTW-046, BDG-050 to BDG-055: the account's money goes, the badge still follows from its block."""
    document = wealthy(outsider.folder)
    published = await outsider.publish(document)
    assert published["transaction"]
    assert published["slug"] == published["id"][2:]
    assert (await outsider.publish(document)) == {**published, "transaction": ""}
    alice = await outsider.person(3)
    assert isinstance(alice.wallet, EvmWallet)
    code, refused = await outsider.type("grant", published["slug"], "--json", key=alice.wallet.private_key)
    assert (code, refused["outcome"]) == (1, "refused")
    outsider.give(alice, 6)
    token = await outsider.badge(published["slug"], alice)

    code, found = await outsider.type("verify", str(token), "--json")
    assert code == 0, found
    assert set(outcomes(found)) == {"state", "policy", "document", "attestation", "evidence_digest"}
    assert (found["badge"]["level"], found["badge"]["threshold"]) == (1, 2)
    assert set(found["badge"]["signers"]) < {ACCOUNTS[place].address for place in (7, 8, 9)}
    code, words = await outsider.type("verify", str(token))
    assert code == 0
    assert "yes attestation: 2 of set 1 signed, 2 needed [BDG-010]" in words

    devnet.call("anvil_setBalance", f"0x{alice.wallet.key.data.hex()}", "0x0")
    code, found = await outsider.type("re-execute", str(token), "--json")
    assert code == 0, found
    assert set(outcomes(found)) == {
        *("policy", "evidence_digest", "time", "wallets", "token.balance", "decision")
    }
    code, found = await outsider.type("verify", str(token), "--gateway", "", "--json")
    assert (code, outcomes(found)["document"], outcomes(found)["attestation"]) == (3, "undecided", "granted")
    code, found = await outsider.type("verify", str(10**9), "--json")
    assert code == 1
    assert "there is no badge" in found


async def test_what_was_signed_against_the_evidence_is_seen_by_re_execution(outsider: Outsider) -> None:
    """BDG-052: a quorum that grants more than follows verifies, and does not re-execute."""
    document = wealthy(outsider.folder)
    published = await outsider.publish(document)
    alice = await outsider.person(6)
    token = await outsider.badge(published["slug"], alice)
    gateway = outsider.served.gateway
    (honest,) = await badges(gateway.client, [token])
    await _later(gateway, honest.attested_s)
    _, now = await gateway.client.latest()
    nullifier = (await people.linked(gateway, alice.passport))[0].nullifier
    fields = {"passport": alice.passport, "policy": honest.policy.hex(), "evidence": honest.evidence.hex()}
    async with gateway.database.transaction() as tx:
        job = await outbox.enqueue(
            tx,
            JobKind.GRANT,
            {
                **fields,
                "nullifiers": [nullifier.hex()],
                "validatorVersion": honest.validator_version.hex(),
                "attestedAt": now,
                "expiresAt": honest.expires_s,
                "deadline": 0,
                "level": 2,
                "points": 20,
                "evidenceClass": 1,
            },
            passport=alice.passport,
            owner=alice.wallet.key.id,
            now_s=gateway.now_s,
        )
    await outsider.client.done(alice, job)
    code, found = await outsider.type("verify", str(token), "--json")
    assert (code, found["badge"]["level"]) == (0, 2)
    code, found = await outsider.type("re-execute", str(token), "--json")
    assert (code, outcomes(found)["decision"]) == (1, "refused")
    assert outcomes(found)["token.balance"] == "granted"
    code, found = await outsider.type("re-execute", str(token), "--quorum", "--json")
    assert (code, outcomes(found)) == (1, {"quorum": "refused"})
    other = outsider.file({**document, "name": "Another"})
    code, found = await outsider.type("re-execute", str(token), "--policy", other, "--json")
    assert (code, outcomes(found)["policy"]) == (1, "refused")
    code, found = await outsider.type("verify", str(token), "--policy", other, "--json")
    assert (code, outcomes(found)["document"]) == (1, "refused")


async def _later(gateway: Any, than_s: int) -> None:
    """Wait for a block of a later second."""
    for _ in range(3_600):
        if (await gateway.client.latest())[1] > than_s:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("no later block")


async def test_private_evidence_is_shown_by_its_holder_or_re_executed_by_the_quorum(
    outsider: Outsider,
) -> None:
    """BDG-053, BDG-054: claims are judged anew; another's disclosure opens nothing."""
    name = f"Starred {outsider.folder.name} {secrets.token_hex(4)}"
    published = await outsider.publish(policy(name, stars(), "private"))
    gateway = outsider.served.gateway

    async def starred(handle: str, number: str) -> tuple[SignedIn, int]:
        who = await outsider.person()
        async with gateway.database.transaction() as tx:
            await people.remember(tx, gateway, who.passport, AccountOf("github", number, handle))
        asked = {"provider": "github-stars"}
        message = (await outsider.client.ask("POST", "/v1/claims/messages", asked, who=who))["message"]
        proof = claim(message=message, timestamp_s=gateway.now_s)
        await outsider.client.ask(
            "POST", "/v1/claims", {**asked, "message": message, "proof": proof}, who=who
        )
        return who, await outsider.badge(published["slug"], who)

    alice, token = await starred("octo", "583231")
    assert isinstance(alice.wallet, EvmWallet)
    code, found = await outsider.type("re-execute", str(token), "--json")
    assert (code, outcomes(found)) == (3, {"evidence_digest": "undecided"})
    shown = str(outsider.folder / "shown.json")
    code, _ = await outsider.type("disclose", str(token), shown, key=alice.wallet.private_key)
    assert code == 0
    again = ("re-execute", str(token), "--disclosure", shown, "--json")
    code, found = await outsider.type(*again, "--trust", f"0x{ATTESTOR.hex()}")
    assert (code, outcomes(found)["zktls.level"]) == (0, "granted"), found
    code, found = await outsider.type(*again)
    assert (code, outcomes(found)["zktls.level"]) == (1, "refused"), "nobody trusts that attestor"
    told = outsider.read(shown)
    hidden = outsider.file({**told, "claims": []})
    code, found = await outsider.type("re-execute", str(token), "--disclosure", hidden, "--json")
    assert (code, outcomes(found)["zktls.level"]) == (3, "undecided")
    forged = outsider.file({**told, "document": told["document"].replace('"4"', '"5"')})
    code, found = await outsider.type("re-execute", str(token), "--disclosure", forged, "--json")
    assert (code, outcomes(found)["evidence_digest"]) == (1, "refused")

    code, found = await outsider.type("re-execute", str(token), "--quorum", "--json")
    assert (code, outcomes(found)) == (0, {"quorum": "granted"}), found
    assert "octo" not in json.dumps(found)
    bob = await outsider.person()
    assert isinstance(bob.wallet, EvmWallet)
    code, words = await outsider.type("disclose", str(token), shown, key=bob.wallet.private_key)
    assert code == 1
    assert "not_found" in words


async def test_a_stolen_attestor_key_quarantines_what_it_signed_and_nothing_else(outsider: Outsider) -> None:
    """BDG-031, BDG-032: every badge by its own signers; the gateway renews without the stolen key."""
    published = await outsider.publish(wealthy(outsider.folder))
    gateway, slug = outsider.served.gateway, published["slug"]
    held: dict[int, tuple[SignedIn, set[Address]]] = {}
    for left_out in (0, 1, 2, 1):
        gateway.relayer.attestors = tuple(
            LocalAttestor(one) for place, one in enumerate(KEYS.attestors) if place != left_out
        )
        who = await outsider.person(6)
        token = await outsider.badge(slug, who)
        held[token] = (who, {one.address for one in gateway.relayer.attestors})
    gateway.relayer.attestors = tuple(map(LocalAttestor, KEYS.attestors))
    stolen = LocalAttestor(KEYS.attestors[0]).address
    since_s = min(one.recorded_s for one in await badges(gateway.client, list(held)))
    subject = ("--attestor", f"0x{stolen.hex()}", "--since", str(since_s), "--reason", "its key was stolen")
    code, found = await outsider.type("quarantine", "open", *subject, "--account", "1")
    assert (code, await gateway.client.cases()) == (1, []), (
        "the steward, account 6, alone needs no signatures"
    )
    code, found = await outsider.type("quarantine", "open", *subject, "--account", "6", "--json")
    assert code == 0, found
    number = await _until_cases(outsider, 1)
    for token, (_, signers) in held.items():
        code, found = await outsider.type("verify", str(token), "--json")
        touched = stolen in signers
        assert (code, outcomes(found)["state"]) == ((1, "refused") if touched else (0, "granted"))
        assert {read_address(one) for one in found["badge"]["signers"]} == signers
    mine = {token for token, (_, signers) in held.items() if stolen in signers}
    assert len(mine) == 3
    assert await _touched(outsider, number) & held.keys() == mine
    assert await _touched(outsider, number) == await _under(outsider, number), (
        "to the last badge of the chain"
    )
    token, (who, _) = next(one for one in held.items() if stolen in one[1][1])
    (before,) = await badges(gateway.client, [token])
    await _later(gateway, before.attested_s)
    assert await outsider.badge(slug, who) == token
    code, found = await outsider.type("verify", str(token), "--json")
    assert code == 0
    assert stolen not in {read_address(one) for one in found["badge"]["signers"]}
    (held_now,) = await holdings.badges_of(gateway, who.passport)
    assert held_now.state == "granted"
    assert await _touched(outsider, number) & held.keys() == mine - {token}

    words = ("quarantine", "close", str(number), "--config", outsider.config, "--reason", "it was not")
    code, found = await outsider.type(*words, "--json")
    assert code == 0, found
    await _until_cases(outsider, 0)
    for token in held:
        assert (await outsider.type("verify", str(token), "--json"))[0] == 0


async def test_a_faulty_version_quarantines_what_it_decided_and_nothing_else(outsider: Outsider) -> None:
    """BDG-030, BDG-031, BDG-033: opened and closed by attestation, the accused's signature not among them."""
    gateway = outsider.served.gateway
    faulty = Hash32(secrets.token_bytes(32))
    published = await outsider.publish(wealthy(outsider.folder))
    honest = await outsider.badge(published["slug"], await outsider.person(6))
    await _until_decided_by(outsider, honest, faulty)
    other = await outsider.badge(published["slug"], await outsider.person(6))
    by_config = ("--config", outsider.config, "--reason", "it rounds up")
    code, found = await outsider.type(
        *("quarantine", "open", "--version", f"0x{faulty.hex()}", "--since", "2020-01-01T00:00:00Z"),
        *by_config,
    )
    assert code == 0, found
    number = await _until_cases(outsider, 1)
    assert await _touched(outsider, number) == {honest} == await _under(outsider, number)
    assert (await outsider.type("verify", str(other), "--json"))[0] == 0
    code, words = await outsider.type("quarantine", "list")
    assert code == 0
    assert f"case {number}: version 0x{faulty.hex()}, from 1577836800 for ever" in words
    assert f"touches 1 badges: {honest}" in words
    assert (await outsider.type("quarantine", "close", str(number), *by_config))[0] == 0
    await _until_cases(outsider, 0)
    assert (await outsider.type("quarantine", "list"))[1].strip() == "no case is open"
    assert (await badges(gateway.client, [honest]))[0].state == "granted"

    accused = f"0x{LocalAttestor(KEYS.attestors[1]).address.hex()}"
    words = ("quarantine", "open", "--attestor", accused, "--since", "1", "--until", "2", *by_config)
    assert (await outsider.type(*words))[0] == 0
    number = await _until_cases(outsider, 1)
    assert await _touched(outsider, number) == set()
    assert (await outsider.type("quarantine", "close", str(number), *by_config))[0] == 0
    await _until_cases(outsider, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--since", "1"),
        ("--since", "1", "--attestor", "0x12", "--account", "6"),
        ("--since", "1", "--version", "0x12", "--account", "6"),
        ("--since", "2026-01-01", "--version", "0x" + "11" * 32, "--account", "6"),
        ("--since", "soon", "--version", "0x" + "11" * 32, "--account", "6"),
    ],
)
def test_quarantine_open_refuses(wrong: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, ["badge", "quarantine", "open", "--reason", "none", *wrong])
    assert told.exit_code == 2, told.output


async def _until_decided_by(outsider: Outsider, token: int, version: Hash32) -> None:
    """Renew a badge as another version of the code would."""
    gateway = outsider.served.gateway
    (badge,) = await badges(gateway.client, [token])
    await _later(gateway, badge.attested_s)
    _, now = await gateway.client.latest()
    known = await people.linked(gateway, badge.passport)
    async with gateway.database.transaction() as tx:
        renewed = {
            "passport": badge.passport,
            "policy": badge.policy.hex(),
            "nullifiers": [one.nullifier.hex() for one in known],
            "evidence": badge.evidence.hex(),
            "validatorVersion": version.hex(),
            "attestedAt": now,
            "expiresAt": badge.expires_s,
            "deadline": 0,
            "level": badge.level,
            "points": badge.points,
            "evidenceClass": 1,
        }
        await outbox.enqueue(
            tx,
            JobKind.GRANT,
            renewed,
            passport=badge.passport,
            owner=Hash32(bytes(32)),
            now_s=gateway.now_s,
        )
    for _ in range(3_600):
        if (await badges(gateway.client, [token]))[0].validator_version == version:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("not renewed")


async def _until_cases(outsider: Outsider, count: int) -> int:
    """Wait until so many cases are open; return the number of the newest, 0 for none."""
    for _ in range(3_600):
        there = await outsider.served.gateway.client.cases()
        if len(there) == count:
            return max((one.number for one in there), default=0)
        await asyncio.sleep(0.1)
    raise AssertionError(f"not {count} cases")


async def _touched(outsider: Outsider, number: int) -> set[int]:
    code, found = await outsider.type("quarantine", "list", "--json")
    assert code == 0, found
    (case,) = [one for one in found if one["case"] == number]
    return {one["tokenId"] for one in case["badges"]}


async def _under(outsider: Outsider, number: int) -> set[int]:
    """Every badge of the chain of which the badge contract says that the case touches it."""
    client = outsider.served.gateway.client
    return {one.token_id for one in await every_badge(client) if await case_of(client, one) == number}


async def test_policies_of_strangers_are_not_granted_under(outsider: Outsider) -> None:
    """GTW-046: a publisher names its badges' points, so the operator names the publishers."""
    document = outsider.file(wealthy(outsider.folder))
    code, words = await outsider.type("publish", document, "--account", "1")
    assert code == 1
    assert "forbidden" in words
    gateway = outsider.served.gateway
    unpublished = json.dumps(wealthy(outsider.folder)).encode()
    with pytest.raises(PersonaGatewayError, match="on the chain first"):
        await outsider.client.take_policy(read_address(ACCOUNTS[0].address), unpublished)
    with pytest.raises(PersonaGatewayError, match="not a policy"):
        await outsider.client.take_policy(read_address(ACCOUNTS[0].address), b"{}")
    assert not gateway.offers


async def test_taken_policies_are_there_after_a_restart(devnet: Devnet, outsider: Outsider) -> None:
    published = await outsider.publish(wealthy(outsider.folder))
    async with serving(outsider.served.gateway.settings) as again:
        assert [one["slug"] for one in await again.get("/v1/policies")] == [published["slug"]]


async def test_solana_wallet_links_through_the_client(outsider: Outsider) -> None:
    alice = await outsider.person()
    await outsider.client.link(alice, SolanaWallet(secrets.token_bytes(32)))
    found = await outsider.client.ask("GET", f"/v1/passports/{alice.passport}")
    assert [one["role"] for one in found["keys"]] == ["acting", "linked"]


def test_client_signs_no_other_act_than_was_asked() -> None:
    """A gateway may ask for what it likes; wallets sign what their owner wants."""
    at = "0x06fab5a4e177fefe5cc15dc41c64ba933021418a"
    good = {
        "primaryType": "SetPayout",
        "domain": {"chainId": "1962", "verifyingContract": at},
        "message": {"passport": "7"},
    }
    act = {"act": "payout", "passport": 7}
    require_asked(act, [good])
    elsewhere = {"chainId": "1962", "verifyingContract": "0x" + "11" * 20}
    for bad in (
        {**good, "primaryType": "RemoveKey"},
        {**good, "domain": elsewhere},
        {**good, "message": {"passport": "8"}},
    ):
        with pytest.raises(PersonaGatewayError, match="untrusted"):
            require_asked(act, [bad])


async def test_client_signs_in_to_no_other_site(served: Served) -> None:
    gateway = served.gateway
    gateway.settings = replace(gateway.settings, public_url="https://bank.example")
    with pytest.raises(PersonaGatewayError, match="untrusted"):
        await GatewayClient(served.url, served.http).sign_in(EvmWallet(b"\x07" * 32))
