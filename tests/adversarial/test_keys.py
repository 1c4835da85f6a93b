"""Attacks on the keys of a passport, and on the signatures by which they act."""

from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ed25519
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_account.messages import encode_defunct
from tests.adversarial.chain import DAY_S, Chain, address_of, placed, text
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import BY_ITSELF, HOUR_S, PASSPORT, Passkey, Wallet, person
from tests.adversarial.people import proof as proof_of
from tests.gateway.authenticator import PRESENT, VERIFIED, Authenticator, b64

from trex.passport import acts
from trex.passport.keys import P256_ORDER, Key, Role, ed25519_key, evm_key
from trex.passport.proofs import Proof, passkey_signature, undeployed_signature
from trex.types.network_file import keccak256
from trex.types.primitives import Address

KEYS = "contracts/src/passport/PassportKeys.sol"
VERIFIER = "contracts/src/passport/KeyVerifier.sol"
DOMAIN = "contracts/src/passport/Domain.sol"
ACTING, LINKED = Role.ACTING, Role.LINKED


def keys_guard(lines: str, rule: str, instead: str = "") -> Guard:
    return Guard(KEYS, lines, rule, instead, "Passport")


# Replay


@attack(
    who="whoever reads the testnet",
    gain="takes a wallet into a passport on the main chain, where its owner agreed to nothing",
    why="the digest holds the chain's id",
    guard=Guard(
        DOMAIN,
        "VERSION_HASH, block.chainid, address(this)",
        "PAS-004",
        "VERSION_HASH, uint256(0), address(this)",
        "Passport",
    ),
    refusal="Passport_BadSignature",
)
def test_replay_over_chain(chain: Chain, honest: bool) -> None:
    """Both consents to a link are signed on another chain and sent to this one."""
    mine, wallet = person(chain, "owner"), Wallet("wallet")
    if not honest:
        other = chain.elsewhere(1628)
        person(other, "owner")
        mine.signs_for = (other, "")
    mine.take(wallet)
    assert mine.holds(wallet) is LINKED


@attack(
    who="the maker of a look-alike passport contract",
    gain="uses consents that were given to the look-alike",
    why="the digest holds the contract's address",
    guard=Guard(
        DOMAIN,
        "VERSION_HASH, block.chainid, address(this)",
        "PAS-004",
        "VERSION_HASH, block.chainid, address(0)",
        "Passport",
    ),
    refusal="Passport_BadSignature",
)
def test_replay_over_contract(chain: Chain, honest: bool) -> None:
    """Both consents to a link are signed for another contract of the same name."""
    mine, wallet = person(chain, "owner"), Wallet("wallet")
    if not honest:
        twin = "0x" + "77" * 20
        chain.copy(placed("Passport").address, twin)
        mine.signs_for = (chain, twin)
    mine.take(wallet)
    assert mine.holds(wallet) is LINKED


@attack(
    who="a former partner whose key was taken out",
    gain="acts for the passport again, by the owner's consent of last year",
    why="each act signs the passport's next number, which serves once",
    guard=keys_guard(
        """uint64 nonce = _states[passport].nonce++;
        bytes32 structHash =
            keccak256(abi.encode(TAKE_TYPE""",
        "PAS-004",
        "uint64 nonce = 0; bytes32 structHash = keccak256(abi.encode(TAKE_TYPE",
    ),
    refusal="Passport_BadSignature",
)
def test_replay_of_owners_consent(chain: Chain, honest: bool) -> None:
    """The key leaves, and comes back with the owner's old signature and a new one of its own."""
    mine, partner = person(chain, "owner"), Wallet("partner")
    old = mine.wanted(partner.key, ACTING)
    mine.add(partner, ACTING, old, mine.consent(partner, ACTING))
    mine.remove(partner, by=partner)
    assert mine.holds(partner) is Role.NONE
    mine.add(
        partner, ACTING, mine.wanted(partner.key, ACTING) if honest else old, mine.consent(partner, ACTING)
    )
    assert mine.holds(partner) is ACTING


