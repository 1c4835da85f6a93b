"""Reading L1 through endpoints of which some lie, stall, lag or change their mind."""

import dataclasses
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from tests.settlement.anvil_l1 import CHAIN_ID, AnsweredError, Anvil, Proxy, anvil, proxy

from trex.rpc.endpoint import Endpoint
from trex.settlement.l1.errors import L1RefusedError, L1ReorgedError, L1UnavailableError
from trex.settlement.l1.header import read_block
from trex.settlement.l1.reader import L1Reader, Log, Retries, read_log
from trex.settlement.l1.receipts import EMPTY_ROOT
from trex.settlement.l1.sender import read_receipt
from trex.types.primitives import Address, Hash32

QUICK = Retries(budget_s=0.5, first_wait_s=0.02)

# PUSH32 topic, PUSH0 PUSH0 LOG1: an event of one topic at each call.
TOPIC = b"\x11" * 32
LOGGER = bytes([0x7F]) + TOPIC + bytes([0x5F, 0x5F, 0xA1, 0x00])
AT = Address(b"\x10" * 20)


@pytest.fixture
async def node() -> AsyncIterator[Anvil]:
    async with anvil() as one:
        await one.call("anvil_setCode", "0x" + AT.hex(), "0x" + LOGGER.hex())
        yield one


@pytest.fixture
async def proxies(node: Anvil) -> AsyncIterator[list[Proxy]]:
    async with proxy(node.url) as first, proxy(node.url) as second, proxy(node.url) as third:
        yield [first, second, third]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as one:
        yield one


def reader_of(proxies: list[Proxy], session: aiohttp.ClientSession, first_s: float = 300.0) -> L1Reader:
    """A reader of these, which waits for the first so long, and for the others as long as it takes."""
    waits = [first_s, *(300.0 for _ in proxies[1:])]
    return L1Reader(
        [Endpoint(one.url, session, timeout_s=wait_s) for one, wait_s in zip(proxies, waits, strict=True)],
        CHAIN_ID,
        retries=QUICK,
    )


async def emit(node: Anvil) -> None:
    account = (await node.call("eth_accounts"))[0]
    await node.call("eth_sendTransaction", {"from": account, "to": "0x" + AT.hex()})


async def test_heads_are_those_of_the_chain(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession
) -> None:
    await node.mine(100)
    heads = await reader_of(proxies, session).heads()
    assert heads.latest.number == 100
    assert heads.finalized.number <= heads.safe.number <= heads.latest.number
    truth = await node.call("eth_getBlockByNumber", "latest", False)
    assert "0x" + heads.latest.hash.hex() == truth["hash"]


async def test_wrong_chain_is_refused_by_name(proxies: list[Proxy], session: aiohttp.ClientSession) -> None:
    reader = L1Reader([Endpoint(proxies[0].url, session, timeout_s=300)], 1, retries=QUICK)
    with pytest.raises(L1RefusedError, match=r"serves chain 31337, not 1") as caught:
        await reader.check_chain()
    assert caught.value.code == "wrong_chain"


async def test_block_with_changed_field_is_not_believed(node: Anvil) -> None:
    block = await node.call("eth_getBlockByNumber", "latest", False)
    assert read_block(block).number == 0
    for name, value in (("gasUsed", "0x1"), ("baseFeePerGas", "0x7"), ("parentHash", "0x" + "22" * 32)):
        with pytest.raises(L1UnavailableError, match="hashes to"):
            read_block({**block, name: value})


async def test_minority_that_lies_about_a_block_is_outvoted(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession
) -> None:
    await node.mine(5)

    def older(method: str, params: Any, result: Any) -> Any:
        return genesis if method == "eth_getBlockByNumber" else result

    genesis = await node.call("eth_getBlockByNumber", "0x0", False)
    honest = await reader_of(proxies, session).heads()
    proxies[0].fault = older
    reader = reader_of(proxies, session)
    assert (await reader.heads()).latest == honest.latest
    assert (await reader.block(3)).number == 3


async def test_majority_that_disagrees_gives_no_answer(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession
) -> None:
    answers = iter(range(1000))

    def random_word(method: str, params: Any, result: Any) -> Any:
        return f"0x{next(answers):064x}" if method == "eth_call" else result

    proxies[0].fault = proxies[1].fault = random_word
    reader = reader_of(proxies, session)
    block = await reader.block(0)
    with pytest.raises(L1UnavailableError) as caught:
        await reader.call(AT, b"", block)
    assert caught.value.code == "no_quorum"
    assert reader.disagreements > 0


