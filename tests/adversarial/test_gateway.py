"""Attacks on the gateway: limits, logs, queues, sealed data, credentials."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert
from tests.adversarial.chain import Chain
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.adversarial.people import Wallet, change_state, grant, human, policy
from tests.gateway.conftest import Served

from trex.gateway import credentials, outbox, private_links
from trex.gateway.keys import read_secret
from trex.gateway.nullify import nullifier_of
from trex.gateway.outbox import JobKind
from trex.gateway.service import Gateway
from trex.gateway.store.schema import jobs
from trex.passport.proofs import Proof
from trex.types.network_file import keccak256
from trex.types.primitives import Hash32
from trex.web import audit
from trex.web.database import audit as audit_lines
from trex.web.guard import MAX_BODY_BYTES
from trex.web.limits import Limiter, Rate, client_name

GATEWAY, WEB = "src/trex/gateway/", "src/trex/web/"
DAY_S = 86_400


# Limits


@attack(
    who="whoever wants more than their share",
    gain="a new client for each request",
    why="`X-Forwarded-For` counts only as far as trusted proxies wrote it",
    guard=Guard(f"{WEB}limits.py", "if name not in trusted:\n            break", "GTW-006"),
    refusal="too many",
)
async def test_limit_evaded_by_a_header(honest: bool) -> None:
    """Each request says another address in a header."""
    limiter = Limiter(Rate(5, 0.001))
    for number in range(5 if honest else 50):
        name = client_name("203.0.113.9", [f"198.51.100.{number}"], ["10.0.0.1"])
        if limiter.take(name, 0.0):
            raise Refused("too many")


@attack(
    who="whoever has an IPv6 network, which is everybody with IPv6",
    gain="2^64 clients",
    why="of IPv6 the network of 64 bits is the client",
    guard=Guard(
        f"{WEB}limits.py",
        "return str(ipaddress.IPv6Network((address, 64), strict=False))",
        "GTW-006",
        "return str(address)",
    ),
    refusal="too many",
)
async def test_limit_evaded_by_ipv6(honest: bool) -> None:
    """Each request comes from another address of one network."""
    limiter = Limiter(Rate(5, 0.001))
    for number in range(5 if honest else 50):
        if limiter.take(client_name(f"2001:db8::{number:x}", [], []), 0.0):
            raise Refused("too many")


@attack(
    who="anybody",
    gain="the gateway's memory",
    why="a body has an end, announced or not",
    guard=Guard(
        f"{WEB}guard.py",
        """if len(body) > MAX_BODY_BYTES:
                    raise RefusalError(Fault.TOO_LARGE, f"a body has at most {MAX_BODY_BYTES} bytes")
                if not""",
        "GTW-001",
        "if not",
    ),
    refusal="413",
)
async def test_endless_body(served: Served, honest: bool) -> None:
    """A body in chunks that says no length."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(2 if honest else MAX_BODY_BYTES // 65_536 + 2):
            yield b" " * 65_536

    async with served.http.post(f"{served.url}/v1/nonces", data=chunks()) as found:
        if found.status == 413:
            raise Refused("413")


@attack(
    who="one key that signs act after act",
    gain="the relayer's ether",
    why="a key has a budget of sponsored acts a day",
    guard=Guard(
        f"{GATEWAY}outbox.py",
        "if int((await tx.execute(asked)).scalar_one()) > most:",
        "GTW-022",
        "if int((await tx.execute(asked)).scalar_one()) < 0:",
    ),
    refusal="sponsored acts a day are used up",
)
async def test_relayer_drained(gateway: Gateway, honest: bool) -> None:
    """Sixty acts in a day, of fifty that are sponsored."""
    for _ in range(50 if honest else 60):
        async with gateway.database.transaction() as tx:
            await outbox.spend(tx, "a key", 50, 1_000_000)


# What is kept


@attack(
    who="an operator who has something to hide",
    gain="a deed that never was in the log",
    why="each line is hashed onto the one before",
    guard=Guard(
        f"{WEB}audit.py",
        "return sha256(before + orjson.dumps(line)).digest()",
        "GTW-030",
        "return sha256(orjson.dumps(line)).digest()",
    ),
    refusal="line 3 does not fit",
)
async def test_line_taken_out_of_the_log(gateway: Gateway, honest: bool) -> None:
    """A line in the middle is deleted from the database."""
    async with gateway.database.transaction() as tx:
        for number in range(4):
            await audit.record(tx, number, "somebody", "deed", f"{number}", "done")
        if not honest:
            await tx.execute(delete(audit_lines).where(audit_lines.c.number == 2))
        wrong = await audit.verify(tx)
    if wrong is not None:
        raise Refused(f"line {wrong} does not fit")


