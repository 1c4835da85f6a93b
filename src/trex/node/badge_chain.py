"""`trex badge publish|grant|verify|re-execute|disclose`: badges on the chain and at a gateway."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson
from eth_account.signers.local import LocalAccount

from trex.badges.catalogue import EvidenceClass
from trex.badges.chain import verify as checks
from trex.badges.chain.contract import PUBLISH, HeldBadge, published_policy, token_of
from trex.badges.chain.evidence import MAX_EVIDENCE_BYTES, digest_of
from trex.badges.chain.statement import OUTCOMES, ReExecution, signers_of
from trex.badges.policy import Policy, PolicyError, read_policy
from trex.bridge.layer import Layer
from trex.node.badge_files import (
    EXIT_CODES,
    FILE,
    JSON,
    MARKS,
    bytes_of,
    chains_of,
    json_of,
    plain,
    policy_of,
)
from trex.node.keys import key_options
from trex.node.persona import GATEWAY, NODE, Place, opened, run
from trex.passport.private_link import read_private_link
from trex.sdk.gateway import PersonaGatewayError
from trex.sdk.wallets import EvmWallet
from trex.types.decision import Outcome, Reason, all_of
from trex.types.evm import SignatureError, checksum_address
from trex.types.primitives import Address, Hash32
from trex.types.strict_json import canonical_json
from trex.validators.check import check_fault
from trex.validators.onchain.source import EvmChain, EvmSource
from trex.validators.reexecute import Opened, Sources, reexecute
from trex.validators.zktls.disclosure import read_claim

PATH = click.Path(exists=True, dir_okay=False, path_type=Path)
POLICY = click.option("--policy", "policy_file", type=PATH, help="The policy; default is the gateway's.")
TOKEN = click.argument("token_id", metavar="BADGE", type=click.IntRange(1, 2**96 - 1))


@click.command()
@FILE
@click.option("--uri", help="Where the document can be read; default is the gateway's address for it.")
@NODE
@GATEWAY
@key_options
@JSON
def publish(
    policy_file: Path,
    uri: str | None,
    node_url: str,
    gateway_url: str,
    account: int | None,
    keystore: Path | None,
    as_json: bool,
) -> None:
    """Put POLICY's hash on the chain and its document at the gateway. What is there already stays.

    The signing account becomes its publisher: it alone may close it, and with it the policy has its number.
    """
    policy = policy_of(policy_file)
    for check in policy.checks():
        if fault := check_fault(check):
            raise click.ClickException(f"{policy_file}: POL-022 {check.validator}: {fault}")

    async def work() -> dict[str, Any]:
        async with opened(node_url, gateway_url) as place:
            return await publish_policy(place, policy, place.account(account, keystore), uri)

    found = run(work)
    if as_json:
        click.echo(json_of(found))
        return
    done = f"published in {found['transaction']}" if found["transaction"] else "on the chain already"
    click.echo(f"policy {found['id']}\n  document {found['document']}\n  {done}")
    if found["slug"]:
        click.echo(f"  the gateway grants under it: trex badge grant {found['slug']}")


async def publish_policy(
    place: Place, policy: Policy, who: LocalAccount, uri: str | None = None
) -> dict[str, Any]:
    """Put a policy on the chain and at the gateway; what is there already stays."""
    publisher = Address(bytes.fromhex(who.address[2:]))
    id_ = policy.policy_id(publisher)
    published, transaction = await published_policy(place.client, id_), ""
    if published is None:
        where = (
            uri
            if uri is not None
            else f"{place.gateway.url}/v1/policies/{id_.hex()}"
            if place.gateway
            else ""
        )
        is_public = policy.evidence_class is EvidenceClass.PUBLIC
        terms = (len(policy.levels), 1 if is_public else 2, policy.name, where)
        chain = Layer("the chain", place.client.rpc, place.client.contracts.chain_id, who)
        data = PUBLISH.call(policy.document_hash, *terms)
        receipt = await chain.send(place.client.contracts.policies, data)
        transaction = f"0x{receipt.transaction.hex()}"
    elif not published.active:
        raise click.ClickException(f"its publisher has closed policy 0x{id_.hex()}")
    slug = await place.gateway.take_policy(publisher, policy.document) if place.gateway else ""
    return {
        "id": f"0x{id_.hex()}",
        "publisher": who.address,
        "document": f"0x{policy.document_hash.hex()}",
        "transaction": transaction,
        "slug": slug,
    }


@click.command()
@click.argument("slug", metavar="POLICY")
@NODE
@GATEWAY
@key_options
@JSON
def grant(
    slug: str, node_url: str, gateway_url: str, account: int | None, keystore: Path | None, as_json: bool
) -> None:
    """Ask the gateway for the badge of POLICY, named as there or by number, for the signing key's passport.

    Evaluated, attested by the validator set, renewed if it is there. Exit code 1: refused; 3: undecided.
    """

    async def work() -> dict[str, Any]:
        async with opened(node_url, gateway_url) as place:
            who = EvmWallet(bytes(place.account(account, keystore).key))
            return await _grant(place, slug.removeprefix("0x"), who)

    try:
        found = run(work)
    except click.ClickException as error:
        fault = error.__cause__
        if isinstance(fault, PersonaGatewayError) and fault.code in ("refused", "undecided"):
            answer = {"outcome": fault.code, "reason": fault.message}
            click.echo(json_of(answer) if as_json else f"{fault.code}: {plain(fault.message)}")
            raise SystemExit(EXIT_CODES[Outcome(fault.code)]) from error
        raise
    if as_json:
        click.echo(json_of(found))
        return
    click.echo(f"badge {found['tokenId']} of passport {found['passport']}: level {found['level']},")
    click.echo(f"  {found['points']} points, evidence {found['evidence']}")


async def _grant(place: Place, slug: str, who: EvmWallet) -> dict[str, Any]:
    gateway = place.needed_gateway()
    signed_in = await gateway.sign_in(who)
    if signed_in.role != "acting":
        account = checksum_address(who.address)
        raise click.ClickException(f"{account} acts for no passport: make one at {gateway.url}/passport")
    granted = await gateway.grant(signed_in, slug)
    await gateway.done(signed_in, granted.job)
    listed = {one["slug"]: one["id"] for one in await gateway.policies()}
    policy = Hash32(bytes.fromhex(listed[slug][2:]))
    return {
        "outcome": "granted",
        "tokenId": await token_of(place.client, policy, signed_in.passport),
        "passport": signed_in.passport,
        "policy": listed[slug],
        "level": granted.level,
        "points": granted.points,
        "evidence": f"0x{granted.evidence.hex()}",
    }


@click.command()
@TOKEN
@POLICY
@NODE
@GATEWAY
@JSON
def verify(token_id: int, policy_file: Path | None, node_url: str, gateway_url: str, as_json: bool) -> None:
    """Verify BADGE on the chain: state, policy, who attested it, and its evidence where that is public.

    Exit code 0: everything holds; 1: something does not; 3: not everything could be looked at.
    """

    async def work() -> tuple[dict[str, Any], list[Reason]]:
        async with opened(node_url, gateway_url) as place:
            return await _verify(place, token_id, policy_file)

    head, steps = run(work)
    _tell(head, steps, as_json)


async def _verify(
    place: Place, token_id: int, policy_file: Path | None
) -> tuple[dict[str, Any], list[Reason]]:
    badge, client = await place.badge(token_id), place.client
    published = await published_policy(client, badge.policy)
    assert published is not None  # the contract grants under no other
    document = policy_of(policy_file) if policy_file else await _document(place, badge)
    steps = [checks.state_of(badge, await checks.case_of(client, badge))]
    steps += checks.policy_of(badge, published, document)
    attested, attestation = await checks.attestation_of(client, badge)
    steps.append(attested)
    if badge.is_public:
        kept = await _evidence(place, badge)
        steps.append(_digest(badge, kept) if kept else _missing("the gateway has no evidence of it"))
    head = _head(badge)
    if attestation is not None:
        head["transaction"] = f"0x{attestation.transaction.hex()}"
        head["signers"] = [checksum_address(one) for one in attestation.signers]
        head["threshold"] = attestation.threshold
    return head, steps


def _head(badge: HeldBadge) -> dict[str, Any]:
    return {
        "tokenId": badge.token_id,
        "name": badge.name,
        "passport": badge.passport,
        "policy": f"0x{badge.policy.hex()}",
        "level": badge.level,
        "points": badge.points,
        "state": badge.state.value,
        "evidence": f"0x{badge.evidence.hex()}",
        "evidenceClass": "public" if badge.is_public else "private",
        "validatorVersion": f"0x{badge.validator_version.hex()}",
        "attestedAtS": badge.attested_s,
        "expiresAtS": badge.expires_s,
        "setEpoch": badge.set_epoch,
    }


def _digest(badge: HeldBadge, kept: Opened) -> Reason:
    here = digest_of(kept.document, kept.salt)
    outcome = Outcome.GRANTED if here == badge.evidence else Outcome.REFUSED
    return Reason("evidence_digest", outcome, f"0x{here.hex()}", "BDG-003")


def _missing(why: str) -> Reason:
    return Reason("evidence_digest", Outcome.UNDECIDED, why, "BDG-003")


async def _document(place: Place, badge: HeldBadge) -> Policy | None:
    """The policy's document as the gateway has it; its hash says whether it is the chain's."""
    if place.gateway is None:
        return None
    slug = next(
        (one["slug"] for one in await place.gateway.policies() if one["id"] == f"0x{badge.policy.hex()}"),
        None,
    )
    if slug is None:
        return None
    try:
        return read_policy(await place.gateway.policy_document(slug))
    except PolicyError as error:
        raise click.ClickException(f"the gateway's document is no policy: {error}") from error


async def _evidence(place: Place, badge: HeldBadge) -> Opened | None:
    """Public evidence as the gateway has it; None where there is none."""
    if place.gateway is None:
        return None
    try:
        found = await place.gateway.ask("GET", f"/v1/evidence/0x{badge.evidence.hex()}")
    except PersonaGatewayError as error:
        if error.code == "not_found":
            return None
        raise
    return Opened(canonical_json(found["document"]), b"")


@click.command("re-execute")
@TOKEN
@POLICY
@click.option(
    "--disclosure", type=PATH, help="What the holder of private evidence shows (`trex badge disclose`)."
)
@click.option("--quorum", is_flag=True, help="Have the attestors re-execute it on the sealed evidence.")
@click.option(
    "--rpc", multiple=True, metavar="CHAIN=URL", help="Ask this endpoint about the chain; default is --node."
)
@click.option(
    "--trust", multiple=True, metavar="ADDRESS", help="Attestor of zkTLS claims, instead of Reclaim's."
)
@NODE
@GATEWAY
@JSON
def re_execute(
    token_id: int,
    policy_file: Path | None,
    disclosure: Path | None,
    quorum: bool,
    rpc: tuple[str, ...],
    trust: tuple[str, ...],
    node_url: str,
    gateway_url: str,
    as_json: bool,
) -> None:
    """Recompute BADGE's newest grant: ask what it rests on again, at the same blocks, and decide anew.

    Public evidence needs nobody's leave. Private evidence is shown by its holder (--disclosure), or
    re-executed by the attestors (--quorum). Exit code 0: the same again; 1: something differs; 3: not all
    could be asked.
    """
    chains = chains_of(rpc)
    trusted = tuple(_address(one) for one in trust)

    async def work() -> tuple[dict[str, Any], list[Reason]]:
        async with opened(node_url, gateway_url) as place:
            badge = await place.badge(token_id)
            if quorum:
                return _head(badge), [await _by_quorum(place, badge)]
            kept = _shown(disclosure) if disclosure else await _evidence(place, badge)
            if kept is None:
                held = "its holder shows it (--disclosure), or the attestors look at it (--quorum)"
                why = "the gateway has no evidence of it" if badge.is_public else f"private evidence: {held}"
                return _head(badge), [_missing(why)]
            document = policy_of(policy_file) if policy_file else await _document(place, badge)
            if document is None:
                return _head(badge), [Reason("policy", Outcome.UNDECIDED, "name it with --policy", "BDG-001")]
            asked = {one.chain_id: one for one in chains}
            here = place.client.contracts.chain_id
            asked.setdefault(here, EvmChain(here, (node_url,), 1))
            sources = {number: EvmSource(one, place.http) for number, one in asked.items()}
            again = Sources(sources, trusted=trusted) if trusted else Sources(sources)
            found = await reexecute(place.client, badge, document, kept, again)
            return _head(badge), list(found.steps)

    head, steps = run(work)
    _tell(head, steps, as_json)


def _address(text: str) -> Address:
    try:
        return Address(bytes.fromhex(text.removeprefix("0x")))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not an address", param_hint="--trust") from error


def _shown(file: Path) -> Opened:
    try:
        found = orjson.loads(bytes_of(file, 4 * MAX_EVIDENCE_BYTES))
        claims = tuple(read_claim(one) for one in found["claims"])
        links = tuple(read_private_link(one) for one in found["links"])
        salt = bytes.fromhex(found["salt"].removeprefix("0x"))
        return Opened(found["document"].encode(), salt, claims, links)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.ClickException(f"{file}: not a disclosure: {error}") from error


async def _by_quorum(place: Place, badge: HeldBadge) -> Reason:
    """Have the attestors re-execute, and check that enough of the set in force say so (BDG-054)."""
    found = await place.needed_gateway().ask("POST", f"/v1/badges/{badge.token_id}/re-executions")
    outcome = Outcome(found["outcome"])
    evidence, version = (Hash32(bytes.fromhex(found[name][2:])) for name in ("evidence", "validatorVersion"))
    number = OUTCOMES.index(outcome) + 1
    said = ReExecution(found["tokenId"], evidence, version, found["level"], number, found["atS"])
    in_force = await place.client.attestors()
    try:
        signers = signers_of(place.client.contracts, said, bytes.fromhex(found["signatures"][2:]))
    except SignatureError as error:
        return Reason("quorum", Outcome.REFUSED, str(error), "BDG-054")
    counted = set(signers) & set(in_force.members) - in_force.distrusted
    if (said.tokenId, said.evidence) != (badge.token_id, badge.evidence):
        return Reason("quorum", Outcome.REFUSED, "the statement is of another grant", "BDG-054")
    if len(counted) < in_force.threshold:
        message = f"{len(counted)} of {in_force.threshold} signatures of set {in_force.epoch}"
        return Reason("quorum", Outcome.REFUSED, message, "BDG-054")
    if outcome is Outcome.GRANTED and said.level != badge.level:
        return Reason("quorum", Outcome.REFUSED, f"level {said.level} follows, not {badge.level}", "BDG-054")
    message = (
        f"{len(counted)} of set {in_force.epoch} say {outcome}, level {said.level}, by 0x{version.hex()}"
    )
    return Reason("quorum", outcome, message, "BDG-054")


@click.command()
@TOKEN
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@NODE
@GATEWAY
@key_options
def disclose(
    token_id: int, file: Path, node_url: str, gateway_url: str, account: int | None, keystore: Path | None
) -> None:
    """Write what your BADGE rests on to FILE, for whom you want to re-execute it: it names your accounts."""

    async def work() -> Any:
        async with opened(node_url, gateway_url) as place:
            badge, gateway = await place.badge(token_id), place.needed_gateway()
            who = await gateway.sign_in(EvmWallet(bytes(place.account(account, keystore).key)))
            return await gateway.ask("GET", f"/v1/evidence/0x{badge.evidence.hex()}/disclosure", who=who)

    found = run(work)
    file.touch(0o600)
    file.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    click.echo(f"{file}: evidence of badge {token_id}")


def _tell(head: dict[str, Any], steps: Sequence[Reason], as_json: bool) -> None:
    """Print what was found and end with its exit code."""
    outcome = all_of(step.outcome for step in steps)
    if as_json:
        said = [
            {"code": one.code, "outcome": one.outcome.value, "message": one.message, "rule": one.rule}
            for one in steps
        ]
        click.echo(json_of({"outcome": outcome.value, "badge": head, "steps": said}))
    else:
        name = plain(str(head["name"]))
        click.echo(f"badge {head['tokenId']} ({name}) of passport {head['passport']}, level {head['level']}")
        for one in steps:
            click.echo(f"  {MARKS[one.outcome]} {one.code}: {plain(one.message)} [{one.rule}]")
        click.echo(outcome.value)
    raise SystemExit(EXIT_CODES[outcome])


COMMANDS = (publish, grant, verify, re_execute, disclose)
"""What `trex badge` has besides its own."""
