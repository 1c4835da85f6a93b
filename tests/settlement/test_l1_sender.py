"""Getting transactions and blobs onto L1, and blobs back from it."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.settlement.anvil_l1 import CHAIN_ID, KEYS, Anvil, anvil, proxy

from trex.rpc.endpoint import Endpoint
from trex.settlement.kzg import BLOB_BYTES, Sidecar, commit, make_sidecar, name_of, versioned_hash
from trex.settlement.l1.blobs import BeaconBlobs, Blobs, FolderBlobs, Together
from trex.settlement.l1.errors import L1RefusedError, L1UnavailableError
from trex.settlement.l1.reader import L1Reader, Retries
from trex.settlement.l1.sender import Pricing, Sender
from trex.settlement.l1.transaction import Fees, Intent, account_of, sign
from trex.types.primitives import Address, Gas, Hash32, Wei

TO = Address(b"\x42" * 20)
QUICK = Retries(budget_s=1.0, first_wait_s=0.02)
PATIENCE_S = 300.0
PATIENCE = Pricing(longest_wait_s=0.6, poll_s=0.02)


@pytest.fixture
async def node() -> AsyncIterator[Anvil]:
    async with anvil() as one:
        yield one


@pytest.fixture
async def reader(node: Anvil) -> AsyncIterator[L1Reader]:
    async with aiohttp.ClientSession() as session:
        yield L1Reader([Endpoint(node.url, session, timeout_s=300)], CHAIN_ID, retries=QUICK)


@pytest.fixture(scope="module")
def sidecars() -> list[Sidecar]:
    return [make_sidecar(blob_of(number)) for number in (1, 2)]


def blob_of(number: int) -> bytes:
    return b"".join(b"\x00" + bytes([number]) * 31 for _ in range(4096))


def sender_of(reader: L1Reader) -> Sender:
    return Sender(reader, account_of(KEYS[0]), pricing=PATIENCE)


def test_commitment_names_one_blob_only() -> None:
    name = versioned_hash(commit(blob_of(1)))
    assert name_of(blob_of(1)) == name
    assert name_of(blob_of(2)) != name
    assert name_of(b"\xff" * BLOB_BYTES) is None  # no field element
    assert name_of(b"") is None
    with pytest.raises(ValueError, match="131072 bytes, not 3"):
        commit(b"abc")


async def test_transfer_is_included_with_its_cost(reader: L1Reader) -> None:
    included = await sender_of(reader).send(Intent(TO, b"", Gas(21_000), Wei(5)))
    assert included is not None
    assert included.succeeded
    assert included.gas_used == 21_000
    assert included.cost_wei > 0


async def test_blobs_go_up_and_come_back_checked(
    node: Anvil, reader: L1Reader, sidecars: list[Sidecar], tmp_path: Path
) -> None:
    included = await sender_of(reader).send(Intent(TO, b"", Gas(50_000), sidecars=sidecars))
    assert included is not None
    assert included.succeeded
    block = await reader.block(included.block_number)
    names = [sidecar.versioned_hash for sidecar in sidecars]
    async with aiohttp.ClientSession() as session, proxy(node.url) as liar:
        honest = BeaconBlobs(node.url, session, slot_is_block=True, timeout_s=300)
        expected = [blob_of(1), blob_of(2)]
        assert await Blobs([honest], retries=Retries(attempts=1)).fetch(block, names) == expected
        assert await Blobs([honest], retries=QUICK).fetch(block, names[::-1]) == expected[::-1]

        def swap(path: str, _: Any, result: Any) -> Any:
            if "/blobs/" in path:
                result["data"] = ["0x" + blob_of(3).hex()] * 2
            return result

        liar.fault = swap
        lying = BeaconBlobs(liar.url, session, slot_is_block=True, timeout_s=300)
        with pytest.raises(L1UnavailableError, match="no source"):
            await Blobs([lying], retries=QUICK).fetch(block, names)
        folder = FolderBlobs(tmp_path / "blobs")
        folder.keep({names[1]: blob_of(2)})
        blobs = Blobs([lying, folder, honest], retries=QUICK)
        assert await blobs.fetch(block, names) == expected
        assert blobs.refused > 0
        mistaken: Any
        for mistaken in ({}, {"a": 1}, 5, True, None, "0x", [None], [5], [{}], [{"blob": []}], [[]]):
            liar.fault = lambda path, _, result, said=mistaken: {"data": said}
            assert await Blobs([lying, honest], retries=QUICK).fetch(block, names) == expected
            liar.fault = lambda path, _, result, said=mistaken: said
            assert await Blobs([lying, honest], retries=QUICK).fetch(block, names) == expected
        liar.fault, liar.status = None, 503
        assert await Blobs([lying, honest], retries=QUICK).fetch(block, names) == expected


class Counting(ThreadPoolExecutor):
    """Counts what it is given to do."""

    given = 0

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        self.given += 1
        return super().submit(*args, **kwargs)


class Broken:
    """A source that fails in a way that nobody foresaw."""

    async def fetch(self, block: Any, names: Any) -> list[bytes]:
        raise KeyError("no such thing")


class Stalling:
    """A source that never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def fetch(self, block: Any, names: Any) -> list[bytes]:
        self.asked += 1
        await asyncio.Event().wait()
        return []