@attack(
    who="nobody: two workers after a kill, or an operator who starts a second gateway",
    gain="a job in two transactions: points recorded, gas paid twice",
    why="a job is taken into a transaction only while it is queued",
    guard=Guard(
        f"{GATEWAY}outbox.py",
        "mine = jobs.c.number.in_(numbers) & (jobs.c.state == JobState.QUEUED.value)",
        "GTW-021",
        "mine = jobs.c.number.in_(numbers)",
    ),
    refusal="another worker has it",
)
async def test_job_sent_twice(gateway: Gateway, honest: bool) -> None:
    """Two workers claim one job."""
    async with gateway.database.transaction() as tx:
        number = await _job(tx, "one")
        assert await outbox.claim(tx, [number], 1, 0)
        if honest:
            number = await _job(tx, "other")
        if not await outbox.claim(tx, [number], 2, 0):
            raise Refused("another worker has it")
        await tx.rollback()


async def _job(tx: Any, name: str) -> int:
    values = {
        **{"kind": JobKind.POINTS.value, "once": name, "passport": 1, "owner": bytes(32), "payload": "{}"},
        **{"state": "queued", "after": None, "attempts": 0, "not_before_s": 2**31, "error": ""},
        **{"created_s": 0, "changed_s": 0},
    }
    return int((await tx.execute(insert(jobs).values(values).returning(jobs.c.number))).scalar_one())


@attack(
    who="a person who asks for one grant many times at once",
    gain="as many grants, and as much of the relayer's ether",
    why="what is asked for under a name is there once",
    guard=Guard(
        f"{GATEWAY}outbox.py",
        "if known is not None:\n            return int(known)",
        "GTW-020",
        "once = None",
    ),
    refusal="one job",
)
async def test_job_asked_for_twice(gateway: Gateway, honest: bool) -> None:
    """The same job is asked for twice."""
    async with gateway.database.transaction() as tx:
        made = [
            await outbox.enqueue(
                tx,
                JobKind.POINTS,
                {},
                passport=1,
                owner=Hash32(bytes(32)),
                now_s=2**31,
                once=f"deed {number if honest else 0}",
            )
            for number in range(2)
        ]
        await tx.rollback()
    if len(set(made)) == 1:
        raise Refused("one job")


@attack(
    who="anybody who is signed in",
    gain="reads what others are doing: their wallets, their accounts' nullifiers",
    why="a job is shown to the key that asked for it",
    guard=Guard(
        f"{GATEWAY}outbox.py",
        "select(jobs).where(jobs.c.number == number, jobs.c.owner == owner)",
        "GTW-020",
        "select(jobs).where(jobs.c.number == number)",
    ),
    refusal="no such job",
)
async def test_job_of_somebody_else(gateway: Gateway, honest: bool) -> None:
    """A stranger asks for a job by its number."""
    mine, stranger = Hash32(bytes(32)), Wallet("stranger").key.id
    async with gateway.database.transaction() as tx:
        number = await _job(tx, "mine")
        found = await outbox.find(tx, number, mine if honest else stranger)
        await tx.rollback()
    if found is None:
        raise Refused("no such job")


@attack(
    who="whoever steals an old k, with a list of handles",
    gain="unmasks everybody whose account is on the list",
    why="a nullifier holds a blind of its own beside k, which is nowhere but in the database, sealed",
    guard=Guard(
        f"{GATEWAY}nullify.py",
        'return keccak256(tag + sealer.open(bytes(kept), "blind"))',
        "PAS-040",
        "return keccak256(tag)",
    ),
    refusal="unknown account",
)
async def test_handles_guessed_with_an_old_key(gateway: Gateway, honest: bool) -> None:
    """Each handle's PRF under the stolen k is compared with what stands on the chain."""
    account = ("github", "583231", "account/github")
    async with gateway.database.transaction() as tx:
        public = await nullifier_of(tx, gateway.key_holder, gateway.sealer, *account)
        again = await nullifier_of(tx, gateway.key_holder, gateway.sealer, *account)
    guesses = {
        keccak256(await gateway.key_holder.prf("github", f"{n}", "account/github")) for n in (1, 583231)
    }
    if public not in (guesses if not honest else {again}):
        raise Refused("unknown account")


@attack(
    who="another user of the operator's machine",
    gain="the attestor's key",
    why="a key file that others may read is refused",
    guard=Guard(
        f"{GATEWAY}keys.py",
        """if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{file}: others may read it: chmod 600")""",
        "GTW-033",
    ),
    refusal="others may read it",
)
async def test_key_file_that_others_read(tmp_path: Path, honest: bool) -> None:
    """The file has the rights that an editor gave it."""
    file = tmp_path / "attestor.key"
    file.write_text("11" * 32)
    file.chmod(0o600 if honest else 0o644)
    assert read_secret(file).reveal() == b"\x11" * 32


@attack(
    who="whoever reads answers or logs",
    gain="a secret that somebody sent in a wrong place",
    why="a refusal names the part that is wrong and never repeats what was sent",
    guard=Guard(
        f"{WEB}problems.py",
        "{one['type']}\"",
        "GTW-003",
        "{one['type']} {one['input']}\"",
    ),
    refusal="not repeated",
)
async def test_secret_repeated(served: Served, honest: bool) -> None:
    """A private key is sent where a signature belongs; the answer is looked through."""
    secret = "s3cr3t-" + "a" * 40
    said = {"signIn": {"method": "text", "text": 1, "signature": secret}}
    async with served.http.post(f"{served.url}/v1/sessions", json=said) as found:
        shown = await found.text()
    assert found.status == 422
    if ("signature" if honest else secret) not in shown:
        raise Refused("not repeated")