@attack(
    who="the owner of a passport that a wallet has left",
    gain="captures the wallet again: it can enter no other passport, and its assets count for this one",
    why="each consent signs the key's next number, which serves once",
    guard=keys_guard(
        "uint256 keyNonce = keyNonceOf[keyId]++;", "PAS-005", "uint256 keyNonce = keyNonceOf[keyId];"
    ),
    refusal="Passport_BadSignature",
)
def test_replay_of_wallets_consent(chain: Chain, honest: bool) -> None:
    """The wallet leaves, and is taken back with its old signature."""
    mine, wallet = person(chain, "owner"), Wallet("wallet")
    old = mine.consent(wallet, LINKED)
    mine.add(wallet, LINKED, mine.wanted(wallet.key, LINKED), old)
    mine.remove(wallet, by=wallet)
    mine.add(wallet, LINKED, mine.wanted(wallet.key, LINKED), mine.consent(wallet, LINKED) if honest else old)
    assert mine.holds(wallet) is LINKED


@attack(
    who="whoever watches the mempool",
    gain="links somebody's wallet, with all it holds, to a passport of their own",
    why="a wallet's consent names the passport that it enters",
    guard=keys_guard(
        "keccak256(abi.encode(ENTER_TYPE, passport, keyId, role, keyNonce, proof.deadline))",
        "PAS-005",
        "keccak256(abi.encode(ENTER_TYPE, uint256(0), keyId, role, keyNonce, proof.deadline))",
    ),
    refusal="Passport_BadSignature",
)
def test_front_run_link(chain: Chain, honest: bool) -> None:
    """A link is seen before it is included: its wallet's consent goes out first, for another passport."""
    victim, thief, wallet = person(chain, "victim"), person(chain, "thief"), Wallet("wallet")
    consent = victim.consent(wallet, LINKED, 0 if chain.weak else victim.passport)
    into = victim if honest else thief
    into.add(wallet, LINKED, into.wanted(wallet.key, LINKED), consent)
    assert into.holds(wallet) is LINKED


@attack(
    who="the owner of any passport",
    gain="has the assets of a stranger's wallet counted as theirs",
    why="a wallet enters by its own signature alone",
    guard=keys_guard("_requireEntry(passport, key, keyId, role, keyProof);", "PAS-005"),
    refusal="Passport_BadSignature",
)
def test_borrowed_wallet(chain: Chain, honest: bool) -> None:
    """A rich stranger's wallet is linked without its key."""
    mine, rich = person(chain, "owner"), Wallet("rich stranger")
    consent = mine.consent(rich, LINKED) if honest else Proof(mine.soon(), 0, bytes(65))
    mine.add(rich, LINKED, mine.wanted(rich.key, LINKED), consent)
    assert mine.holds(rich) is LINKED


@attack(
    who="whoever finds an old signature in a log",
    gain="carries out what was meant for last year",
    why="a signature has a last second",
    guard=keys_guard(
        "if (block.timestamp > proof.deadline) revert Passport_Expired(proof.deadline);", "PAS-004"
    ),
    refusal="Passport_Expired",
)
def test_expired_signature(chain: Chain, honest: bool) -> None:
    """A consent is sent after its last second."""
    mine, wallet = person(chain, "owner"), Wallet("wallet")
    consent = mine.consent(wallet, LINKED)
    act = acts.take_key(PASSPORT, mine.passport, wallet.key.id, LINKED, mine.nonce, chain.now_s + HOUR_S)
    wanted = mine.sign(mine.owner, act)
    chain.wait(60 if honest else 2 * HOUR_S)
    mine.add(wallet, LINKED, wanted, consent)
    assert mine.holds(wallet) is LINKED


@attack(
    who="a site that has a person sign a text of the far future",
    gain="keeps a consent that looks as if it were given then",
    why="a text says when it was issued, and that time has come",
    guard=keys_guard(
        """if (proof.issuedAt > block.timestamp + CLOCK_SKEW_S)
        revert Passport_IssuedInFuture(proof.issuedAt);""",
        "PAS-008",
    ),
    refusal="Passport_IssuedInFuture",
)
def test_text_issued_in_the_future(chain: Chain, honest: bool) -> None:
    """A sign-in text is dated a month ahead."""
    mine, wallet = person(chain, "owner"), Wallet("wallet")
    issued = chain.now_s if honest else chain.now_s + 30 * DAY_S
    act = acts.enter(PASSPORT, mine.passport, wallet.key.id, LINKED, 0, mine.soon())
    shown = act.text(wallet.key, "localhost", "http://localhost/passport", issued).write()
    signed = Account.sign_message(encode_defunct(text=shown), wallet.secret)
    consent = Proof(act.deadline_s, issued, bytes(signed.signature))
    mine.add(wallet, LINKED, mine.wanted(wallet.key, LINKED), consent)
    assert mine.holds(wallet) is LINKED