async def test_endpoints_that_stall_fail_and_talk_nonsense_are_passed_over(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession
) -> None:
    await node.mine(3)
    proxies[0].stall_s = 30
    reader = reader_of(proxies, session, first_s=0.3)
    assert (await reader.heads()).latest.number == 3
    assert (await reader.block(Hash32((await reader.block(2)).hash))).number == 2
    proxies[0].stall_s, proxies[0].status = 0, 503
    assert (await reader.heads()).latest.number == 3
    proxies[0].status = 200
    proxies[0].fault = lambda method, params, result: {"nonsense": True}
    assert (await reader.heads()).latest.number == 3
    proxies[1].status = 503
    with pytest.raises(L1UnavailableError) as caught:
        await reader.heads()
    assert caught.value.code == "no_quorum"


async def test_block_by_hash_from_a_liar_is_taken_from_the_next(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession
) -> None:
    await node.mine(3)
    wanted = (await reader_of(proxies, session).block(2)).hash
    other = await node.call("eth_getBlockByNumber", "0x1", False)
    proxies[0].fault = lambda method, params, result: other
    assert (await reader_of(proxies, session).block(wanted)).number == 2


@pytest.mark.parametrize("depth", [1, 7, 64])
async def test_reorg_is_seen_and_the_new_branch_walked(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession, depth: int
) -> None:
    reader = reader_of(proxies, session)
    await node.mine(70)
    old = (await reader.heads()).latest
    below = await reader.block(70 - depth)
    await emit_on_branch(node, depth)
    new = (await reader.heads()).latest
    assert new.number >= old.number
    with pytest.raises(L1ReorgedError):
        await reader.chain_between(old, await mined(node, reader))
    chain = await reader.chain_between(below, new)
    assert [block.number for block in chain] == list(range(below.number + 1, new.number + 1))
    assert all(child.parent_hash == parent.hash for parent, child in pairwise(chain))


async def emit_on_branch(node: Anvil, depth: int) -> None:
    """Replace the newest blocks by others of other hashes."""
    await node.call("anvil_setCoinbase", "0x" + "77" * 20)
    await node.reorg(depth)


async def mined(node: Anvil, reader: L1Reader) -> Any:
    await node.mine(1)
    return (await reader.heads()).latest


async def test_logs_are_whole_in_order_and_of_these_blocks(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession
) -> None:
    reader = reader_of(proxies, session)
    start = await reader.block(0)
    for _ in range(6):
        await emit(node)
        await node.mine(2)
    blocks = await reader.chain_between(start, (await reader.heads()).latest)
    logs = await reader.logs(AT, [Hash32(TOPIC)], blocks, list)
    assert len(logs) == 6
    assert [log.block_number for log in logs] == sorted(log.block_number for log in logs)
    strange = [dataclasses.replace(block, hash=Hash32(b"\x01" * 32)) for block in blocks]
    with pytest.raises(L1UnavailableError, match="another block"):
        await reader.logs(AT, [Hash32(TOPIC)], strange[:8], list)
    # One that leaves a log out is passed over for the next.

    def forgetful(method: str, params: Any, result: Any) -> Any:
        return result[1:] if method == "eth_getLogs" else result

    def six(found: list[Log]) -> list[Log]:
        if len(found) != 6:
            raise L1UnavailableError("bad_answer", "a log is missing")
        return found

    proxies[0].fault = proxies[1].fault = forgetful
    assert await reader_of(proxies, session).logs(AT, [Hash32(TOPIC)], blocks, six) == logs
    # An endpoint that answers small ranges only is asked for them.

    def small(method: str, params: Any, result: Any) -> Any:
        if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) > 3:
            return {"too": "many"}
        return result

    for one in proxies:
        one.fault = small
    assert await reader.logs(AT, [Hash32(TOPIC)], blocks, list) == logs


