"""Contract wallets at the gateway, deployed (ERC-1271) and not (ERC-6492), beside the other kinds of keys."""

from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from sqlalchemy import select
from tests.gateway.authenticator import Authenticator
from tests.gateway.conftest import Served
from tests.gateway.contract_wallets import DELEGATE, new_safe, send
from tests.gateway.people import Person, evm_person, solana_person
from tests.node.conftest import Devnet

from trex.chain.dev.accounts import ACCOUNTS
from trex.passport.contracts import Method
from trex.passport.keys import Key, Role, evm_key
from trex.types.primitives import Address
from trex.web.database import audit

SWAP_OWNER = Method("swapOwner", ("address", "address", "address"))
EXECUTE = Method(
    "execTransaction",
    *[
        (
            "address",
            "uint256",
            "bytes",
            "uint8",
            "uint256",
            "uint256",
            "uint256",
            "address",
            "address",
            "bytes",
        )
    ],
)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'gateway.db'}"


def has_code(devnet: Devnet, key: Key) -> bool:
    return bool(devnet.call("eth_getCode", f"0x{key.data.hex()}", "latest") != "0x")


async def refused_sign_in(person: Person) -> str:
    """Sign a text that is refused; returns why."""
    told = await person.post("/v1/nonces", {"account": f"0x{person.key.data.hex()}"})
    signature = f"0x{person.sign_text(told['text'].encode()).hex()}"
    asked = {"signIn": {"method": "text", "text": told["text"], "signature": signature}}
    return str((await person.post("/v1/sessions", asked, 403))["code"])


def passkey_person(served: Served) -> tuple[Authenticator, Person]:
    """A device, and its signatures in the form in which the chain takes them."""
    device = Authenticator(served.gateway.settings.public_url)
    return device, Person(served, device.key, lambda _: b"", None)


async def test_safe_makes_a_passport_before_it_is_deployed_and_acts_afterwards(
    devnet: Devnet, served: Served
) -> None:
    """GTW-011, GTW-025, PAS-006: sign-in leaves the Safe undeployed, the first act brings it to the chain."""
    safe = new_safe(devnet)
    before, after = safe.person(served, wrapped=True), safe.person(served, wrapped=False)
    assert await refused_sign_in(after) == "bad_signature", "ERC-1271 alone: nobody is there to ask"
    found = await before.sign_in()
    assert (found["key"], found["passport"]) == (before.body, 0)
    assert not has_code(devnet, before.key), "a question leaves nothing on the chain"
    await before.finished(await before.do({"act": "create", "key": before.body}, before))
    assert has_code(devnet, before.key)
    for now in (after, before):  # a wrapped signature still counts once the wallet is there
        assert (await now.sign_in())["role"] == "acting"
    wallet = evm_person(served)
    await after.finished(await after.do(after.link(wallet), after, wallet, by_text=True))
    held = {one.key: one.role for one in await served.gateway.client.keys(after.passport)}
    assert held == {safe.person(served, wrapped=False).key: Role.ACTING, wallet.key: Role.LINKED}


async def test_every_kind_of_wallet_comes_into_one_passport(devnet: Devnet, served: Served) -> None:
    """GTW-025, PAS-002: a text wallet, Solana, a passkey, a Safe that is here and one that is not."""
    alice = await evm_person(served).create()
    there, coming = new_safe(devnet), new_safe(devnet, [Account.create()], 1)
    there.deploy(devnet)
    safe, undeployed = there.person(served, wrapped=False), coming.person(served, wrapped=True)
    text, solana = evm_person(served), solana_person(served)
    for other, by_text in ((safe, False), (undeployed, True), (text, True), (solana, False)):
        await alice.finished(await alice.do(alice.link(other, "acting"), alice, other, by_text=by_text))
    device, phone = passkey_person(served)
    wish = alice.link(phone, "acting")
    prepared = await alice.post("/v1/acts/prepare", {"act": wish})
    mine, its = prepared["signatures"]
    signature = device.sign_digest(bytes.fromhex(its["digest"][2:]))
    proofs = [alice.proof(mine), {"signature": f"0x{signature.hex()}"}]
    signed = {"act": wish, "deadlineS": prepared["deadlineS"], "proofs": proofs}
    await alice.finished(await alice.post("/v1/acts", signed, 202))
    held = {one.key for one in await served.gateway.client.keys(alice.passport)}
    assert held == {one.key for one in (alice, safe, undeployed, text, solana, phone)}
    for one in (safe, undeployed, text, solana):
        found = await one.sign_in()
        assert (found["passport"], found["role"]) == (alice.passport, "acting")
    payout = {"act": "payout", "passport": alice.passport, "actor": safe.body, "payout": safe.body["data"]}
    await safe.finished(await safe.do(payout, safe))
    state = await served.gateway.client.state(alice.passport)
    assert state is not None
    assert state.payout == there.address, "rewards go to the Safe"