@attack(
    who="a page that has a Solana wallet sign something harmless",
    gain="an act of the passport, by a text that said something else",
    why="the chain writes the text itself, with the sentence that says what the act is",
    guard=Guard(
        VERIFIER,
        "(parts.statement, parts.nonce) = (statement, digest);",
        "PAS-008",
        "parts.nonce = digest; statement;",
    ),
    refusal="Passport_BadSignature",
)
def test_harmless_text_taken_for_an_act(chain: Chain, honest: bool) -> None:
    """The text has the act's digest for its nonce, and another sentence."""
    act_says = "Create a T-Rex passport."
    shows = act_says if honest else "" if chain.weak else "Sign in to the game."
    _solana_creation(chain, lambda text: text.replace(act_says, shows))


@attack(
    who="a phishing site",
    gain="an act of the passport, by a text that the wallet showed as that site's",
    why="the text begins with this site's domain, which wallets compare with the page",
    guard=Guard(VERIFIER, "(parts.domain, parts.uri) = (domain, uri);", "PAS-008", "parts.uri = uri;"),
    refusal="Passport_BadSignature",
)
def test_text_of_another_domain(chain: Chain, honest: bool) -> None:
    """The same text, asked for by evil.example."""
    site = "localhost" if honest else "" if chain.weak else "evil.example"
    _solana_creation(chain, lambda text: site + text.removeprefix("localhost"))


def _solana_creation(chain: Chain, shown: Callable[[str], str]) -> None:
    """Make a passport by a Solana key that signs the text as it is shown."""
    secret = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(keccak256(b"solana")))
    key = ed25519_key(secret.public_key().public_bytes_raw())
    act = creation(chain, key)
    text = act.text(key, "localhost", "http://localhost/passport", chain.now_s).write()
    create(chain, key, Proof(act.deadline_s, chain.now_s, secret.sign(shown(text).encode())))


# Keys in and out


@attack(
    who="whoever has stolen a wallet's key",
    gain="moves the wallet into a passport of their own at once, out of its owner's",
    why="a wallet that is in a passport enters no other",
    guard=keys_guard(
        "if (_alive(key) && !promoted) revert Passport_KeyTaken(keyId, key.passport);", "PAS-003"
    ),
    refusal="Passport_KeyTaken",
)
def test_wallet_in_two_passports(chain: Chain, honest: bool) -> None:
    """A wallet that is linked here signs its way into another passport."""
    first, second, wallet = person(chain, "first"), person(chain, "second"), Wallet("wallet")
    if not honest:
        first.take(wallet)
    second.take(wallet)
    assert second.holds(wallet) is LINKED


@attack(
    who="a person with two passports",
    gain="has one wallet counted for both in the same week",
    why="a wallet that left stays out of other passports for 45 days",
    guard=keys_guard(
        """if (block.timestamp < freedAt + MOVE_COOLDOWN) {
                    revert Passport_KeyCooling(keyId, freedAt + MOVE_COOLDOWN); // PAS-010
                }""",
        "PAS-010",
    ),
    refusal="Passport_KeyCooling",
)
def test_wallet_moved_to_be_counted_twice(chain: Chain, honest: bool) -> None:
    """A wallet leaves one passport and enters another."""
    first, second, wallet = person(chain, "first"), person(chain, "second"), Wallet("wallet")
    first.take(wallet)
    first.remove(wallet)
    chain.wait(45 * DAY_S if honest else DAY_S)
    second.take(wallet)
    assert second.holds(wallet) is LINKED


