"""The passport's client on a running devnet: every kind of key makes a passport and comes into one."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from tests.node.conftest import Devnet
from tests.passport.test_devnet import devnet, send

from trex.passport import acts, contracts
from trex.passport.acts import Act
from trex.passport.client import PersonaClient
from trex.passport.contracts import Contracts
from trex.passport.keys import Key, KeyKind, Role, ed25519_key, evm_key, passkey
from trex.passport.proofs import Proof, passkey_signature, sign_evm, sign_text, undeployed_signature
from trex.rpc.endpoint import Endpoint
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

__all__ = ["devnet"]

DEADLINE = 4_000_000_000
CONTRACTS = Contracts()
DOMAIN = CONTRACTS.passport_domain
SAFE = bytes.fromhex("41675c099f32341bf84bfc5382af534df5c7461a")
SAFE_FACTORY = Address(bytes.fromhex("4e1dcf7ad4e460cfd30791ccc4f9c8a4f820ec67"))
SAFE_HANDLER = bytes.fromhex("fd0732dc9e303f09fcef3a7388ad10a83459ec99")
Signer = Callable[[Act], Proof]


@pytest.fixture
async def client(devnet: Devnet) -> AsyncIterator[PersonaClient]:
    async with aiohttp.ClientSession() as session:
        yield PersonaClient(Endpoint(devnet.url, session, timeout_s=300), CONTRACTS)


def evm() -> tuple[Key, Signer]:
    account = Account.create()
    return evm_key(Address(bytes.fromhex(account.address[2:]))), lambda act: sign_evm(act, bytes(account.key))


async def solana(client: PersonaClient) -> tuple[Key, Signer]:
    secret = ed25519.Ed25519PrivateKey.generate()
    key = ed25519_key(secret.public_key().public_bytes_raw())
    place, (_, now) = await client.sign_in_place(), await client.latest()
    return key, lambda act: sign_text(act, now, act.text(key, *place, now).write(), secret.sign)


async def texting_wallet(client: PersonaClient) -> tuple[Key, Signer]:
    """An EVM wallet that signs texts only: ERC-4361."""
    account = Account.create()
    key = evm_key(Address(bytes.fromhex(account.address[2:])))
    place, (_, now) = await client.sign_in_place(), await client.latest()

    def sign(text: bytes) -> bytes:
        return bytes(account.sign_message(encode_defunct(text)).signature)

    return key, lambda act: sign_text(act, now, act.text(key, *place, now).write(), sign)


def phone() -> tuple[Key, Signer]:
    secret = ec.generate_private_key(ec.SECP256R1())
    point = secret.public_key().public_numbers()

    def sign(act: Act) -> Proof:
        challenge = base64.urlsafe_b64encode(act.message.digest()).rstrip(b"=").decode()
        told = {"type": "webauthn.get", "challenge": challenge, "origin": "http://localhost"}
        client_data = json.dumps(told | {"crossOrigin": False}, separators=(",", ":")).encode()
        data = hashlib.sha256(b"localhost").digest() + b"\x1d" + bytes(4)
        der = secret.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return Proof(act.deadline_s, 0, passkey_signature(data, client_data, der))

    return passkey(point.x, point.y, "localhost"), sign


async def safe(client: PersonaClient) -> tuple[Key, Signer, Signer]:
    """A Safe that is not there yet: how it signs before (ERC-6492) and after (ERC-1271)."""
    owner = Account.create()
    setup = keccak256(b"setup(address[],uint256,address,bytes,address,address,uint256,address)")[:4] + encode(
        ["address[]", "uint256", "address", "bytes", "address", "address", "uint256", "address"],
        [[owner.address], 1, bytes(20), b"", SAFE_HANDLER, bytes(20), 0, bytes(20)],
    )
    creation = keccak256(b"createProxyWithNonce(address,bytes,uint256)")[:4] + encode(
        ["address", "bytes", "uint256"], [SAFE, setup, 7]
    )
    told = await client.rpc.call(
        "eth_call", {"to": f"0x{SAFE_FACTORY.hex()}", "data": f"0x{creation.hex()}"}, "latest"
    )
    address = Address(bytes.fromhex(told[26:66]))

    def inner(act: Act) -> bytes:
        domain = {"chainId": 1962, "verifyingContract": f"0x{address.hex()}"}
        kinds = {"SafeMessage": [{"type": "bytes", "name": "message"}]}
        return bytes(owner.sign_typed_data(domain, kinds, {"message": act.message.digest()}).signature)

    return (
        evm_key(address),
        lambda act: Proof(act.deadline_s, 0, undeployed_signature(SAFE_FACTORY, creation, inner(act))),
        lambda act: Proof(act.deadline_s, 0, inner(act)),
    )


def sent(devnet: Devnet, data: bytes) -> bool:
    return bool(send(devnet, f"0x{CONTRACTS.passport.hex()}", f"0x{data.hex()}")["status"] == "0x1")


async def make(devnet: Devnet, client: PersonaClient, key: Key, sign: Signer) -> int:
    act = acts.create(DOMAIN, key.id, await client.key_nonce(key), DEADLINE)
    assert sent(devnet, contracts.create(key, sign(act)))
    passport, role = await client.passport_of(key)
    assert role is Role.ACTING
    return passport


async def add(
    devnet: Devnet,
    client: PersonaClient,
    passport: int,
    actor: tuple[Key, Signer],
    comer: tuple[Key, Signer],
    role: Role,
) -> bool:
    state = await client.state(passport)
    assert state is not None
    take = acts.take_key(DOMAIN, passport, comer[0].id, role, state.nonce, DEADLINE)
    enter = acts.enter(DOMAIN, passport, comer[0].id, role, await client.key_nonce(comer[0]), DEADLINE)
    data = contracts.add_key(passport, actor[0], actor[1](take), comer[0], role, comer[1](enter))
    return sent(devnet, data)


async def test_every_kind_of_key_comes_into_a_passport_and_leaves_it(
    devnet: Devnet, client: PersonaClient
) -> None:
    """PAS-002 to PAS-008: EOA, text-only wallet, Solana, passkey, Safe before and after it is deployed."""
    first = evm()
    passport = await make(devnet, client, *first)
    undeployed, before, after = await safe(client)
    comers: list[tuple[tuple[Key, Signer], Role]] = [
        (await texting_wallet(client), Role.LINKED),
        (await solana(client), Role.LINKED),
        (phone(), Role.ACTING),
        ((undeployed, before), Role.LINKED),
    ]
    for comer, role in comers:
        assert await add(devnet, client, passport, first, comer, role)
    assert await add(devnet, client, passport, first, (undeployed, after), Role.ACTING)
    held = {one.key: one.role for one in await client.keys(passport)}
    assert held == {
        first[0]: Role.ACTING,
        **{comer[0]: role for comer, role in comers},
        undeployed: Role.ACTING,
    }
    state = await client.state(passport)
    assert state is not None
    assert (state.generation, state.acting_count, state.nonce) == (1, 3, 5)

    phone_key, phone_sign = comers[2][0]
    leave = acts.remove_key(DOMAIN, passport, comers[0][0][0].id, state.nonce, DEADLINE)
    assert sent(devnet, contracts.remove_key(passport, phone_key, phone_sign(leave), comers[0][0][0].id))
    assert comers[0][0][0] not in {one.key for one in await client.keys(passport)}


async def test_link_signed_for_another_place_is_refused(devnet: Devnet, client: PersonaClient) -> None:
    """PAS-004, PAS-005: passport, role, nonce, chain and contract are all in what is signed."""
    owner, comer, thief = evm(), evm(), evm()
    passport = await make(devnet, client, *owner)
    theirs = await make(devnet, client, *thief)
    nonce = await client.key_nonce(comer[0])
    state = await client.state(theirs)
    assert state is not None
    take = acts.take_key(DOMAIN, theirs, comer[0].id, Role.LINKED, state.nonce, DEADLINE)
    enter = acts.enter(DOMAIN, passport, comer[0].id, Role.LINKED, nonce, DEADLINE)
    taken = contracts.add_key(theirs, thief[0], thief[1](take), comer[0], Role.LINKED, comer[1](enter))
    assert not sent(devnet, taken), "an entry into another passport"
    elsewhere = Contracts(chain_id=1628).passport_domain
    other = acts.enter(elsewhere, theirs, comer[0].id, Role.LINKED, nonce, DEADLINE)
    taken = contracts.add_key(theirs, thief[0], thief[1](take), comer[0], Role.LINKED, comer[1](other))
    assert not sent(devnet, taken), "an entry on another chain"
    assert await add(devnet, client, passport, owner, comer, Role.LINKED)
    assert not await add(devnet, client, theirs, thief, comer, Role.LINKED), "PAS-003: taken"


async def test_has_signed_and_sign_in_text_agree_with_the_chain(client: PersonaClient) -> None:
    key, sign = await solana(client)
    act = acts.create(DOMAIN, key.id, 0, DEADLINE)
    domain, uri = await client.sign_in_place()
    _, now = await client.latest()
    told = await client.ask(
        (
            CONTRACTS.key_verifier,
            contracts.SIGN_IN_TEXT,
            (key.tuple, act.message.digest(), act.statement, now, DEADLINE),
        )
    )
    assert told == [act.text(key, domain, uri, now).write()]
    proof = sign(act)
    assert await client.has_signed(key, act.message.digest(), act.statement, proof)
    assert not await client.has_signed(key, Hash32(bytes(32)), act.statement, proof)


async def test_attestors_and_unknown_passport(client: PersonaClient) -> None:
    found = await client.attestors()
    assert (found.epoch, len(found.members), found.threshold) == (1, 3, 2)
    assert await client.state(10**6) is None
    assert await client.key_epoch() == 1
    assert await client.holder_of(Hash32(bytes(31) + b"\x01")) == 0


def test_key_data_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="20 bytes"):
        Key(KeyKind.EVM, bytes(32))