async def test_safe_is_linked_privately(devnet: Devnet, served: Served) -> None:
    """GTW-045: checked off the chain by the contracts' own code; the Safe stays undeployed."""
    alice = await evm_person(served).create()
    safe = new_safe(devnet).person(served, wrapped=True)
    prepared = await alice.post("/v1/private-links/prepare", {"key": safe.body})
    proofs = [who.proof(asked) for who, asked in zip((alice, safe), prepared["signatures"], strict=True)]
    signed: dict[str, Any] = {"key": safe.body, "nonce": prepared["nonce"], "proofs": proofs}
    await alice.finished(await alice.post("/v1/private-links", signed, 202))
    assert not has_code(devnet, safe.key)
    assert safe.key not in {one.key for one in await served.gateway.client.keys(alice.passport)}


async def test_delegated_account_signs_by_its_code_and_by_its_own_key(devnet: Devnet, served: Served) -> None:
    """PAS-006: an account with EIP-7702's code is asked by ERC-1271, and its own signature counts besides."""
    account = Account.create()
    word = account.sign_authorization({"chainId": 1962, "address": DELEGATE, "nonce": 0})
    signed = Account.sign_transaction(
        {
            "chainId": 1962,
            "nonce": int(devnet.call("eth_getTransactionCount", ACCOUNTS[1].address, "pending"), 16),
            "to": account.address,
            "gas": 200_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
            "authorizationList": [word],
        },
        ACCOUNTS[1].key,
    )
    receipt = devnet.receipt(
        devnet.call("eth_sendRawTransaction", f"0x{bytes(signed.raw_transaction).hex()}")
    )
    assert receipt["status"] == "0x1"
    plain = evm_person(served)
    delegated = Person(
        served,
        evm_key(Address(bytes.fromhex(account.address[2:]))),
        lambda raw: bytes(account.sign_message(encode_defunct(raw)).signature),
        lambda typed: bytes(account.sign_message(encode_typed_data(full_message=typed)).signature),
    )
    assert has_code(devnet, delegated.key)
    await delegated.create()
    await delegated.finished(await delegated.do(delegated.link(plain), delegated, plain))
    assert (await plain.sign_in())["role"] == "linked"


async def test_what_a_contract_wallet_did_not_sign_signs_nobody_in(devnet: Devnet, served: Served) -> None:
    """GTW-011, PAS-006: too few owners, another Safe's, a wrapping that deploys something else, or nothing.

    The honest control is `test_safe_makes_a_passport_before_it_is_deployed_and_acts_afterwards`.
    """
    there, coming, other = new_safe(devnet), new_safe(devnet), new_safe(devnet)
    there.deploy(devnet)
    stolen = other.person(served, wrapped=False)
    stolen.key = there.person(served, wrapped=False).key
    liars = [
        there.person(served, wrapped=False, signers=1),
        stolen,
        coming.person(served, wrapped=True, signers=1),
        coming.person(served, wrapped=True, creation=other.creation),
        coming.person(served, wrapped=True, creation=b"\xde\xad\xbe\xef"),
        coming.person(served, wrapped=True, factory=Address(bytes(19) + b"\x09")),
        there.person(served, wrapped=True, signers=1, creation=other.creation),
    ]
    assert [await refused_sign_in(one) for one in liars] == ["bad_signature"] * len(liars)
    async with served.gateway.database.transaction() as tx:
        lines = (await tx.execute(select(audit.c.outcome).order_by(audit.c.number))).scalars().all()
    assert lines == ["bad_signature"] * len(liars), "GTW-030: each try leaves a line"


async def test_signature_of_an_owner_who_left_counts_no_more(devnet: Devnet, served: Served) -> None:
    """GTW-011: the wallet is asked as it is now, at every sign-in and act."""
    owner, heir = Account.from_key(ACCOUNTS[2].key), Account.create()
    safe = new_safe(devnet, [owner], 1)
    safe.deploy(devnet)
    leaver, taker = safe.person(served, wrapped=False), safe.person(served, wrapped=False)
    await leaver.create()
    swap = SWAP_OWNER.call("0x" + "0" * 39 + "1", owner.address, heir.address)
    approved = bytes(12) + bytes.fromhex(owner.address[2:]) + bytes(32) + b"\x01"  # it sends this itself
    nobody = "0x" + "0" * 40
    call = EXECUTE.call(f"0x{safe.address.hex()}", 0, swap, 0, 0, 0, 0, nobody, nobody, approved)
    send(devnet, f"0x{safe.address.hex()}", f"0x{call.hex()}", sender=owner.address)
    assert await refused_sign_in(leaver) == "bad_signature"
    safe.owners[0] = heir
    assert (await taker.sign_in())["passport"] == leaver.passport
