"""Answer a policy's checks of what wallets did at contracts, by events and by calls."""

import re
from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal

from trex.badges.observation import Observation
from trex.badges.policy import CheckCondition
from trex.types.primitives import Address
from trex.validators.onchain.activity import (
    ActivityEvidence,
    SignatureError,
    Where,
    count,
    days,
    read_signature,
    since_first_s,
    since_last_s,
    streak,
    volume,
)
from trex.validators.onchain.answers import BlockRef
from trex.validators.onchain.collect_activity import collect_activity, collect_arrival
from trex.validators.onchain.collect_calls import VALUE, collect_calls
from trex.validators.onchain.method import MethodSignature, read_method
from trex.validators.onchain.place import source_name
from trex.validators.onchain.source import EvmSource

DAY_S = 86_400


async def answer_web3(
    check: CheckCondition,
    source: EvmSource,
    wallets: Collection[Address],
    block: BlockRef | None,
    since_s: int | None,
) -> Observation:
    """Answer one `web3.` check as of one block.

    Args:
        check: the question.
        source: the chain.
        wallets: all that the passport has linked.
        block: as of which; None for the newest that is final.
        since_s: Unix time before which nothing counts; None for all.

    Raises:
        SourceError: the facts cannot be had.
        SignatureError: the event or method is none, or has no such argument.
    """
    asked = check.parameters
    if "event" not in asked:
        return await _answer_calls(check, source, wallets, block, since_s)
    contract, event = Address(bytes.fromhex(asked["contract"][2:])), read_signature(asked["event"])
    conditions = [Where(one["argument"], one["word"], one["value"]) for one in asked.get("where", ())]
    if check.validator in ("web3.rank", "web3.first-block"):
        came_first = await collect_arrival(
            source, wallets, contract, event, asked["actor"], where=conditions, block=block
        )
        found = came_first.rank if check.validator == "web3.rank" else came_first.first_block
        when, name = came_first.block.timestamp_s, source_name(source.chain.chain_id, came_first.block)
        if found is None:  # it may come yet: no place is not a bad place
            return Observation(None, when, name, "no such event")
        return Observation(Decimal(found), when, name, f"{found}, of {len(came_first.wallets)} wallets")
    evidence = await collect_activity(
        source,
        wallets,
        contract,
        event,
        asked["actor"],
        where=conditions,
        history_s=asked["days"] * DAY_S if "days" in asked else None,
        block=block,
    )
    if check.validator == "web3.volume":
        _check_number(asked["argument"], event.argument(asked["argument"]).type)
    return _counted(check, source, evidence, since_s)


async def _answer_calls(
    check: CheckCondition,
    source: EvmSource,
    wallets: Collection[Address],
    block: BlockRef | None,
    since_s: int | None,
) -> Observation:
    asked = check.parameters
    method = method_of(check)
    evidence = await collect_calls(
        source,
        wallets,
        Address(bytes.fromhex(asked["contract"][2:])),
        method,
        inside=asked["depth"] == "inside",
        where=[Where(one["argument"], one["word"], one["value"]) for one in asked.get("where", ())],
        history_s=asked["days"] * DAY_S if "days" in asked else None,
        block=block,
    )
    return _counted(check, source, evidence, since_s)


def method_of(check: CheckCondition) -> MethodSignature | None:
    """Read the method that a check of calls asks about; None if it asks about any.

    Raises:
        SignatureError: it is none, or has no such arguments as the check names.
    """
    asked = check.parameters
    method = read_method(asked["method"]) if "method" in asked else None
    names = [one["argument"] for one in asked.get("where", ())]
    for name in (*names, asked.get("argument", VALUE)):
        if name == VALUE:
            continue
        if method is None:
            raise SignatureError(f"without a method there is no argument {name[:64]!r}, {VALUE} alone")
        kind = method.type_of(name)
        if name == asked.get("argument"):
            _check_number(name, kind)
    return method


def _check_number(name: str, kind: str) -> None:
    if not re.fullmatch(r"u?int[0-9]+", kind):
        raise SignatureError(f"{name} is of type {kind}: there is nothing to add up")


def _counted(
    check: CheckCondition, source: EvmSource, evidence: ActivityEvidence, since_s: int | None
) -> Observation:
    """The answer to a question about what wallets did."""
    if since_s is not None:
        acts = tuple(act for act in evidence.acts if act.timestamp_s >= since_s)
        evidence = replace(evidence, acts=acts)
    value = _web3_value(check, evidence)
    where = source_name(source.chain.chain_id, evidence.block)
    if value is None:
        what = "event" if "event" in check.parameters else "call"
        return Observation(None, evidence.block.timestamp_s, where, f"no such {what}")
    reason = f"{value:f} over {len(evidence.wallets)} wallets"
    return Observation(value, evidence.block.timestamp_s, where, reason)


def _web3_value(check: CheckCondition, evidence: ActivityEvidence) -> Decimal | None:
    if check.validator in ("web3.volume", "web3.call-volume"):
        return volume(evidence, check.parameters["argument"])
    answers = {
        "web3.events": count,
        "web3.days": days,
        "web3.streak": streak,
        "web3.since-first": since_first_s,
        "web3.since-last": since_last_s,
        "web3.calls": count,
        "web3.call-days": days,
        "web3.call-streak": streak,
        "web3.since-first-call": since_first_s,
        "web3.since-last-call": since_last_s,
    }
    found = answers[check.validator](evidence)
    return None if found is None else Decimal(found)


def signature_fault(check: CheckCondition) -> str:
    """Say why no contract could answer a check of events or calls; empty if one could (POL-022)."""
    asked = check.parameters
    if not check.validator.startswith("web3."):
        return ""
    try:
        if "event" not in asked:
            method_of(check)
            return ""
        event = read_signature(asked["event"])
        if (actor := event.argument(asked["actor"])).type != "address":
            return f"the actor {actor.name} is of type {actor.type}, not address"
        for one in asked.get("where", ()):
            event.argument(one["argument"])
        if "argument" in asked:
            _check_number(asked["argument"], event.argument(asked["argument"]).type)
    except SignatureError as error:
        return str(error)
    return ""