async def test_source_that_stalls_is_not_waited_for_and_asked_last_from_then_on(
    sidecars: list[Sidecar], tmp_path: Path
) -> None:
    names = [sidecar.versioned_hash for sidecar in sidecars]
    folder, stalling = FolderBlobs(tmp_path / "blobs"), Stalling()
    folder.keep({names[0]: blob_of(1), names[1]: blob_of(2)})
    blobs = Blobs([stalling, folder], retries=Retries(attempts=1))
    blobs.slow_s = 0.05
    block: Any = None  # neither source looks at it
    for _ in range(3):
        assert await blobs.fetch(block, names) == [blob_of(1), blob_of(2)]
        assert stalling.asked == 1
        blobs.slow_s = PATIENCE_S  # nobody else is too slow, however busy the machine is


class Late:
    """A source whose answers take what they are told to."""

    def __init__(self, source: FolderBlobs, *takes_s: float) -> None:
        self.source, self.takes_s = source, list(takes_s)

    async def fetch(self, block: Any, names: Any) -> list[bytes]:
        await asyncio.sleep(self.takes_s.pop(0))
        return await self.source.fetch(block, names)


async def test_slow_source_that_is_the_quickest_there_is_is_not_doubled(
    sidecars: list[Sidecar], tmp_path: Path
) -> None:
    """What takes long over a thin line is not asked for from several, again and again."""
    names = [sidecar.versioned_hash for sidecar in sidecars]
    folder, stalling = FolderBlobs(tmp_path / "blobs"), Stalling()
    folder.keep({names[0]: blob_of(1), names[1]: blob_of(2)})
    late = Late(folder, 4.0, 0.2)
    blobs = Blobs([late, stalling], retries=Retries(attempts=1))
    blobs.slow_s = 0.05
    block: Any = None
    for _ in range(2):
        assert await blobs.fetch(block, names) == [blob_of(1), blob_of(2)]
        assert stalling.asked == 1


