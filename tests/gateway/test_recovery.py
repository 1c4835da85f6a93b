"""Losing a wallet, having one stolen, moving one: by commands, through a gateway, over weeks."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import insert
from tests.gateway.conftest import Served, serving, settings_for
from tests.gateway.test_grants import holds, policy
from tests.node.conftest import Devnet, devnet_at

from trex.badges.chain.contract import BadgeState
from trex.gateway import holdings, people
from trex.gateway.nullify import nullifier_of
from trex.gateway.store.schema import recoveries
from trex.node.cli import main
from trex.passport.keys import Role
from trex.passport.texts import account_text
from trex.sdk.gateway import GatewayClient, PersonaGatewayError, SignedIn
from trex.sdk.wallets import EvmWallet, SolanaWallet
from trex.validators.onchain.source import EvmChain

DAY = 86_400
AHEAD_S = [0]
"""How far the devnet's clock, and the gateway's with it, is ahead of this machine's."""


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """A devnet whose clock runs ahead: no other test may share it."""
    with devnet_at(tmp_path_factory.mktemp("weeks") / "data") as running:
        yield running


@pytest.fixture
async def served(weeks: Devnet, tmp_path: Path) -> AsyncIterator[Served]:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "any.json").write_text(json.dumps(policy(f"Any {tmp_path.name}", holds("0"))))
    chains = {1962: EvmChain(1962, (weeks.url,), 1)}
    more = {"policies": folder, "chains": chains, "session_s": 1_000 * DAY}
    settings = settings_for(weeks, f"sqlite:///{tmp_path}/g.db", **more)
    async with serving(settings, clock=lambda: time.time() + AHEAD_S[0]) as running:
        yield running


def pass_days(devnet: Devnet, days: float) -> None:
    AHEAD_S[0] += int(days * DAY) + 1
    devnet.call("evm_increaseTime", int(days * DAY) + 1)
    devnet.call("evm_mine")


