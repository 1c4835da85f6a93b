"""Operations without gas of one's own: the real EntryPoint v0.8, paymaster, delegation by EIP-7702."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from tests.gateway.conftest import Served, serving, settings_for
from tests.gateway.contract_wallets import deploy_delegate, send
from tests.gateway.test_grants import ETHER, holds, policy
from tests.node.conftest import Devnet

from trex.gateway.operations import PAYMASTER
from trex.passport.contracts import Method
from trex.points import ledger
from trex.sdk.gateway import GatewayClient, PersonaGatewayError, SignedIn
from trex.sdk.wallets import EvmWallet

CREATE = Method("create", ("uint128", "uint128", "uint128"), ("uint256",))
EXECUTE = Method("execute", ("address", "uint256", "bytes"))
RECEIVER = "0x" + "5e" * 20
PER_OPERATION = ETHER // 100


@pytest.fixture(scope="module")
def delegate(devnet: Devnet) -> str:
    """The account contract that people delegate to."""
    return deploy_delegate(devnet)


def sponsorship(devnet: Devnet, per_passport: int = PER_OPERATION, per_day: int = ETHER) -> int:
    """A new one, funded with one ether."""
    call = CREATE.call(PER_OPERATION, per_passport, per_day)
    send(devnet, f"0x{PAYMASTER.hex()}", f"0x{call.hex()}", ETHER)
    count = devnet.call(
        "eth_call",
        {"to": f"0x{PAYMASTER.hex()}", "data": f"0x{Method('sponsorshipCount', ()).call().hex()}"},
        "latest",
    )
    return int(count, 16)


@pytest.fixture
async def served(devnet: Devnet, tmp_path: Path) -> AsyncIterator[Served]:
    folder = tmp_path / "policies"
    folder.mkdir()
    when = {"time": {"fromS": 1}}
    document = policy(f"Any {tmp_path.name}", {"any": [when, holds("0")]})
    (folder / "any.json").write_text(json.dumps(document))
    more = {"policies": folder, "sponsorship": sponsorship(devnet)}
    async with serving(settings_for(devnet, f"sqlite:///{tmp_path}/g.db", **more)) as running:
        yield running


async def person(served: Served) -> tuple[GatewayClient, SignedIn]:
    """Somebody with a passport, a badge, and not one wei."""
    client = GatewayClient(served.url, served.http)
    who = await client.create(EvmWallet(secrets.token_bytes(32)))
    await client.done(who, (await client.grant(who, "any")).job)
    for _ in range(600):  # the relayer has its points counted afterwards, at its own cost
        if await ledger.total_of(served.gateway.client, who.passport):
            return client, who
        await asyncio.sleep(0.05)
    raise AssertionError("the points are not counted")


def signed_operation(who: SignedIn, prepared: dict[str, Any], delegate: str | None) -> dict[str, Any]:
    assert isinstance(who.wallet, EvmWallet)
    signature = PrivateKey(who.wallet.private_key).sign_msg_hash(bytes.fromhex(prepared["hash"][2:]))
    raw = signature.r.to_bytes(32) + signature.s.to_bytes(32) + bytes([27 + signature.v])
    body: dict[str, Any] = {"operation": prepared["operation"], "signature": f"0x{raw.hex()}"}
    if delegate:
        told = {"chainId": 1962, "address": delegate, "nonce": 0}
        word = Account.sign_authorization(told, who.wallet.private_key)
        signed = {"yParity": word.y_parity, "r": hex(word.r), "s": hex(word.s)}
        body["authorization"] = {**told, **signed}
    return body


def balance(devnet: Devnet, address: str) -> int:
    return int(devnet.call("eth_getBalance", address, "latest"), 16)


async def test_account_without_ether_delegates_and_operates_and_the_relayer_loses_nothing(
    devnet: Devnet, served: Served, delegate: str
) -> None:
    """GTW-090, PTS-080 to PTS-082: the first operation brings the delegation, the second does without."""
    client, who = await person(served)
    account, relayer = f"0x{who.wallet.key.data.hex()}", f"0x{served.gateway.relayer.account.hex()}"
    before, given = balance(devnet, relayer), balance(devnet, RECEIVER)
    call = {"callData": f"0x{EXECUTE.call(RECEIVER, 0, b'').hex()}"}
    sent = []
    for word in (delegate, None):
        asked = {**call, "delegating": bool(word)}
        prepared = await client.ask("POST", "/v1/operations/prepare", asked, who=who)
        sent.append(signed_operation(who, prepared, word))
        job = await client.ask("POST", "/v1/operations", sent[-1], who=who)
        await client.done(who, job["number"])
    assert devnet.call("eth_getCode", account, "latest") == f"0xef0100{delegate[2:].lower()}"
    assert (balance(devnet, account), balance(devnet, RECEIVER)) == (0, given)
    assert balance(devnet, relayer) >= before, "what it brings pays for itself"
    with pytest.raises(PersonaGatewayError, match="refuses"):
        await client.ask("POST", "/v1/operations", sent[-1], who=who)


async def test_operations_of_others_underpaid_or_over_the_budget_are_refused(
    devnet: Devnet, served: Served, delegate: str
) -> None:
    """GTW-090, PTS-081: nothing of it costs the gateway anything."""
    client, who = await person(served)
    call = {"callData": f"0x{EXECUTE.call(RECEIVER, 0, b'').hex()}", "delegating": True}
    prepared = await client.ask("POST", "/v1/operations/prepare", call, who=who)
    _, mallory = await person(served)
    body = signed_operation(who, prepared, delegate)
    with pytest.raises(PersonaGatewayError, match="forbidden"):
        await client.ask("POST", "/v1/operations", body, who=mallory)
    cheap = {**prepared["operation"], "preVerificationGas": 21_000}
    with pytest.raises(PersonaGatewayError, match="pay for itself"):
        await client.ask("POST", "/v1/operations", {**body, "operation": cheap}, who=who)
    other = signed_operation(mallory, prepared, delegate)
    with pytest.raises(PersonaGatewayError, match="refuses"):
        await client.ask("POST", "/v1/operations", {**body, "signature": other["signature"]}, who=who)
    stranger = await client.sign_in(EvmWallet(secrets.token_bytes(32)))
    prepared = await client.ask("POST", "/v1/operations/prepare", call, who=stranger)
    body = signed_operation(stranger, prepared, delegate)
    with pytest.raises(PersonaGatewayError, match="refuses"):
        await client.ask("POST", "/v1/operations", body, who=stranger)