@attack(
    who="whoever reads the operator's logs",
    gain="codes and tokens that stood in addresses: somebody's account at a platform",
    why="a line of the log names the route, never path or query as they came",
    guard=Guard(
        f"{WEB}guard.py",
        'route = getattr(scope.get("route"), "path", "-")',
        "GTW-031",
        'route = scope["path"] + "?" + scope["query_string"].decode()',
    ),
    refusal="nothing of it",
)
async def test_code_in_the_log(served: Served, caplog: pytest.LogCaptureFixture, honest: bool) -> None:
    """A platform sends a browser back with a code in the address; the log is read."""
    path, code = "/v1/accounts/{platform}/callback", "code-of-a-victim"
    with caplog.at_level("INFO", "trex.web"):
        await served.get(path.format(platform="github") + f"?state=x&code={code}", 401)
    told = json.dumps([one.__dict__ for one in caplog.records], default=str)
    if (path if honest else code) not in told:
        raise Refused("nothing of it")


# Passports and credentials


@attack(
    who="the owner of any passport",
    gain="a stranger's wallet, linked privately: its assets count",
    why="both sides sign a private link",
    guard=Guard(
        f"{GATEWAY}private_links.py",
        'raise GatewayError(Fault.BAD_SIGNATURE, "one of the two has not signed this")',
        "GTW-045",
        "pass",
    ),
    refusal="one of the two has not signed this",
)
async def test_private_link_of_a_borrowed_wallet(chain: Chain, gateway: Gateway, honest: bool) -> None:
    """A rich stranger's wallet is linked privately without its signature."""
    mine, rich = human(chain, "owner")[0], Wallet("rich stranger")
    await _link_privately(gateway, mine.owner, mine.passport, rich, forged=not honest)


async def _link_privately(
    gateway: Gateway, actor: Any, passport: int, wallet: Wallet, *, forged: bool = False
) -> None:
    nonce, deadline = await private_links.begin(gateway, actor.key, passport, wallet.key)
    digest = private_links.act_of(gateway, passport, wallet.key, nonce, deadline).message.digest()
    signatures = (actor.sign(digest), bytes(65) if forged else wallet.sign(digest))
    proofs = (Proof(deadline, 0, signatures[0]), Proof(deadline, 0, signatures[1]))
    assert await private_links.link(gateway, actor.key, passport, wallet.key, nonce, proofs)


@attack(
    who="a person with two passports",
    gain="one wallet counts publicly here and privately there",
    why="a wallet that is in a passport is linked to no other, privately either",
    guard=Guard(
        f"{GATEWAY}private_links.py",
        """if there not in (0, passport):
        raise GatewayError(Fault.CONFLICT, "this wallet is in another passport")""",
        "PAS-045",
    ),
    refusal="this wallet is in another passport",
)
async def test_private_link_of_a_public_wallet(chain: Chain, gateway: Gateway, honest: bool) -> None:
    """A wallet that another passport has linked publicly is linked privately."""
    (mine, _), (other, _), wallet = human(chain, "owner"), human(chain, "other"), Wallet("wallet")
    (mine if honest else other).take(wallet)
    await _link_privately(gateway, mine.owner, mine.passport, wallet)


async def _credential(chain: Chain, gateway: Gateway, asks_for_own: bool, suspended: bool = False) -> str:
    rule, (mine, account), (other, _) = policy(chain), human(chain, "owner"), human(chain, "other")
    grant(chain, mine.wish(rule, [account])).send()
    token = mine.badge(rule)
    if suspended:
        change_state(chain, token, 2).send()
    who = mine if asks_for_own else other
    return await credentials.credential(gateway, who.passport, token, None)


@attack(
    who="the owner of any passport",
    gain="a signed credential that somebody's badge is theirs",
    why="a credential is issued to the passport that holds the badge",
    guard=Guard(
        f"{GATEWAY}credentials.py",
        "if badge is None or badge.passport != passport:",
        "DID-030",
        "if badge is None:",
    ),
    refusal="you have no such badge",
)
async def test_credential_of_somebody_elses_badge(chain: Chain, gateway: Gateway, honest: bool) -> None:
    """A passport asks for a badge by a number that is not its own."""
    assert await _credential(chain, gateway, asks_for_own=honest)


@attack(
    who="the holder of a suspended badge",
    gain="a fresh credential that says it counts",
    why="only a granted badge is made a credential",
    guard=Guard(
        f"{GATEWAY}credentials.py",
        """if badge.state is not BadgeState.GRANTED:
        raise GatewayError(Fault.CONFLICT, f"this badge is {badge.state.value}")""",
        "DID-033",
    ),
    refusal="this badge is suspended",
)
async def test_credential_of_a_suspended_badge(chain: Chain, gateway: Gateway, honest: bool) -> None:
    """The badge was suspended before it is asked for as a credential."""
    assert await _credential(chain, gateway, asks_for_own=True, suspended=not honest)
