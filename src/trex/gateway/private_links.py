"""Private links: wallets that only validators know to be a passport's (PAS-045, GTW-045)."""

from trex.gateway import challenges, people
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.service import Gateway
from trex.passport.acts import Act, link_privately
from trex.passport.keys import Key
from trex.passport.proofs import Proof
from trex.types.primitives import Hash32

_KIND = "private-link"


def act_of(gateway: Gateway, passport: int, key: Key, nonce: str, deadline_s: int) -> Act:
    """What both sides sign."""
    domain = gateway.settings.contracts.nullifiers_domain
    return link_privately(domain, passport, key.id, Hash32(bytes.fromhex(nonce)), deadline_s)


async def begin(gateway: Gateway, actor: Key, passport: int, key: Key) -> tuple[str, int]:
    """Hand out a nonce for a link; return it with the deadline, Unix time in seconds."""
    last_s = gateway.settings.challenge_s
    deadline_s = gateway.now_s + last_s
    payload = {"passport": passport, "actor": actor.id.hex(), "key": key.id.hex(), "deadlineS": deadline_s}
    async with gateway.database.transaction() as tx:
        nonce = await challenges.hand_out(tx, _KIND, payload, gateway.now_s, last_s)
    return nonce, deadline_s


async def link(
    gateway: Gateway, actor: Key, passport: int, key: Key, nonce: str, proofs: tuple[Proof, Proof]
) -> int:
    """Check both signatures off the chain and queue a binding with a hiding commitment; return its job.

    Raises:
        GatewayError: the nonce was used or is another's, a side has not signed, or the wallet is elsewhere.
    """
    async with gateway.database.transaction() as tx:
        asked = await challenges.take(tx, _KIND, nonce, gateway.now_s)
    if (asked["passport"], asked["actor"], asked["key"]) != (passport, actor.id.hex(), key.id.hex()):
        raise GatewayError(Fault.FORBIDDEN, "somebody else began this")
    act = act_of(gateway, passport, key, nonce, asked["deadlineS"])
    for who, proof in zip((actor, key), proofs, strict=True):
        in_time = Proof(asked["deadlineS"], proof.issued_at_s, proof.signature)
        if not await gateway.client.has_signed(who, act.message.digest(), act.statement, in_time):
            raise GatewayError(Fault.BAD_SIGNATURE, "one of the two has not signed this")
    there, _ = await gateway.client.passport_of(key)
    if there not in (0, passport):
        raise GatewayError(Fault.CONFLICT, "this wallet is in another passport")
    job, _ = await people.bind_shown(
        gateway,
        actor,
        passport,
        people.account_of_key(key),
        act="private-link",
        subject=f"passport {passport}",
        key=key,
    )
    return job