class Hand:
    """Types `trex passport` commands with one wallet's key."""

    def __init__(self, devnet: Devnet, served: Served) -> None:
        self.wallet = EvmWallet(secrets.token_bytes(32))
        self.env = {
            "TREX_L2": devnet.url,
            "TREX_GATEWAY": served.url,
            "TREX_KEY": self.wallet.private_key.hex(),
        }
        self.account = account_text(self.wallet.key)

    async def type(self, *arguments: str, expect: int = 0) -> Any:
        words = ["passport", *arguments, "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, main, words, env=self.env, prog_name="trex")
        assert result.exit_code == expect, (result.output, result.exception)
        return json.loads(result.stdout) if result.exit_code == 0 else result.output


async def guarded(devnet: Devnet, served: Served) -> tuple[Hand, list[Hand], SignedIn]:
    """Somebody with three guardians: two open a recovery, all three override a veto."""
    owner, guardians = Hand(devnet, served), [Hand(devnet, served) for _ in range(3)]
    signed_in = await GatewayClient(served.url, served.http).create(owner.wallet)
    number, accounts = str(signed_in.passport), [one.account for one in guardians]
    await owner.type("guardians", number, *accounts, "--quorum", "2", "--override", "3")
    assert "refuses" in await owner.type("execute", number, "guardians", expect=1)
    pass_days(devnet, 14)
    await owner.type("execute", number, "guardians")
    shown = await owner.type("show", number)
    assert len(shown["guardians"]["keyIds"]) == 3
    return owner, guardians, signed_in


async def test_lost_wallet_is_replaced_by_guardians_and_badges_stay(weeks: Devnet, served: Served) -> None:
    """GTW-070, PAS-022, PAS-023, PAS-025."""
    _, guardians, owner = await guarded(weeks, served)
    client, number = GatewayClient(served.url, served.http), str(owner.passport)
    await client.done(owner, (await client.grant(owner, "any")).job)
    new = Hand(weeks, served)
    asked = await new.type("recover", number)
    assert (asked["needed"], asked["approved"]) == (2, 0)
    assert "forbidden" in await new.type("approve", number, "--yes", expect=1)
    first = await guardians[0].type("approve", number, "--yes")
    assert (first["approved"], first["job"]) == (1, None)
    assert (await guardians[0].type("approve", number, "--yes"))["approved"] == 1, "one guardian counts once"
    assert (await guardians[2].type("approve", number, "--yes"))["job"] is not None
    assert "refuses" in await new.type("execute", number, "recovery", expect=1)
    pass_days(weeks, 7)
    await new.type("execute", number, "recovery")
    shown = await new.type("show", number)
    assert [(one["account"], one["role"]) for one in shown["keys"]] == [(new.account, "acting")]
    assert (shown["generation"], shown["pending"]["recovery"]) == (2, None)
    (badge,) = await holdings.badges_of(served.gateway, owner.passport)
    assert badge.state is BadgeState.GRANTED


async def test_thief_who_vetoes_loses_to_the_override_quorum(weeks: Devnet, served: Served) -> None:
    """PAS-024, PAS-026: with the only key in hand, a thief stops the first try and not the second."""
    thief, guardians, owner = await guarded(weeks, served)
    number, new = str(owner.passport), Hand(weeks, served)
    await new.type("recover", number)
    for guardian in guardians[:2]:
        await guardian.type("approve", number, "--yes")
    await thief.type("veto", number, "recovery")
    pass_days(weeks, 7)
    assert "refuses" in await new.type("execute", number, "recovery", expect=1)
    assert "forbidden" in await new.type("propose", number, "confirm", expect=1)
    assert (await guardians[0].type("propose", number, "confirm"))["needed"] == 3
    approved = [await guardian.type("approve", number, "--yes") for guardian in guardians]
    assert approved[-1]["job"] is not None
    assert "Passport_VetoOver" in await thief.type("veto", number, "recovery", expect=1)
    mine = await thief.type("guardians", number, thief.account, "--quorum", "1")
    assert mine["guardians"] == 1
    pass_days(weeks, 14)
    assert "Passport_RecoveryOpen" in await thief.type("execute", number, "guardians", expect=1)
    pass_days(weeks, 7)
    await guardians[1].type("execute", number, "recovery")
    shown = await new.type("show", number)
    assert [one["account"] for one in shown["keys"]] == [new.account]
    assert shown["pending"]["guardians"] is None
    assert (await served.gateway.client.passport_of(thief.wallet.key)) == (0, Role.NONE)


async def test_guardians_withdraw_and_stop_other_guardians(weeks: Devnet, served: Served) -> None:
    """PAS-021, PAS-027."""
    owner, guardians, signed_in = await guarded(weeks, served)
    number, new = str(signed_in.passport), Hand(weeks, served)
    await new.type("recover", number)
    for guardian in guardians[:2]:
        await guardian.type("approve", number, "--yes")
    await guardians[0].type("propose", number, "withdraw")
    for guardian in guardians[1:]:
        await guardian.type("approve", number, "--yes")
    assert (await owner.type("show", number))["pending"]["recovery"] is None
    await owner.type("guardians", number, owner.account, "--quorum", "1")
    await guardians[0].type("propose", number, "veto-guardians")
    for guardian in guardians[:2]:
        await guardian.type("approve", number, "--yes")
    assert (await owner.type("show", number))["pending"]["guardians"] is None


async def test_approvals_are_of_this_passport_and_signed(weeks: Devnet, served: Served) -> None:
    """PAS-027: a signature for one passport's recovery opens no other's; nobody signs a list blindly."""
    _, guardians, first = await guarded(weeks, served)
    client = GatewayClient(served.url, served.http)
    new = await client.sign_in(EvmWallet(secrets.token_bytes(32)))
    asked = await client.recover(new, first.passport)
    guardian = await client.sign_in(guardians[0].wallet)
    with pytest.raises(PersonaGatewayError, match="untrusted"):
        await client.approve(guardian, {**asked, "passport": first.passport + 1})
    with pytest.raises(PersonaGatewayError, match="untrusted"):
        await client.approve(guardian, {**asked, "newKey": {"kind": "evm", "data": "0x" + "11" * 20}})
    path, forged = f"/v1/recoveries/{asked['number']}/approvals", {"signature": "0x" + "11" * 65}
    with pytest.raises(PersonaGatewayError, match="bad_signature"):
        await client.ask("POST", path, {"proof": forged}, who=guardian)
    body = {"passport": first.passport, "purpose": "open", "deadlineS": 2**40, "proof": forged}
    with pytest.raises(PersonaGatewayError, match="bad_signature"):
        await client.ask("POST", "/v1/recoveries", body, who=new)


async def test_flood_of_asks_hides_nobody(weeks: Devnet, served: Served) -> None:
    """GTW-071: strangers ask for forty keys first; guardians find the one that the person told them."""
    _, guardians, owner = await guarded(weeks, served)
    gateway, number = served.gateway, str(owner.passport)
    state = await gateway.client.state(owner.passport)
    assert state is not None
    strangers = [{"kind": 1, "data": secrets.token_bytes(20).hex()} for _ in range(40)]
    async with gateway.database.transaction() as tx:
        for key in strangers:
            row = {"passport": owner.passport, "purpose": 1, "round": state.round, "proof": ""}
            row |= {"new_key": json.dumps(key, separators=(",", ":")), "deadline_s": 2**40}
            await tx.execute(insert(recoveries).values(**row))
    new, client = Hand(weeks, served), GatewayClient(served.url, served.http)
    asked = await new.type("recover", number)
    assert (await new.type("recover", number))["number"] == asked["number"], "asking again is the same ask"
    guardian = await client.sign_in(guardians[0].wallet)
    pages = [
        await client.ask("GET", f"/v1/recoveries?passport={number}&page={page}", who=guardian)
        for page in range(4)
    ]
    assert [len(one) for one in pages] == [20, 20, 1, 0]
    assert len({one["number"] for page in pages for one in page}) == 41
    refused = await guardians[0].type("approve", number, "--yes", expect=1)
    assert "name the person's by --for" in refused
    assert "nothing is asked" in await guardians[0].type(
        "approve", number, "--yes", "--for", guardians[1].account, expect=1
    )
    await guardians[0].type("approve", number, "--yes", "--for", new.account)
    listed = await client.recoveries(guardian, owner.passport)
    assert (listed[0]["number"], listed[0]["approved"]) == (asked["number"], 1), "approved ones come first"
    done = await guardians[1].type("approve", number, "--yes", "--for", new.account)
    assert done["job"] is not None


async def test_solana_guardian_approves_by_text(weeks: Devnet, served: Served) -> None:
    client = GatewayClient(served.url, served.http)
    owner = await client.create(EvmWallet(secrets.token_bytes(32)))
    guardian = SolanaWallet(secrets.token_bytes(32))
    act = {
        "act": "guardians",
        "passport": owner.passport,
        "actor": {"kind": "evm", "data": f"0x{owner.wallet.key.data.hex()}"},
        "keyIds": [f"0x{guardian.key.id.hex()}"],
        "quorum": 1,
        "overrideQuorum": 1,
    }
    await client.done(owner, await client.act(owner, act, [owner.wallet]))
    pass_days(weeks, 14)
    signed_in = await client.sign_in(guardian)
    await client.done(signed_in, await client.execute(signed_in, owner.passport, "guardians"))
    new = await client.sign_in(SolanaWallet(secrets.token_bytes(32)))
    asked = await client.recover(new, owner.passport)
    found = await client.approve(signed_in, asked)
    await client.done(signed_in, found["job"])
    state = await served.gateway.client.state(owner.passport)
    assert state is not None
    assert state.recovery_key_id == new.wallet.key.id


async def test_wallet_moves_to_another_passport_and_counts_there_alone(weeks: Devnet, served: Served) -> None:
    """GTW-047, PAS-010, PAS-042, PAS-043, BDG-021: begun, completed after 45 days; the old badge sleeps."""
    client, wallet = GatewayClient(served.url, served.http), EvmWallet(secrets.token_bytes(32))
    alice = await client.create(EvmWallet(secrets.token_bytes(32)))
    await client.link(alice, wallet)
    await client.done(alice, (await client.grant(alice, "any")).job)
    gateway = served.gateway
    async with gateway.database.transaction() as tx:
        account = people.account_of_key(wallet.key)
        place = (account.platform, account.id, account.scope)
        nullifier = await nullifier_of(tx, gateway.key_holder, gateway.sealer, *place)
    assert await gateway.client.holder_of(nullifier) == alice.passport
    mine = {"kind": "evm", "data": f"0x{alice.wallet.key.data.hex()}"}
    remove = {"act": "remove", "passport": alice.passport, "actor": mine, "keyId": f"0x{wallet.key.id.hex()}"}
    await client.done(alice, await client.act(alice, remove, [alice.wallet]))

    bob = Hand(weeks, served)
    signed_in = await client.create(bob.wallet)
    with pytest.raises(PersonaGatewayError, match="Passport_KeyCooling"):
        await client.link(signed_in, wallet)
    address = account_text(wallet.key)
    assert "forbidden" in await bob.type("move", address, expect=1)
    pass_days(weeks, 45)
    await client.link(signed_in, wallet)
    assert (await bob.type("move", address))["moving"] is True
    assert "can be completed from" in await bob.type("move", address, expect=1)
    assert await gateway.client.holder_of(nullifier) == alice.passport
    pass_days(weeks, 45)
    assert (await bob.type("move", address))["moving"] is False
    assert await gateway.client.holder_of(nullifier) == signed_in.passport
    (badge,) = await holdings.badges_of(gateway, alice.passport)
    assert badge.state is BadgeState.SUSPENDED
