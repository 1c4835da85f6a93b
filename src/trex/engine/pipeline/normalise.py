"""Normalise: an event -> facts, rows of the silver tables, whatever contract it is from."""

from collections.abc import Callable
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from trex.engine.ingest.events import Event
from trex.engine.pipeline.facts import Fact
from trex.engine.pipeline.persona import Rows, ShapeError, persona
from trex.types.network_file import keccak256

NOBODY = "0x" + "0" * 40
"""From whom mints come, and to whom burns go."""


def normalise(event: Event) -> list[Fact]:
    """Return what an event says.

    Raises:
        ShapeError: it names a known event and is not of its shape.
    """
    if event.kind == "evm.transaction":
        rows = list(_transaction(event))
    elif event.kind == "gateway.act":
        rows = [("acts", dict(event.payload)), *_consent(event)]
    else:
        topics = event.payload["topics"]
        read = READERS.get(topics[0]) if topics else None
        rows = list(read(event)) if read else persona(event)
    name = event.id if rows else ""
    return [
        Fact(table, f"{name}.{part}", event.block, event.position, event.weight, row)
        for part, (table, row) in enumerate(rows)
    ]


def _transaction(event: Event) -> Rows:
    told = event.payload
    sender, to, value = told["from"], told["to"], told["value"]
    failed = told["status"] == 0
    data = told["input"]
    selector = data[:10] if data is not None and len(data) >= 10 and to is not None else None
    yield (
        "transactions",
        {
            "hash": told["hash"],
            "type": told["type"],
            "sender": sender,
            "recipient": to,
            "value": value,
            "fee": told["fee"],
            "status": told["status"],
            "selector": selector,
            "created": told["created"],
        },
    )
    if to is not None and selector is not None and not failed:
        yield "calls", {"sender": sender, "contract": to, "selector": selector}
    if value not in (None, "0") and not failed:
        yield _transfer("native", NOBODY, sender, to or told["created"] or NOBODY, int(value))


CONSENT = "consent"
"""Action of a gateway's acts by which persons agree and withdraw."""


def _consent(event: Event) -> Rows:
    """A person's word: subject `PASSPORT/PURPOSE/PROJECT`, outcome `given` or `withdrawn` (CON-004)."""
    told = event.payload
    if told["action"] != CONSENT:
        return
    parts = told["subject"].split("/", 2)
    if len(parts) != 3 or not all(parts) or told["outcome"] not in ("given", "withdrawn"):
        raise ShapeError("not PASSPORT/PURPOSE/PROJECT, given or withdrawn")
    passport, purpose, project = parts
    given = told["outcome"] == "given"
    yield "consents", {"passport": passport, "purpose": purpose, "project": project, "given": given}


def _transfer(
    kind: str, asset: str, sender: str, recipient: str, amount: int, token_id: int | None = None
) -> tuple[str, dict[str, Any]]:
    return "transfers", {
        "kind": kind,
        "asset": asset,
        "token_id": None if token_id is None else str(token_id),
        "sender": sender,
        "recipient": recipient,
        "amount": str(amount),
        "value": float(amount),
    }


def _words(event: Event, count: int) -> list[int]:
    """Indexed and other arguments together, for events whose every argument is one word."""
    told = event.payload
    data = told["data"][2:]
    words = [int(topic, 16) for topic in told["topics"][1:]]
    words += [int(data[at : at + 64], 16) for at in range(0, len(data) - len(data) % 64, 64)]
    if len(words) != count or len(data) % 64:
        raise ShapeError(f"{len(words)} words, expected {count}")
    return words


def _address(word: int) -> str:
    if word >> 160:
        raise ShapeError("an address of more than twenty bytes")
    return f"0x{word:040x}"


def _moved(event: Event) -> Rows:
    """Transfer(address,address,uint256): ERC-20 where the last is data, else ERC-721 (FCT-001)."""
    sender, recipient, number = _words(event, 3)
    asset = event.payload["address"]
    # Before ERC-721 was final, collections indexed nothing; the best known is CryptoKitties.
    if len(event.payload["topics"]) == 4 or asset in UNINDEXED_COLLECTIONS:
        yield _transfer("erc721", asset, _address(sender), _address(recipient), 1, number)
    else:
        yield _transfer("erc20", asset, _address(sender), _address(recipient), number)


UNINDEXED_COLLECTIONS = frozenset({"0x06012c8cf97bead5deae237070f9587f8e7a266d"})
"""Collections whose transfers look like a token's but for their contract."""


def _single(event: Event) -> Rows:
    """TransferSingle(address,address,address,uint256,uint256) of ERC-1155."""
    _, sender, recipient, token_id, amount = _words(event, 5)
    yield _transfer(
        "erc1155", event.payload["address"], _address(sender), _address(recipient), amount, token_id
    )


def _several(event: Event) -> Rows:
    """TransferBatch(address,address,address,uint256[],uint256[]) of ERC-1155."""
    topics = event.payload["topics"]
    if len(topics) != 4:
        raise ShapeError(f"{len(topics)} topics, expected 4")
    ids, amounts = _decoded(event, ("uint256[]", "uint256[]"))
    if len(ids) != len(amounts):
        raise ShapeError(f"{len(ids)} numbers of tokens and {len(amounts)} amounts")
    sender, recipient = (_address(int(topic, 16)) for topic in topics[2:])
    for token_id, amount in zip(ids, amounts, strict=True):
        yield _transfer("erc1155", event.payload["address"], sender, recipient, amount, token_id)


WRAPPED = frozenset(
    {"0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "0x4200000000000000000000000000000000000006"}
)
"""Wrapped native coin: Ethereum's WETH9, the predeploy of rollups. Others mean other things by these."""


def _wrapped(event: Event) -> Rows:
    """Deposit(address,uint256) of WETH9: it mints without a Transfer."""
    if event.payload["address"] not in WRAPPED:
        return
    holder, amount = _words(event, 2)
    yield _transfer("wrapped", event.payload["address"], NOBODY, _address(holder), amount)


def _unwrapped(event: Event) -> Rows:
    """Withdrawal(address,uint256) of WETH9: it burns without a Transfer."""
    if event.payload["address"] not in WRAPPED:
        return
    holder, amount = _words(event, 2)
    yield _transfer("wrapped", event.payload["address"], _address(holder), NOBODY, amount)


def _decoded(event: Event, types: tuple[str, ...]) -> tuple[Any, ...]:
    try:
        return decode(types, bytes.fromhex(event.payload["data"][2:]))
    except (DecodingError, OverflowError, ValueError) as error:
        raise ShapeError(f"data is not ({','.join(types)}): {error}") from error


def _topic(signature: str) -> str:
    return "0x" + keccak256(signature.encode()).hex()


TRANSFER = _topic("Transfer(address,address,uint256)")
"""ERC-20 and ERC-721."""
READERS: dict[str, Callable[[Event], Rows]] = {
    TRANSFER: _moved,
    _topic("TransferSingle(address,address,address,uint256,uint256)"): _single,
    _topic("TransferBatch(address,address,address,uint256[],uint256[])"): _several,
    _topic("Deposit(address,uint256)"): _wrapped,
    _topic("Withdrawal(address,uint256)"): _unwrapped,
}
"""How to read logs, by their first topic."""
