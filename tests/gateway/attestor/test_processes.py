"""Members in processes of their own: killed, lying, deceived; k in shares, and rotated."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from click.testing import CliRunner
from tests.gateway.attestor.processes import MemberProcess, members_at
from tests.gateway.conftest import KEYS, Served, serving, settings_for
from tests.gateway.people import Person, evm_person
from tests.gateway.test_grants import ETHER, holds, policy
from tests.gateway.test_rotation import until_epoch
from tests.node.conftest import Devnet, devnet_at

from trex.badges.chain.contract import Grant, badges, grants_message, token_of
from trex.chain.dev.accounts import ACCOUNTS
from trex.gateway import holdings
from trex.gateway.attest import NoQuorumError, NotAttestedError, attest
from trex.gateway.attestations import opening_message
from trex.gateway.attestor.group import Group, base, read_group
from trex.gateway.attestor.judge import Shown
from trex.gateway.attestor.remote import RemoteAttestor, SharedKeyHolder
from trex.gateway.attestor.shares import Shares
from trex.gateway.calls import payload_of
from trex.gateway.keys import Secret, account_of
from trex.gateway.outbox import JobKind, job_of
from trex.gateway.reexecution import reexecute_sealed, shown_for
from trex.gateway.settings import MemberAddress, Settings
from trex.gateway.store.schema import jobs
from trex.node.cli import main
from trex.types.eip712 import Domain, TypedMessage
from trex.types.evm import checksum_address
from trex.types.primitives import Hash32
from trex.validators.onchain.source import EvmChain

GATEWAY = account_of(KEYS.relayer)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with devnet_at(tmp_path_factory.mktemp("attestors") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def members(alone: Devnet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[MemberProcess]]:
    with members_at(tmp_path_factory.mktemp("members"), alone, GATEWAY) as found:
        yield found


def settings_of(devnet: Devnet, folder: Path, members: list[MemberProcess]) -> Settings:
    made = folder / "policies"
    made.mkdir(exist_ok=True)
    (made / "wealthy.json").write_text(json.dumps(policy(f"Wealthy {folder.name}", holds("5"))))
    return settings_for(
        devnet,
        f"sqlite:///{folder / 'g.db'}",
        policies=made,
        chains={1962: EvmChain(1962, (devnet.url,), 1)},
        members=tuple(one.at for one in members),
    )


def share_key(folder: Path, devnet: Devnet, members: list[MemberProcess], name: str) -> Group:
    """As the operator does, from a shell."""
    for one in ("relayer", "sealing", "issuer"):
        file = folder / f"{one}.key"
        file.touch(0o600)
        secret = getattr(KEYS, one)
        assert isinstance(secret, Secret)
        file.write_text(secret.reveal().hex())
    config = [
        'public_url = "http://localhost"',
        f'rpc_url = "{devnet.url}"',
        *(
            f'[[attestors]]\naddress = "{checksum_address(one.address)}"\nurl = "{one.url}"'
            for one in members
        ),
        '[keys]\nrelayer = "relayer.key"\nattestors = []',
        'sealing = "sealing.key"\nissuer = "issuer.key"\n',
    ]
    (folder / "gateway.toml").write_text("\n".join(config))
    arguments = ["gateway", "share-key", "--config", str(folder / "gateway.toml"), str(folder / name)]
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == 0, told.output
    assert "2 of 3 members hold k" in told.stdout
    again = CliRunner().invoke(main, arguments)
    assert (again.exit_code, "is there already" in again.output) == (1, True)
    return read_group((folder / name).read_bytes())


async def pay(devnet: Devnet, who: Person) -> None:
    """By a transaction: who asks a past block finds it there too."""
    wanted = {"from": ACCOUNTS[3].address, "to": f"0x{who.key.data.hex()}", "value": hex(9 * ETHER)}
    sent = await asyncio.to_thread(devnet.call, "eth_sendTransaction", wanted)
    assert (await asyncio.to_thread(devnet.receipt, sent))["status"] == "0x1"


async def granted(served: Served, devnet: Devnet) -> tuple[Person, set[str]]:
    """A person with a badge, and who signed it."""
    who = await evm_person(served).create()
    await pay(devnet, who)
    await who.finished({"number": (await who.post("/v1/grants", {"policy": "wealthy"}, 202))["job"]})
    client = served.gateway.client
    (badge,) = await badges(
        client, [await token_of(client, served.gateway.offers["wealthy"].id, who.passport)]
    )
    in_force = await client.attestors()
    signers = {
        checksum_address(one) for place, one in enumerate(in_force.members) if badge.signers >> place & 1
    }
    return who, signers


async def test_members_in_processes_of_their_own(
    alone: Devnet, members: list[MemberProcess], tmp_path: Path
) -> None:
    """ATT-001, ATT-030 to ATT-032, ATT-040, ATT-042, GTW-085: from the ceremony to the rotation."""
    group = await asyncio.to_thread(share_key, tmp_path, alone, members, "k1.json")
    _nobody_has_k(group, members)
    first, second, third = members
    settings = settings_of(alone, tmp_path, members)
    keys = replace(KEYS, attestors=(), nullifier=group)
    async with serving(settings, keys=keys) as served:
        alice, signers = await granted(served, alone)
        assert signers == {checksum_address(one.address) for one in (first, second)}
        (mine,) = await served.gateway.client.nullifiers(alice.passport)

        first.kill()
        _, signers = await granted(served, alone)
        assert signers == {checksum_address(one.address) for one in (second, third)}

        second.kill()
        carol = await evm_person(served).create()
        await pay(alone, carol)
        refused = await carol.post("/v1/grants", {"policy": "wealthy"}, 503)
        assert (refused["code"], refused["detail"]) == ("unavailable", "too few attestors answer")
        await asyncio.to_thread(second.start)  # the gateway goes on meanwhile, in this very loop
        await carol.finished({"number": (await carol.post("/v1/grants", {"policy": "wealthy"}, 202))["job"]})
        await asyncio.to_thread(first.start)

    following = await asyncio.to_thread(share_key, tmp_path, alone, members, "k2.json")
    assert following.id != group.id
    _approve(members, opening_message(settings.contracts, 2))
    async with serving(settings, keys=replace(keys, next_nullifier=following)) as served:
        await until_epoch(served, 2)
        assert served.gateway.key_holder.fingerprint == following.id.hex()
        again = replace(alice, served=served)
        await again.sign_in()
        await again.finished({"number": (await again.post("/v1/grants", {"policy": "wealthy"}, 202))["job"]})
        assert [one.canonical for one in await served.gateway.client.nullifiers(alice.passport)] == [
            mine.canonical
        ], "the same name under another k"
        (badge,) = await holdings.badges_of(served.gateway, alice.passport)
        assert badge.state == "granted"


def _approve(members: list[MemberProcess], message: TypedMessage) -> None:
    """As each operator does, from a shell (ATT-023)."""
    for one in members:
        arguments = ["attestor", "approve", "--config", str(one.folder / "attestor.toml")]
        told = CliRunner().invoke(main, [*arguments, f"0x{message.digest().hex()}"])
        assert told.exit_code == 0, told.output


def _nobody_has_k(group: Group, members: list[MemberProcess]) -> None:
    """A share is not k, and is on one disk, sealed."""
    for one in members:
        secret = Secret(bytes.fromhex((one.folder / "member.key").read_text()))
        found = Shares(one.folder / "shares", secret).find(group.id)
        assert found is not None
        assert base(found[1]) == group.public_share(one.address)
        assert base(found[1]).format() != group.commitments[0]
        (file,) = (one.folder / "shares").iterdir()
        assert file.stat().st_mode & 0o077 == 0
        assert f"{found[1]:064x}" not in file.read_bytes().hex()
        other = Shares(one.folder / "shares", Secret(b"\x55" * 32))
        with pytest.raises(ValueError, match="not sealed here"):
            other.find(group.id)


async def test_members_see_for_themselves(
    alone: Devnet, members: list[MemberProcess], tmp_path: Path
) -> None:
    """ATT-020 to ATT-023, ATT-030: a stolen gateway gets no badge that its evidence does not give."""
    settings = settings_of(alone, tmp_path, members)
    async with serving(settings, keys=replace(KEYS, attestors=())) as served:
        gateway = served.gateway
        who, _ = await granted(served, alone)
        (badge,) = await holdings.badges_of(gateway, who.passport)
        assert (await reexecute_sealed(gateway, badge.token_id)).said.outcome == 1, "ATT-025"
        async with gateway.database.transaction() as tx:
            rows = await tx.execute(jobs.select().where(jobs.c.kind == JobKind.GRANT.value))
            job = [job_of(row) for row in rows][-1]
        (first,) = shown = await shown_for(gateway, [job])
        assert isinstance(first, Shown)
        told = {name: _revived(value) for name, value in job.payload.items()}
        _, now_s = await gateway.client.latest()
        honest = Grant(**(told | {"deadline": now_s + 3_600}))
        in_force = await gateway.client.attestors()

        async def signed(grant: Grant, rests_on: Any = shown) -> bytes:
            message = grants_message(gateway.client.contracts, [grant])
            return await attest(gateway.attestors, in_force, message, rests_on)

        assert payload_of(honest) == {**job.payload, "deadline": now_s + 3_600}
        assert len(await signed(honest)) == 2 * 65
        richer = orjson.loads(first.opened.document)
        richer["observations"][0]["value"] = "5000"
        lies = {
            "decision": (replace(honest, points=99), shown),
            "evidence_digest": (replace(honest, evidence=Hash32(b"\x01" * 32)), shown),
            "wallets": (replace(honest, passport=honest.passport + 1), shown),
            "validator_version": (replace(honest, validatorVersion=Hash32(b"\x01" * 32)), shown),
            "policy": (replace(honest, policy=Hash32(b"\x01" * 32)), shown),
            "deadline": (replace(honest, deadline=now_s + 86_400), shown),
            "attested_at": (replace(honest, attestedAt=now_s - 200_000), shown),
            "evidence": (honest, []),
        }
        for code, (grant, rests_on) in lies.items():
            with pytest.raises(NotAttestedError, match=f"{code}:"):
                await signed(grant, rests_on)

        domain = Domain("T-Rex Passport", 1962, gateway.client.contracts.passport)
        act = TypedMessage(domain, "RemoveKey", {"RemoveKey": (("uint256", "passport"),)}, {"passport": 1})
        with pytest.raises(NotAttestedError, match="unknown: the validator set does not sign RemoveKey"):
            await attest(gateway.attestors, in_force, act)

        opening = opening_message(gateway.client.contracts, 1 + await gateway.client.key_epoch())
        with pytest.raises(NoQuorumError, match="has not approved") as waits:
            await attest(gateway.attestors, in_force, opening)
        assert not isinstance(waits.value, NotAttestedError), "it goes on waiting"
        listed = CliRunner().invoke(
            main, ["attestor", "list", "--config", str(members[0].folder / "attestor.toml")]
        )
        assert f"0x{opening.digest().hex()} waits" in listed.stdout

        stranger = [RemoteAttestor(one, Secret(b"\x66" * 32), gateway.http) for one in settings.members]
        with pytest.raises(NotAttestedError, match="stranger"):
            await attest(stranger, in_force, grants_message(gateway.client.contracts, [honest]), shown)


def _revived(value: Any) -> Any:
    if isinstance(value, str):
        return Hash32(bytes.fromhex(value))
    return tuple(map(_revived, value)) if isinstance(value, list) else value


async def test_lying_member_is_found_out_and_the_others_asked(
    alone: Devnet, members: list[MemberProcess], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """ATT-003, ATT-040, ATT-041: its answers are its own share's or count for nothing."""
    group = await asyncio.to_thread(share_key, tmp_path, alone, members, "k.json")
    first, second, third = members

    async with aiohttp.ClientSession() as http:
        honest = [RemoteAttestor(one.at, KEYS.relayer, http) for one in members]
        wanted = await SharedKeyHolder(group, honest).prf("github", "1", "account/github")

        async def lie(request: web.Request) -> web.Response:
            """What another member says, as if it were its own."""
            asked = orjson.loads(await request.read())
            told = await honest[1].ask(request.path, asked)
            return web.Response(body=orjson.dumps(told))

        app = web.Application()
        app.router.add_post("/v1/{what}", lie)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            at = MemberAddress(first.address, f"http://127.0.0.1:{runner.addresses[0][1]}")
            liar = RemoteAttestor(at, KEYS.relayer, http)
            told = await SharedKeyHolder(group, [liar, *honest[1:]]).prf("github", "1", "account/github")
            assert told == wanted
            assert f"{checksum_address(first.address)}: an answer that is not of its share" in caplog.text
            with pytest.raises(NoQuorumError):
                await SharedKeyHolder(group, [liar, honest[1]]).prf("github", "2", "account/github")

            async with serving(
                settings_of(alone, tmp_path, members), keys=replace(KEYS, attestors=())
            ) as served:
                served.gateway.relayer.attestors = (liar, *honest[1:])
                _, signers = await granted(served, alone)
                assert signers == {checksum_address(one.address) for one in (second, third)}
            assert f"{checksum_address(first.address)}: a signature that is not its own" in caplog.text
        finally:
            await runner.cleanup()


async def test_points_asked_about_are_bounded(alone: Devnet, tmp_path: Path) -> None:
    """ATT-032: who steals a gateway's key cannot ask about everybody."""
    with members_at(tmp_path, alone, GATEWAY, "evaluations = [2, 0.001]") as bounded:
        group = await asyncio.to_thread(share_key, tmp_path, alone, bounded, "k.json")
        async with aiohttp.ClientSession() as http:
            holder = SharedKeyHolder(
                group, [RemoteAttestor(one.at, KEYS.relayer, http) for one in bounded[:2]]
            )
            names = [holder.prf("github", f"{number}", "account/github") for number in range(2)]
            assert len(set(await asyncio.gather(*names))) == 2
            assert await holder.prf("github", "1", "account/github"), "what is known is not asked again"
            with pytest.raises(NotAttestedError, match="too_many"):
                await holder.prf("github", "3", "account/github")
        assert [one.stop() for one in bounded] == [0, 0, 0]
