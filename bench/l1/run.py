"""Gas of transactions to the contracts of L1, as receipts on a real chain say it.

`python bench/l1/run.py --out bench/l1/results.md` starts anvil, brings the contracts there, and does each
thing once or a few times. Figures are of the whole transaction, calldata and the 21,000 included: the
snapshots in contracts/snapshots are of calls alone, and warm.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.settlement.anvil_l1 import KEYS
from tests.settlement.rollup import Rollup, rollup
from tests.settlement.test_deploy import TIMING, address_of

from trex.settlement.contracts import contract
from trex.settlement.deployment import Accounts
from trex.settlement.kzg import make_sidecar
from trex.settlement.l1.transaction import Intent
from trex.types.primitives import Address, Gas, Wei

if TYPE_CHECKING:
    from trex.settlement.l1.sender import Included

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "vectors" / "withdrawals.json").read_text())
OP = {
    "deposit by the portal": "74,964 (a)",
    "deposit of ether by the bridge, first": "467,041 (b)",
    "append a batch of 1 blob": "21,000 (c)",
    "append a batch of 6 blobs": "21,000 (c)",
    "claim an output": "68,671 (d)",
}
HEAD = """\
# Gas on L1
`PYTHONPATH=src python bench/l1/run.py --out bench/l1/results.md`: receipts of transactions on anvil (Osaka),
calldata and the 21,000 of every transaction included. Deposits at the least price of their gas, with an L1
base fee below 1 gwei.

| act | gas | blob gas | OP Stack's published figure |
|---|---|---|---|
"""
FOOT = """
Figures of the OP Stack are from its repository's gas snapshots (`packages/contracts-bedrock`), which count
a call inside a test: neither calldata nor the 21,000 are in them, and what deposits burn is.
(a) `GasBenchMark_OptimismPortal:test_depositTransaction_benchmark` and
(d) `GasBenchMark_L2OutputOracle:test_proposeL2Output_benchmark` at commit 0020adc2, before dispute games;
(b) `GasBenchMark_L1StandardBridge_Deposit:test_depositETH_benchmark_0` at commit 01601925.
(c) is no snapshot: its batches go to an address without code, which costs the 21,000 alone. Ours pay for a
slot of storage and for reading origin, deposits and sequencers: so a proof of a batch starts from one hash.
Of proving, finalising and claims by dispute games it publishes no figures.
"""


def blob(number: int) -> bytes:
    """Return a blob's bytes that no other has."""
    return bytes([0, number]) * 65_536


def hexed(value: str) -> bytes:
    """Read 0x-hex."""
    return bytes.fromhex(value[2:])


async def measure() -> list[tuple[str, Included]]:
    """Do everything once, in an order in which it can be done."""
    proposer = address_of(KEYS[0])
    accounts = Accounts(
        operator=proposer,
        sequencer=address_of(KEYS[1]),
        proposer=proposer,
        disputer=Address(b"\x04" * 20),
        governor=Address(b"\x05" * 20),
    )
    done: list[tuple[str, Included]] = []
    async with rollup(accounts=accounts) as one:
        done += await _deposits(one)
        done += await _batches(one)
        done += await _withdrawal(one)
    return done


async def _deposits(one: Rollup) -> list[tuple[str, Included]]:
    first = await one.deposit(10**18)
    again = await one.deposit(10**18)
    large = await one.deposit(10**18, gas=1_000_000, data=b"\x11" * 1_000)
    names = {name: hexed(str(address)) for name, address in json.loads(one.text)["l1"]["contracts"].items()}
    bridge = names["l1StandardBridge"]
    calls = [contract("L1StandardBridge").call("depositETH", 200_000, b"") for _ in range(2)]
    bridged = [
        await one.sent(one.user, Intent(Address(bridge), call, Gas(1_500_000), Wei(10**18))) for call in calls
    ]
    return [
        ("deposit by the portal, the first ever", first),
        ("deposit by the portal", again),
        ("deposit by the portal with 1,000 bytes and a million gas on L2", large),
        ("deposit of ether by the bridge, first", bridged[0]),
        ("deposit of ether by the bridge", bridged[1]),
    ]


async def _batches(one: Rollup) -> list[tuple[str, Included]]:
    await one.append(0, [blob(200)])  # the first writes storage that is zero
    done = []
    for count in range(1, 7):
        sidecars = [make_sidecar(blob(10 * count + place)) for place in range(count)]
        appended = await one.append(count, sidecars)
        done.append((f"append a batch of {count} blob{'s' if count > 1 else ''}", appended))
    await one.silence()
    await one.node.mine(1)
    return [*done, ("force an empty batch in", await one.force())]


async def _withdrawal(one: Rollup) -> list[tuple[str, Included]]:
    deployed = {n: Address(hexed(a)) for n, a in json.loads(one.text)["l1"]["contracts"].items()}
    case: dict[str, Any] = VECTORS["withdrawals"][3]
    count = one_of(await one.node.call("eth_call", *_view(deployed["inbox"], "Inbox", "batchCount")))
    accumulator = hexed(
        await one.node.call("eth_call", *_view(deployed["inbox"], "Inbox", "accumulatorAt", count))
    )
    claim = contract("MaturingClaims").call("propose", hexed(case["outputRoot"]), 1, count, accumulator)
    claimed = await one.sent(one.user, Intent(deployed["outputClaims"], claim, Gas(800_000)))
    withdrawal = (
        int(str(case["nonce"]), 0),
        hexed(case["sender"]),
        hexed(case["target"]),
        int(str(case["value"]), 0),
        int(str(case["gasLimit"]), 0),
        hexed(case["data"]),
    )
    output = (bytes(32), hexed(case["stateRoot"]), hexed(case["storageRoot"]), hexed(case["blockHash"]))
    portal = deployed["portal"]
    prove = contract("Portal").call(
        "proveWithdrawalTransaction", withdrawal, 0, output, [hexed(node) for node in case["proof"]]
    )
    proven = await one.sent(one.user, Intent(portal, prove, Gas(1_000_000)))
    await one.node.call("evm_increaseTime", 10 * TIMING.dispute_window_s)
    await one.node.mine()
    await one.node.call("anvil_setBalance", "0x" + portal.hex(), hex(2**120))
    finalize = contract("Portal").call("finalizeWithdrawalTransaction", withdrawal)
    gas = Gas(1_000_000 + withdrawal[4])
    finalized = await one.sent(one.user, Intent(portal, finalize, gas))
    return [
        ("claim an output", claimed),
        ("prove a withdrawal, one of 300", proven),
        ("carry a withdrawal of ether out", finalized),
    ]


def _view(address: Address, name: str, function: str, *arguments: object) -> tuple[dict[str, str], str]:
    call = contract(name).call(function, *arguments)
    return {"to": "0x" + address.hex(), "data": "0x" + call.hex()}, "latest"


def one_of(answer: str) -> int:
    """Read a number that a view returned."""
    return int(answer, 16)


def table(done: list[tuple[str, Included]]) -> str:
    """Return the page."""
    rows = []
    for name, included in done:
        blobs = f"{included.blob_gas_used:,}" if included.blob_gas_used else ""
        rows.append(f"| {name} | {included.gas_used:,} | {blobs} | {OP.get(name, '')} |")
    return HEAD + "\n".join(rows) + "\n" + FOOT


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, help="file to write")
    out: Path | None = parser.parse_args().out
    page = table(asyncio.run(measure()))
    if out is None:
        print(page)
    else:
        out.write_text(page)


if __name__ == "__main__":
    main()
