"""Clean: a block as an endpoint or a file told it -> events in their schemas, and what is not one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from trex.engine.ingest.events import Block, Event
from trex.engine.ingest.schemas import SchemaError, check


@dataclass(slots=True)
class Cleaned:
    """What a raw record holds."""

    events: list[Event] = field(default_factory=list)
    """What could be read."""
    dead: list[tuple[str, bytes]] = field(default_factory=list)
    """What could not: the reason, and a raw record of just that (EVT-006)."""


def clean(value: bytes) -> Cleaned:
    """Read a raw record: {source, chain, weight, block, receipts, logs, acts}; blocks as in JSON-RPC."""
    done = Cleaned()
    try:
        raw = orjson.loads(value)
        block = _block(raw)
        weight = raw.get("weight", 1)
        if weight not in (1, -1):
            raise ValueError(f"weight {weight!r:.20}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        done.dead.append((f"not a block: {type(error).__name__}: {str(error)[:200]}", value))
        return done

    def part(**content: Any) -> bytes:
        """A raw record of the block with nothing but this."""
        header = {
            name: raw["block"][name] for name in ("number", "hash", "timestamp") if name in raw["block"]
        }
        header |= content.pop("block", {})
        shared = {"source": block.source, "chain": block.chain, "weight": weight, "block": header}
        return orjson.dumps(shared | content)

    def objects(name: str, where: Any, told: Any) -> list[dict[str, Any]]:
        """The objects of a list; what else is in it is dead."""
        if told is None:
            return []
        if not isinstance(told, list):
            done.dead.append((f"{name}: a list was expected", where(told)))
            return []
        others = [one for one in told if not isinstance(one, dict)]
        done.dead += [(f"{name}: an object was expected", where([one])) for one in others]
        return [one for one in told if isinstance(one, dict)]

    def add(kind: str, read: Any, where: Any, *given: Any) -> None:
        try:
            position, payload = read(*given)
            check(kind, 1, payload)
        except (SchemaError, KeyError, TypeError, ValueError, AttributeError) as error:
            done.dead.append((f"{kind}: {type(error).__name__}: {str(error)[:200]}", where()))
            return
        done.events.append(Event(block, kind, position, payload, 1, weight))

    receipts = {
        _name(one.get("transactionHash")): one
        for one in objects("receipts", lambda told: part(receipts=told), raw.get("receipts"))
    }
    transactions = objects(
        "transactions",
        lambda told: part(block={"transactions": told}),
        raw["block"].get("transactions"),
    )
    known = {_name(one.get("hash")) for one in transactions}
    # A receipt without its transaction tells less, not nothing.
    transactions += [
        {**one, "hash": one.get("transactionHash")} for name, one in receipts.items() if name not in known
    ]
    logs = objects("logs", lambda told: part(logs=told), raw.get("logs"))
    for one in transactions:
        receipt = dict(receipts.get(_name(one.get("hash")), {}))
        logs += objects("logs", lambda told: part(logs=told), receipt.pop("logs", None))

        def alone(one: dict[str, Any] = one, receipt: dict[str, Any] = receipt) -> bytes:
            return part(block={"transactions": [one]}, receipts=[receipt] if receipt else [])

        add("evm.transaction", _transaction, alone, one, receipt)
    for entry in logs:
        add("evm.log", _log, lambda entry=entry: part(logs=[entry]), entry, block.hash)
    acts = objects("acts", lambda told: part(acts=told), raw.get("acts"))
    for number, act in enumerate(acts):
        add("gateway.act", _act, lambda act=act: part(acts=[act]), act, number)
    done.events.sort(key=lambda event: event.position)
    return done


def _block(raw: Mapping[str, Any]) -> Block:
    header = raw["block"]
    number, name = _count(header["number"]), _lower(header["hash"])
    if not isinstance(raw["source"], str) or type(raw["chain"]) is not int or len(name or "") != 66:
        raise ValueError("source, chain or hash")
    time_s = header.get("timestamp")
    return Block(raw["source"], raw["chain"], number, name or "", None if time_s is None else _count(time_s))


def _transaction(
    told: Mapping[str, Any], receipt: Mapping[str, Any]
) -> tuple[tuple[int, int], dict[str, Any]]:
    used, price = receipt.get("gasUsed"), receipt.get("effectiveGasPrice")
    fee = None
    if used is not None and price is not None:
        fee = str(_count(used) * _count(price) + _count(receipt.get("l1Fee") or "0x0"))
    value = told.get("value")
    status = receipt.get("status")
    return (_count(told["transactionIndex"]), -1), {
        "hash": _lower(told["hash"]),
        "type": _count(told.get("type") or "0x0"),
        "from": _lower(told["from"]),
        "to": _lower(told.get("to")),
        "value": None if value is None else str(_count(value)),
        "input": _lower(told.get("input")),
        "status": None if status is None else _count(status),
        "fee": fee,
        "created": _lower(receipt.get("contractAddress")),
    }


def _log(told: Mapping[str, Any], block: str) -> tuple[tuple[int, int], dict[str, Any]]:
    if told.get("blockHash") is not None and _lower(told["blockHash"]) != block:
        raise ValueError("a log of another block")
    return (_count(told["transactionIndex"]), _count(told["logIndex"])), {
        "transaction": _lower(told["transactionHash"]),
        "address": _lower(told["address"]),
        "topics": [_lower(topic) for topic in told["topics"]],
        "data": _lower(told["data"]),
    }


def _act(told: dict[str, Any], number: int) -> tuple[tuple[int, int], dict[str, Any]]:
    return (number, -1), told


def _count(text: Any) -> int:
    if type(text) is int and text >= 0:
        return text
    if not isinstance(text, str) or not text.startswith("0x"):
        raise ValueError(f"{str(text)[:40]!r} is not a quantity")
    return int(text, 16)


def _lower(text: Any) -> str | None:
    return None if text is None else text.lower()


def _name(value: Any) -> str:
    """What transactions and their receipts are matched by, whatever stands there."""
    return str(value).lower()