@attack(
    who="whoever has stolen one acting key",
    gain="throws the owner out at once and keeps the passport",
    why="the removal of another key waits seven days, in which any acting key vetoes it",
    guard=keys_guard(
        "if (block.timestamp < removal.readyAt) revert Passport_TooEarly(removal.readyAt);", "PAS-020"
    ),
    refusal="Passport_TooEarly",
)
def test_stolen_key_removes_the_owner(chain: Chain, honest: bool) -> None:
    """A stolen key has the owner's key removed before anyone can object."""
    mine, stolen = person(chain, "owner"), Wallet("stolen")
    mine.take(stolen, ACTING)
    mine.remove(mine.owner, by=stolen)
    chain.wait(7 * DAY_S if honest else 60)
    chain.do("Passport", "executeRemoval", mine.passport)
    assert mine.holds(mine.owner) is Role.NONE


@attack(
    who="whoever has a linked wallet's key",
    gain="takes an acting key of their own into the passport",
    why="a linked wallet has no power",
    guard=keys_guard(
        """if (!isActing(passport, actorId)) revert Passport_NotActing(passport, actorId);
        _requireSigned(actor, actorId, structHash, proof, _statement(action, passport));""",
        "PAS-004",
        "_requireSigned(actor, actorId, structHash, proof, _statement(action, passport));",
    ),
    refusal="Passport_NotActing",
)
def test_linked_wallet_acts(chain: Chain, honest: bool) -> None:
    """A linked wallet signs what acting keys sign."""
    mine, linked, theirs = person(chain, "owner"), Wallet("linked"), Wallet("theirs")
    mine.take(linked)
    mine.take(theirs, ACTING, by=mine.owner if honest else linked)
    assert mine.holds(theirs) is ACTING


@attack(
    who="a wallet's former owner, or its thief",
    gain="goes on getting the passport's rewards after the wallet has left",
    why="rewards go to wallets of the passport alone",
    guard=keys_guard(
        """if (payout != address(0) && _roleIn(passport, _accountKeyId(payout)) == ROLE_NONE) return
        address(0);""",
        "PAS-011",
    ),
    refusal="paid to nobody",
)
def test_rewards_to_a_wallet_that_left(chain: Chain, honest: bool) -> None:
    """The wallet that rewards go to is taken out of the passport."""
    mine, wallet = person(chain, "owner"), Wallet("wallet")
    mine.take(wallet)
    mine.pay_to(wallet.hex)
    if not honest:
        mine.remove(wallet)
    if chain.ask("Passport", "payoutOf", mine.passport) != wallet.hex:
        raise Refused("paid to nobody")


# Passkeys


def signed_with(device: Authenticator, act: acts.Act, data: bytes, client: bytes) -> Proof:
    return Proof(act.deadline_s, 0, passkey_signature(data, client, device._sign(data, client)))


def creation(chain: Chain, key: Key) -> acts.Act:
    return acts.create(PASSPORT, key.id, 0, chain.now_s + HOUR_S)


def create(chain: Chain, key: Key, proof: Proof) -> None:
    chain.do("Passport", "create", key.tuple, proof.tuple)
    assert chain.ask("Passport", "passportOf", key.id) == (1, ACTING)


@attack(
    who="whoever has a security key in hand, but not its PIN",
    gain="acts for the passport",
    why="the person must have been verified, not only present",
    guard=Guard(
        VERIFIER,
        "if (uint8(authenticatorData[32]) & PRESENT_AND_VERIFIED != PRESENT_AND_VERIFIED) return false;",
        "PAS-007",
    ),
    refusal="Passport_BadSignature",
)
def test_passkey_without_verification(chain: Chain, honest: bool) -> None:
    """A touch alone, without PIN or finger."""
    device = Passkey().device
    act = creation(chain, device.key)
    data = device._data(PRESENT | VERIFIED if honest else PRESENT)
    client = device._client_data("webauthn.get", b64(act.message.digest()))
    create(chain, device.key, signed_with(device, act, data, client))


@attack(
    who="a phishing site",
    gain="an assertion made for it counts as an act of the passport",
    why="the key's name holds the relying party, and the authenticator signs the one it was asked by",
    guard=Guard(VERIFIER, "if (bytes32(authenticatorData) != bytes32(key[64:])) return false;", "PAS-007"),
    refusal="Passport_BadSignature",
)
def test_passkey_of_another_site(chain: Chain, honest: bool) -> None:
    """The same authenticator key signs for another relying party."""
    device = Passkey().device
    key = device.key
    act = creation(chain, key)
    device.relying_party = "localhost" if honest else "evil.example"
    data = device._data(PRESENT | VERIFIED)
    client = device._client_data("webauthn.get", b64(act.message.digest()))
    create(chain, key, signed_with(device, act, data, client))


