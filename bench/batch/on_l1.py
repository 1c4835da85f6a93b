"""Post 10,000 micro-transactions in one batch to a real L1, and say what L1 takes for each.

`python bench/batch/on_l1.py` starts anvil with the network's contracts, a node and the batcher as in
`trex devnet`, funds 1,000 users, lets them send ten transfers each to one another, posts all of it in one
batch, derives the chain again from L1 alone, and prints a row for bench/batch/results.md. What L1 takes does
not depend on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.settlement.sequencing import CHAIN, GAS_PRICE, Sequencing, sequencing  # noqa: E402

from trex._core import sign_transaction  # noqa: E402, TID251
from trex.chain.dev.accounts import ACCOUNTS  # noqa: E402
from trex.settlement.l1.transaction import account_of  # noqa: E402
from trex.settlement.posting import Policy  # noqa: E402

FUNDS_WEI = 3 * 10**18
AT_ONCE = 500
"""Transactions submitted together."""


def transfer(key: bytes, nonce: int, to: str, value: int) -> str:
    """Sign a transfer."""
    request = {
        "chainId": hex(CHAIN),
        "type": "0x2",
        "nonce": hex(nonce),
        "to": to,
        "value": hex(value),
        "gas": hex(21_000),
        "maxFeePerGas": hex(GAS_PRICE),
        "maxPriorityFeePerGas": "0x1",
        "input": "0x",
        "accessList": [],
    }
    return sign_transaction(json.dumps(request).encode(), key)


async def include(system: Sequencing, signed: list[str]) -> int:
    """Put transactions into blocks; return how many blocks."""
    made = 0
    for start in range(0, len(signed), AT_ONCE):
        for answer in system.chain.submit(signed[start : start + AT_ONCE]):
            assert isinstance(answer, str), answer
        while system.chain.pool_len()[0]:
            await system.block(0)
            made += 1
    return made


async def measure(users: int, count: int) -> None:
    """Do it all once."""
    chance = random.Random(1)
    keys = [chance.randbytes(32) for _ in range(users)]
    addresses = [account_of(key).address for key in keys]
    with tempfile.TemporaryDirectory() as folder:
        async with sequencing(Path(folder)) as system:
            batcher = system.batcher(Policy(target_age_s=0.0, max_age_s=0.0, max_blobs=6))
            rich = bytes.fromhex(ACCOUNTS[5].private_key[2:])
            await include(
                system, [transfer(rich, nonce, to, FUNDS_WEI) for nonce, to in enumerate(addresses)]
            )
            await system.post_all(batcher)
            nonces = [0] * users
            signed = []
            for _ in range(count):
                user = chance.randrange(users)
                to, value = chance.choice(addresses), chance.randrange(1, 10**6) * 10**11
                signed.append(transfer(keys[user], nonces[user], to, value))
                nonces[user] += 1
            blocks = await include(system, signed)
            started = time.perf_counter()
            posted = await batcher.step()
            seconds = time.perf_counter() - started
            assert posted is not None
            assert posted.transactions == count, f"{posted.transactions} of {count} went into the batch"
            await system.followed()
            await system.all_on_l1()
    cost = posted.cost
    print(f"{count} transfers among {users} users, {blocks} blocks, one batch, one L1 transaction")
    print(f"bytes        {posted.size:>10,}  {posted.size / count:.2f} each")
    print(f"blobs        {cost.blobs:>10,}")
    print(f"L1 gas       {cost.l1_gas:>10,}  {cost.l1_gas / count:.2f} each")
    print(f"blob gas     {cost.blob_gas:>10,}  {cost.blob_gas / count:.2f} each")
    print(f"posted in    {seconds:>10.1f}  s")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--count", type=int, default=10_000)
    given = parser.parse_args()
    asyncio.run(measure(given.users, given.count))


if __name__ == "__main__":
    main()