async def test_receipts_prove_the_place_of_each_log(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession
) -> None:
    """DRV-067: whatever an endpoint alters, a block's logs are those that its header commits to, or none."""
    await node.call("evm_setAutomine", False)
    accounts = await node.call("eth_accounts")
    for at in range(140):  # positions whose RLP has one byte and two
        to = "0x" + (AT if at % 2 else b"\x77" * 20).hex()
        wish = {"from": accounts[at % 10], "to": to, "gasPrice": hex(10**10)}
        await node.call("eth_sendTransaction", wish if at % 3 else {**wish, "accessList": []})
    await node.mine()
    reader = reader_of(proxies, session)
    block, empty = await reader.block(1), await reader.block(0)
    logs = await reader.proven_logs(block)
    assert [(log.address, log.topics) for log in logs] == [(AT, (TOPIC,))] * 70
    assert (await reader.proven_logs(empty), empty.receipts_root) == ([], EMPTY_ROOT)

    def no_receipts_of_blocks(method: str, params: Any, result: Any) -> Any:
        if method == "eth_getBlockReceipts":
            raise AnsweredError(-32601, "the method does not exist")
        return result

    alone = reader_of(proxies[:1], session)
    proxies[0].fault = no_receipts_of_blocks
    assert await alone.proven_logs(block) == logs
    assert await alone.proven_logs(empty) == []
    refused: list[str] = []

    def one_by_one(method: str, params: Any, result: Any) -> Any:
        if method == "eth_getTransactionReceipt" and not refused:
            refused.append(method)
            raise AnsweredError(-32603, "too much at once")
        return no_receipts_of_blocks(method, params, result)

    proxies[0].fault = one_by_one
    assert await alone.proven_logs(block) == logs
    assert refused
    # All of a full block's may take longer than an answer does that is short.
    proxies[0].fault, proxies[0].stall_s = None, 1.0
    assert await reader_of(proxies[:1], session, first_s=0.1).proven_logs(block) == logs
    proxies[0].stall_s = 0.0

    def without_one(receipts: Any) -> None:
        del receipts[5]

    def status(receipts: Any) -> None:
        receipts[5]["status"] = "0x0"

    def data(receipts: Any) -> None:
        receipts[5]["logs"][0]["data"] = "0x01"

    def one_more(receipts: Any) -> None:
        receipts[4]["logs"] = receipts[5]["logs"]

    def moved(receipts: Any) -> None:
        receipts[4]["logs"], receipts[5]["logs"] = receipts[5]["logs"], []

    def of_type(receipts: Any) -> None:
        receipts[5]["type"] = "0x1"

    for change in (without_one, status, data, one_more, moved, of_type):

        def altered(method: str, params: Any, result: Any, change: Any = change) -> Any:
            if method == "eth_getBlockReceipts":
                change(result)
            return result

        proxies[0].fault = altered
        with pytest.raises(L1UnavailableError, match="receipts of block 1 hash to"):
            await alone.proven_logs(block)
        assert await reader_of(proxies, session).proven_logs(block) == logs


NONSENSE: list[Any] = [
    None,
    7,
    -1.5,
    2**63,
    True,
    "",
    "0x",
    "-0x1",
    "0x-1",
    "0xzz",
    "0x" + "ff" * 40,
    [],
    [7],
    {},
    {"0x": []},
]
"""What JSON can say, in the place of what belongs there."""


async def test_fields_of_any_type_are_bad_answers_and_nothing_else(node: Anvil) -> None:
    await emit(node)
    await node.mine()
    block = await node.call("eth_getBlockByNumber", "0x1", False)
    [event] = await node.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    receipt = await node.call("eth_getTransactionReceipt", event["transactionHash"])
    for told, read in ((block, read_block), (event, read_log), (receipt, read_receipt)):
        truth = read(told)
        assert truth == read(dict(told))
        for name in told:
            for value in NONSENSE:
                try:
                    found = read({**told, name: value})
                except L1UnavailableError:
                    continue
                assert read is not read_block or found == truth, (name, value)
        for value in NONSENSE:
            with pytest.raises(L1UnavailableError):
                read(value)


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
async def test_minority_that_answers_in_other_types_changes_nothing(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession, value: Any
) -> None:
    """DRV-066."""
    for _ in range(3):
        await emit(node)
    blocks = [await reader_of(proxies, session).block(number) for number in range(4)]

    def whole(method: str, params: Any, result: Any) -> Any:
        return value

    def fields(method: str, params: Any, result: Any) -> Any:
        if isinstance(result, list):
            return [fields(method, params, one) for one in result]
        return dict.fromkeys(result, value) if isinstance(result, dict) else value

    def numbers(method: str, params: Any, result: Any) -> Any:
        return {**result, "number": value} if isinstance(result, dict) else result

    for fault in (whole, fields, numbers):
        proxies[0].fault = fault
        reader = reader_of(proxies, session)
        await reader.check_chain()
        assert (await reader.heads()).latest == blocks[3]
        assert await reader.block(2) == await reader.block(blocks[2].hash) == blocks[2]
        assert await reader.chain_between(blocks[0], blocks[3]) == blocks[1:]
        assert await reader.code(AT, blocks[3]) == LOGGER
        assert await reader.call(AT, b"", blocks[3]) == b""
        assert await reader.balance(AT, blocks[3]) == 0

        def three(found: list[Log]) -> list[Log]:
            if len(found) != 3:
                raise L1UnavailableError("bad_answer", "a log is missing")
            return found

        assert len(await reader.logs(AT, [Hash32(TOPIC)], blocks, three)) == 3
        assert len(await reader.proven_logs(blocks[3])) == 1


async def test_reverting_call_is_a_refusal_with_its_data(
    node: Anvil, proxies: list[Proxy], session: aiohttp.ClientSession
) -> None:
    # MSTORE8 0xAB at 0, REVERT(0, 1)
    await node.call("anvil_setCode", "0x" + AT.hex(), "0x60ab5f5360015ffd")
    reader = reader_of(proxies, session)
    with pytest.raises(L1RefusedError) as caught:
        await reader.call(AT, b"", await reader.block(0))
    assert (caught.value.code, caught.value.data) == ("reverted", "0xab")
