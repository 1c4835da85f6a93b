"""What may be observed of a run on a network, and where two networks differ in it."""

import re
from collections.abc import Iterator
from typing import Any

from tests.e2e.network import Network

DEPOSIT = "0x7e"
"""Transaction type of what T-Rex puts into blocks by itself."""
TRANSACTION = ("type", "from", "to", "nonce", "value", "input", "chainId", "accessList", "authorizationList")
RECEIPT = ("status", "type", "from", "to", "contractAddress", "gasUsed", "logsBloom")
FRAME = ("type", "from", "to", "value", "gasUsed", "input", "output", "error", "revertReason")
"""Of a call frame everything but its gas, which follows the sender's limit."""


def chosen(names: tuple[str, ...], document: dict[str, Any]) -> dict[str, Any]:
    """Return these fields of a document; a field that is null is as one that is not there."""
    return {name: document[name] for name in names if document.get(name) is not None}


def frame(call: dict[str, Any]) -> dict[str, Any]:
    """Return what two networks must agree on of one call and of those it made."""
    return {**chosen(FRAME, call), "calls": [frame(inner) for inner in call.get("calls", [])]}


def transactions(network: Network, first: int) -> list[dict[str, Any]]:
    """Return every transaction from a block on: itself, its receipt with logs, and the calls it made.

    Left out is what networks rightly differ in: block numbers, times, prices, gas limits, hence hashes.
    """
    found, times = [], set()
    for number in range(first, network.head() + 1):
        block = network.call("eth_getBlockByNumber", hex(number), True)
        receipts = network.call("eth_getBlockReceipts", hex(number))
        for transaction, receipt in zip(block["transactions"], receipts, strict=True):
            if transaction["type"] == DEPOSIT:
                continue
            assert receipt["transactionHash"] == transaction["hash"]
            trace = network.call("debug_traceTransaction", transaction["hash"], {"tracer": "callTracer"})
            times.add(int(block["timestamp"], 16))
            found.append(
                {
                    "transaction": chosen(TRANSACTION, transaction),
                    "receipt": chosen(RECEIPT, receipt),
                    "logs": [chosen(("address", "topics", "data"), log) for log in receipt["logs"]],
                    "trace": frame(trace),
                }
            )
    # Contracts keep and return the times of blocks.
    pattern = re.compile("|".join(f"{time:064x}" for time in times) or "$^")
    return [replaced(each, pattern) for each in found]


def replaced(document: Any, pattern: re.Pattern[str]) -> Any:
    """Return a document without the words that a pattern finds."""
    if isinstance(document, dict):
        return {key: replaced(value, pattern) for key, value in document.items()}
    if isinstance(document, list):
        return [replaced(value, pattern) for value in document]
    return pattern.sub("<time of a block>", document) if isinstance(document, str) else document


def without(document: Any, volatile: dict[str, int]) -> Any:
    """Return a document with each volatile word, as ABI encodes it or as a number, replaced by its name."""
    if isinstance(document, dict):
        return {key: without(value, volatile) for key, value in document.items()}
    if isinstance(document, list):
        return [without(value, volatile) for value in document]
    for name, word in volatile.items():
        if isinstance(document, str):
            document = re.sub(f"{word:064x}|^{word}$", f"<{name}>", document)
        elif document == word and type(document) is int:
            return f"<{name}>"
    return document


def differences(left: Any, right: Any, path: str = "") -> Iterator[str]:
    """Yield one line for each place in which two documents differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            yield from differences(left.get(key, "(absent)"), right.get(key, "(absent)"), f"{path}.{key}")
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif left != right:
        yield f"{path}: {short(left)} != {short(right)}"


def short(value: Any) -> str:
    """Return a value as text that fits a line."""
    text = str(value)
    return text if len(text) <= 300 else f"{text[:200]}... ({len(text)} characters)"
