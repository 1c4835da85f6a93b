"""Policies of others: taken once they stand on the chain (GTW-046)."""

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trex.badges.chain.contract import published_policy
from trex.badges.policy import PolicyError
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.keys import account_of
from trex.gateway.policies import Offer, fault_of, offer_of_publisher
from trex.gateway.service import Gateway
from trex.gateway.store.schema import policies
from trex.types.evm import checksum_address
from trex.types.primitives import Address, Hash32
from trex.web import audit


async def take(gateway: Gateway, publisher: Address, document: bytes) -> Offer:
    """Take a document whose hash its publisher has put on the chain.

    Raises:
        GatewayError: it is no policy, is not on the chain, or is of somebody whose do not count here.
    """
    try:
        offer = offer_of_publisher(publisher, document)
    except PolicyError as error:
        raise GatewayError(Fault.MALFORMED, f"not a policy: {error.rule} at {error.path}") from error
    if fault := fault_of(offer.policy):
        raise GatewayError(Fault.MALFORMED, f"nobody answers a check of it: {fault}")
    if publisher not in (*gateway.settings.publishers, account_of(gateway.keys.relayer)):
        # A badge's points count in the ledger, and its publisher names them.
        raise GatewayError(Fault.FORBIDDEN, f"policies of {checksum_address(publisher)} do not count here")
    published = await published_policy(gateway.client, offer.id)
    if published is None or not published.active:
        raise GatewayError(Fault.CONFLICT, "publish its hash on the chain first: it is not there, or closed")
    here = (offer.policy.name, len(offer.policy.levels), offer.evidence_class == 1)
    if here != (published.name, published.max_level, published.is_public):
        raise GatewayError(Fault.CONFLICT, "the chain has another name, number of levels or evidence class")
    if (known := next((one for one in gateway.offers.values() if one.id == offer.id), None)) is not None:
        return known
    async with gateway.database.transaction() as tx:
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        row = {"id": offer.id, "publisher": publisher, "document": document, "at_s": gateway.now_s}
        stored = dialect.insert(policies).values(**row).on_conflict_do_nothing()
        await tx.execute(stored)
        who = checksum_address(publisher)
        await audit.record(tx, gateway.now_s, who, "policy", f"0x{offer.id.hex()}", "taken")
    gateway.offers[offer.slug] = offer
    return offer


async def load(gateway: Gateway) -> None:
    """Offer again what was taken before."""
    async with gateway.database.transaction() as tx:
        rows = (await tx.execute(select(policies).order_by(policies.c.at_s))).all()
    for row in rows:
        offer = offer_of_publisher(Address(bytes(row.publisher)), bytes(row.document))
        gateway.offers.setdefault(offer.slug, offer)


async def offer_of(gateway: Gateway, slug: str) -> Offer:
    """Return a policy; another process over the same database may have taken it.

    Raises:
        GatewayError: none of that name is offered.
    """
    if (found := gateway.offers.get(slug)) is not None:
        return found
    if len(slug) == 64:
        await load(gateway)
    if (found := gateway.offers.get(slug)) is None:
        raise GatewayError(Fault.NOT_FOUND, "no such policy: GET /v1/policies lists them")
    return found


async def offer_of_id(gateway: Gateway, policy: Hash32) -> Offer:
    """Return a policy by its number on the chain.

    Raises:
        GatewayError: it is not offered here.
    """
    for offer in gateway.offers.values():
        if offer.id == policy:
            return offer
    return await offer_of(gateway, policy.hex())