async def test_node_that_is_slow_to_name_commitments_is_not_asked_for_them_each_time(
    node: Anvil, reader: L1Reader, sidecars: list[Sidecar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trex.settlement.l1.blobs.COMMITMENTS_S", 0.05)
    block, path = await reader.block(0), "/eth/v1/beacon/blinded_blocks/0"
    async with aiohttp.ClientSession() as session, proxy(node.url) as beacon:
        beacon.pages["/eth/v1/beacon/blobs/0"] = {"data": ["0x" + one.blob.hex() for one in sidecars]}
        beacon.stalls, beacon.stall_s = path.encode(), 600.0
        source = BeaconBlobs(beacon.url, session, slot_is_block=True, timeout_s=300)
        blobs = Blobs([source], retries=QUICK)
        for _ in range(3):
            found = await blobs.fetch(block, [one.versioned_hash for one in sidecars])
            assert found == [blob_of(1), blob_of(2)]
        assert beacon.asked.count(path) == 1


class Strewing:
    """A source that gives other blobs, as many as it likes."""

    async def fetch(self, block: Any, names: Any) -> list[bytes]:
        return [blob_of(place) for place in range(10, 20)]


async def test_other_blobs_than_those_asked_for_cost_little(
    sidecars: list[Sidecar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trex.settlement.l1.blobs.STRAY_BLOBS", 2)
    block: Any = SimpleNamespace(number=1)
    with Counting(1) as executor:
        blobs = Blobs([Strewing()], retries=Retries(attempts=1), executor=executor)
        with pytest.raises(L1UnavailableError, match="no source"):
            await blobs.fetch(block, [sidecars[0].versioned_hash])
    assert (executor.given, blobs.refused) == (3, 3)


async def test_each_blob_is_committed_to_once_and_other_sidecars_not_at_all(
    node: Anvil, reader: L1Reader, sidecars: list[Sidecar]
) -> None:
    """Commitments are what costs: a source that sends much may not make reading cost its square."""
    block = await reader.block(0)
    foreign, *wanted = [make_sidecar(blob_of(3)), *sidecars]
    names = [one.versioned_hash for one in wanted]
    told = [
        {"blob": "0x" + one.blob.hex(), "kzg_commitment": "0x" + one.commitment.hex()}
        for one in (foreign, *wanted[::-1], foreign)
    ]
    async with aiohttp.ClientSession() as session, proxy(node.url) as beacon:
        source = BeaconBlobs(beacon.url, session, slot_is_block=True, timeout_s=300)
        with Counting(1) as executor:
            for said, commitments, refused in ((told, 1, 0), ([one["blob"] for one in told], 3, 1)):
                beacon.fault = lambda path, _, result, said=said: {"data": said}
                executor.given = 0
                blobs = Blobs([Broken(), source], retries=QUICK, executor=executor)
                assert await blobs.fetch(block, names) == [blob_of(1), blob_of(2)]
                assert (executor.given, blobs.refused) == (commitments, refused)


@pytest.mark.parametrize(("count", "honest"), [(1, True), (2, True), (2, False)])
async def test_blobs_of_a_block_that_names_commitments_are_checked_together(
    node: Anvil, reader: L1Reader, sidecars: list[Sidecar], count: int, honest: bool
) -> None:
    """DRV-068: one computation for all; where it does not hold, each blob by itself."""
    block = await reader.block(0)
    sidecars = sidecars[:count]
    names = [one.versioned_hash for one in sidecars]
    foreign = make_sidecar(blob_of(3))
    listed = ["0x" + one.commitment.hex() for one in (foreign, *sidecars)]
    said = ["0x" + one.blob.hex() for one in (sidecars if honest else sidecars[::-1])]
    async with aiohttp.ClientSession() as session, proxy(node.url) as beacon:
        beacon.pages["/eth/v1/beacon/blobs/0"] = {"data": said}
        body = {"blob_kzg_commitments": listed}
        beacon.pages["/eth/v1/beacon/blinded_blocks/0"] = {"data": {"message": {"body": body}}}
        with Counting(1) as executor:
            source = BeaconBlobs(beacon.url, session, slot_is_block=True, timeout_s=300)
            blobs = Blobs([source], retries=QUICK, executor=executor)
            assert await blobs.fetch(block, names) == [blob_of(1), blob_of(2)][:count]
            assert executor.given == (1 if honest else 3)
            assert beacon.asked.count("/eth/v1/beacon/blinded_blocks/0") == 1


@pytest.mark.parametrize("hears_one", [True, False])
async def test_blobs_are_asked_for_in_one_list_only_where_a_node_hears_the_last_of_several_names(
    reader: L1Reader, sidecars: list[Sidecar], hears_one: bool
) -> None:
    """Else each blob would come by a try of its own, after a wait, and be committed to by itself."""
    block = await reader.block(0)
    blobs = {f"0x{one.versioned_hash.hex()}": f"0x{one.blob.hex()}" for one in sidecars}
    asked: list[list[str]] = []

    async def answer(request: web.Request) -> web.Response:
        if "/blobs/" not in request.path:
            return web.Response(status=404)
        names = request.query.getall("versioned_hashes")
        asked.append(names)
        heard = names[-1].split(",") if hears_one else names
        return web.json_response({"data": [blobs[name] for name in heard if name in blobs]})

    beacon = web.Application()
    beacon.router.add_get("/{path:.*}", answer)
    async with aiohttp.ClientSession() as session, TestServer(beacon) as server:
        names = [one.versioned_hash for one in sidecars]
        source = BeaconBlobs(str(server.make_url("/")), session, slot_is_block=True, timeout_s=300)
        for _ in range(2):
            assert await Blobs([source], retries=Retries(attempts=1)).fetch(block, names) == [
                blob_of(1),
                blob_of(2),
            ]
        repeated, listed = list(blobs), [",".join(blobs)]
        assert asked == ([repeated, listed, listed] if hears_one else [repeated, repeated])
        asked.clear()
        with pytest.raises(L1UnavailableError):
            await Blobs([source], retries=Retries(attempts=1)).fetch(block, [*names, Hash32(bytes(32))])
        assert len(asked) == (1 if hears_one else 2), "a blob that is not there changes nothing"


async def test_blobs_of_several_blocks_are_checked_in_one_and_a_wrong_one_harms_no_other(
    sidecars: list[Sidecar],
) -> None:
    """DRV-068."""
    one, two = sidecars
    right = [([each.blob] * 2, [each.commitment] * 2) for each in (one, two, one)]
    wrong = ([one.blob, two.blob], [two.commitment, one.commitment])
    with Counting(1) as executor:
        together = Together(executor)
        asked = [asyncio.create_task(together.are_committed(*each)) for each in right]
        assert await asyncio.gather(*asked) == [True] * 3
        assert executor.given == 1
        asked = [asyncio.create_task(together.are_committed(*each)) for each in (*right, wrong)]
        left = asyncio.create_task(together.are_committed(*wrong))
        await asyncio.sleep(0)
        left.cancel()
        assert await asyncio.gather(*asked) == [True, True, True, False]
        assert await together.are_committed(*right[0]), "after all were told the next is heard"


async def test_stuck_transaction_is_replaced_by_a_dearer_one(node: Anvil, reader: L1Reader) -> None:
    await node.call("evm_setAutomine", False)
    sending = asyncio.create_task(sender_of(reader).send(Intent(TO, b"", Gas(21_000), Wei(7))))
    offers: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(offers) < 3:
            pool = await node.call("txpool_content")
            pending = [one for nonces in pool["pending"].values() for one in nonces.values()]
            assert len(pending) <= 1, "a replacement stands in the place of what it replaces"
            offers += [fee for one in pending if (fee := int(one["maxFeePerGas"], 16)) not in offers]
            await asyncio.sleep(0.05)
    assert offers == sorted(offers)
    await node.mine()
    included = await sending
    assert included is not None
    assert included.succeeded
    assert await node.call("eth_getBalance", "0x" + TO.hex(), "latest") == "0x7"


async def test_what_was_sent_before_a_kill_is_not_sent_twice(node: Anvil, reader: L1Reader) -> None:
    await node.call("evm_setAutomine", False)
    account = account_of(KEYS[0])
    fees = Fees(Wei(10**11), Wei(10**10))
    before = sign(Intent(TO, b"", Gas(21_000), Wei(1)), account, CHAIN_ID, 0, fees)
    await node.call("eth_sendRawTransaction", "0x" + before.raw.hex())
    # The new life knows nothing of it and wants the same thing.
    looked = asyncio.Event()

    async def wanted() -> bool:
        looked.set()  # it has seen which nonce is next, and that something lies in the pool
        return True

    intent = Intent(TO, b"", Gas(21_000), Wei(1))
    sending = asyncio.create_task(sender_of(reader).send(intent, wanted=wanted))
    await asyncio.wait_for(looked.wait(), PATIENCE_S)
    await node.mine()
    await sending
    await node.mine()
    assert await node.call("eth_getBalance", "0x" + TO.hex(), "latest") == "0x1"


async def test_want_of_funds_is_a_refusal(node: Anvil, reader: L1Reader) -> None:
    await node.call("anvil_setBalance", account_of(KEYS[0]).address, "0x0")
    with pytest.raises(L1RefusedError, match=r"(?i)insufficient funds"):
        await sender_of(reader).send(Intent(TO, b"", Gas(21_000)))


async def test_unwanted_intent_is_given_up(node: Anvil, reader: L1Reader) -> None:
    await node.call("evm_setAutomine", False)

    async def never() -> bool:
        return False

    assert await sender_of(reader).send(Intent(TO, b"", Gas(21_000)), wanted=never) is None


async def test_blob_source_without_a_block_says_not_found(node: Anvil, reader: L1Reader) -> None:
    async with aiohttp.ClientSession() as session:
        blobs = Blobs([BeaconBlobs(node.url, session, slot_is_block=True, timeout_s=300)], retries=QUICK)
        with pytest.raises(L1UnavailableError):
            await blobs.fetch(await reader.block(0), [Hash32(b"\x01" + b"\x00" * 31)])