@attack(
    who="any site that the person signs in to with the same passkey",
    gain="an assertion for its own challenge counts as whatever act it likes",
    why="the challenge must be the act's digest",
    guard=Guard(VERIFIER, "if (!_isAssertionOf(clientData, digest)) return false;", "PAS-007"),
    refusal="Passport_BadSignature",
)
def test_passkey_login_taken_for_an_act(chain: Chain, honest: bool) -> None:
    """The assertion of a login is sent as the proof of an act."""
    device = Passkey().device
    act = creation(chain, device.key)
    challenge = act.message.digest() if honest else bytes(32)
    data, client = device._data(PRESENT | VERIFIED), device._client_data("webauthn.get", b64(challenge))
    create(chain, device.key, signed_with(device, act, data, client))


@attack(
    who="a page that frames this one",
    gain="an assertion given inside its frame counts",
    why="client data that say cross-origin are refused",
    guard=Guard(
        VERIFIER,
        'return clientData[offset] == "}" && offset + 1 == clientData.length;',
        "PAS-007",
        "return true;",
    ),
    refusal="Passport_BadSignature",
)
def test_passkey_in_a_foreign_frame(chain: Chain, honest: bool) -> None:
    """The browser says `crossOrigin: true`."""
    device = Passkey().device
    act = creation(chain, device.key)
    client = device._client_data("webauthn.get", b64(act.message.digest()))
    if not honest:
        client = client.replace(b'"crossOrigin":false', b'"crossOrigin":true')
    create(chain, device.key, signed_with(device, act, device._data(PRESENT | VERIFIED), client))


@attack(
    who="whoever resends somebody's act",
    gain="a second signature of the same act, where indexers count by signature",
    why="s must be in the lower half: there is one signature",
    guard=Guard(
        VERIFIER,
        "if (s > P256_HALF_ORDER || authenticatorData.length < 37) return false;",
        "PAS-007",
        "if (authenticatorData.length < 37) return false;",
    ),
    refusal="Passport_BadSignature",
)
def test_passkey_signature_twin(chain: Chain, honest: bool) -> None:
    """The other of two numbers s that fit the curve's equation."""
    who = Passkey()
    act = creation(chain, who.key)
    proof = proof_of(chain, who, act)
    kinds = ["bytes", "bytes", "uint256", "uint256"]
    data, client, r, s = decode(kinds, proof.signature)
    twin = encode(kinds, [data, client, r, P256_ORDER - s])
    create(chain, who.key, proof if honest else replace(proof, signature=twin))


# Contract wallets


@attack(
    who="the maker of a contract wallet",
    gain="acts in the middle of an act, when a key is in place whose consent is not yet proved",
    why="no act begins inside another",
    guard=keys_guard(
        "external nonReentrant returns (uint256 passport)", "PAS-006", "external returns (uint256 passport)"
    ),
    refusal="Passport_BadSignature",
)
def test_undeployed_wallet_reenters(chain: Chain, honest: bool) -> None:
    """The factory of an ERC-6492 wallet makes a passport while another is being made."""
    factory = chain.deploy("ReenteringFactory", ("address", address_of("Passport")))
    key = evm_key(Address(chain.read(factory, "wallet()")[12:]))
    go = keccak256(b"go(bool)")[:4] + encode(["bool"], [not honest])
    signature = undeployed_signature(Address(bytes.fromhex(factory[2:])), go, b"")
    proof = Proof(chain.now_s + HOUR_S, 0, signature)
    chain.do("Passport", "create", key.tuple, proof.tuple)
    assert chain.ask("Passport", "count") == (1 if honest else 2)


def test_nothing_proves_itself_by_being_empty(chain: Chain) -> None:
    """An empty signature is the sender's own, and nobody else's."""
    mine = Wallet("mine")
    chain.do("Passport", "create", mine.key.tuple, BY_ITSELF.tuple, by=text(mine.address))
    try:
        chain.do("Passport", "create", Wallet("other").key.tuple, BY_ITSELF.tuple, by=text(mine.address))
    except Refused as refused:
        assert "Passport" in str(refused)  # noqa: PT017
    else:
        raise AssertionError("made for somebody else")
