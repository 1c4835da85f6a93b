"""Gas of what personas do, beside the usual way; and how cost grows with passports in state.

`python bench/persona/run.py` has a chain in this process, sends every act in a transaction of its own and
reads its receipt: calldata and the 21,000 are in every figure. Figures are for reading, never asserted by a
test.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from chain import CHAIN_ID, ETHER, Chain, arguments, compiled
from people import CONTRACTS, People, far, hexed
from run import processor, row, say
from systems import trex

from trex.engagement.epochs import CLAIM, EpochRewards, claim_call, publish_call
from trex.engagement.terms import Credit, Terms
from trex.engagement.tree import RewardTree, make_tree, pair
from trex.passport import contracts as abi
from trex.passport.keys import evm_key
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

CLAIM_ONE = abi.Method("claim", ("uint256", CLAIM))
REWARDS = 10_000
BATCH = 50
"""Claims, grants and deeds in one transaction of the gateway."""
SPRINKLED = 200
"""Transfers in one transaction."""
SIZES = (10_000, 100_000)
LONG_SIZES = (10_000, 100_000, 1_000_000)
CROWD = 90
"""Passports made by one transaction."""
CROWDS = 10
"""Such transactions in one block."""
NOTED = 20
"""Blocks before each size whose times count."""
READS = 200

Lines = list[tuple[str, str, str]]


def personas(chain: Chain, people: People) -> Lines:
    """Gas of passports, links, nullifiers, badges and points."""
    lines: Lines = []

    def line(name: str, gas: int, each: int = 1) -> None:
        lines.append((name, f"{gas:,}", f"{gas // each:,}"))

    line("create a passport, signed, sent by another", people.create_signed())
    for _ in range(2 * BATCH + 2):
        people.create()
    line("link a wallet, both sides signed", people.link(people.all[0]))
    line("name a payout address", people.pay_out(people.all[0]))
    for one in people.all:
        gas = people.bind(one)
    line("bind a nullifier", gas)
    policy = people.publish_policy()
    line("grant a badge", people.grant(policy, people.all[:1]))
    line(f"grant {BATCH} badges", people.grant(policy, people.all[1 : BATCH + 1]), BATCH)
    people.open_season()
    line("record a deed", people.record(people.all[:1]))
    line(f"record {BATCH} deeds", people.record(people.all[1 : BATCH + 1]), BATCH)
    line("count a badge's points", people.sync([1]))
    line(f"count {BATCH} badges' points", people.sync(list(range(2, BATCH + 2))), BATCH)
    return lines


def airdrops(chain: Chain, people: People) -> Lines:
    """Gas of 10,000 rewards by epoch, and by what is usual."""
    made = compiled()
    token = _deploy(chain, made["Token"][0])
    lines: Lines = []
    lines += _ours(chain, people, token)
    lines += _distributor(chain, made, token)
    lines += _transfers(chain, made, token)
    return lines


def _deploy(chain: Chain, code: bytes) -> str:
    return chain.send(None, code)["contractAddress"]


def _give(chain: Chain, token: str, to: str, amount: int) -> int:
    return chain.gas(token, _transfer(to, amount))


def _transfer(to: str, amount: int) -> bytes:
    return bytes.fromhex("a9059cbb") + arguments(["address", "uint256"], [to, amount])


def _line(name: str, gas: int, each: int = 1) -> tuple[str, str, str]:
    return name, f"{gas:,}", f"{gas / each:,.0f}"


def _tree(people: People) -> RewardTree:
    """Rewards of passports 1 to 10,000; those of the first have people behind them."""
    return make_tree(1, {number: ETHER + number for number in range(1, REWARDS + 1)})


def _ours(chain: Chain, people: People, token: str) -> Lines:
    tree = _tree(people)
    funding = _give(chain, token, hexed(CONTRACTS.rewards), tree.total)
    document = _terms(token, tree.total).document
    rewards = EpochRewards(
        tree.root, tree.total, _address(token), chain.time_s() + 40 * 86_400, keccak256(document)
    )
    signed = chain.attest(people.epoch_message(rewards))
    publishing = chain.gas(hexed(CONTRACTS.rewards), publish_call(rewards, document, 1, signed))
    for one in people.all:
        people.pay_out(one)
    people.pass_time(90_000)  # claims open after a day
    order = [tree.rewards[one.passport] for one in people.all]
    wanted = [(one.index, one.passport, one.amount, list(one.proof)) for one in order]
    to = hexed(CONTRACTS.rewards)
    chain.gas(to, claim_call(1, wanted[:1]))  # the first writes the word of claims
    single = chain.gas(to, CLAIM_ONE.call(1, wanted[1]))
    batch = chain.gas(to, claim_call(1, wanted[2 : BATCH + 2]))
    return [
        _line(f"publish {REWARDS:,} rewards with their terms, and fund them", publishing + funding, REWARDS),
        _line("claim, one", single),
        _line(f"claim, {BATCH} in one transaction, sponsored", batch, BATCH),
    ]


def _terms(token: str, budget: int) -> Terms:
    zero = Hash32(bytes(32))
    credit = {"account/github": Credit(ETHER // 1_000, 365 * 86_400)}
    return Terms(CHAIN_ID, 1, 1, 5_000_000, zero, _address(token), budget, 5_000, ETHER, credit)


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))


def _distributor(chain: Chain, made: dict[str, tuple[bytes, dict[str, bytes]]], token: str) -> Lines:
    code, selectors = made["Distributor"]
    holders = [far(number) for number in range(REWARDS)]
    leaves = [
        keccak256(keccak256(arguments(["uint256", "address", "uint256"], [at, who, ETHER + at])))
        for at, who in enumerate(holders)
    ]
    levels: list[list[Hash32]] = [leaves]
    while len(level := levels[-1]) > 1:
        levels.append(
            [
                pair(level[at], level[at + 1]) if at + 1 < len(level) else level[at]
                for at in range(0, len(level), 2)
            ]
        )
    deployed = chain.send(None, code + arguments(["address", "bytes32"], [token, levels[-1][0]]))
    at = deployed["contractAddress"]
    funding = _give(chain, token, at, 2 * REWARDS * ETHER)

    def claim(index: int) -> int:
        place, proof = index, []
        for level in levels[:-1]:
            if place ^ 1 < len(level):
                proof.append(level[place ^ 1])
            place >>= 1
        kinds = ["uint256", "address", "uint256", "bytes32[]"]
        values: list[object] = [index, holders[index], ETHER + index, proof]
        return chain.gas(at, selectors["claim"] + arguments(kinds, values))

    claim(0)
    publishing = int(deployed["gasUsed"], 16) + funding
    return [
        _line(
            f"OpenZeppelin's Merkle proof, usual distributor: publish {REWARDS:,}, and fund",
            publishing,
            REWARDS,
        ),
        _line("usual distributor: claim, one", claim(1)),
    ]


def _transfers(chain: Chain, made: dict[str, tuple[bytes, dict[str, bytes]]], token: str) -> Lines:
    single = _give(chain, token, far(1_000_000), ETHER)
    code, selectors = made["Sprinkler"]
    at = _deploy(chain, code)
    total = _give(chain, token, at, 2 * REWARDS * ETHER)
    for first in range(0, REWARDS, SPRINKLED):
        to = [far(2_000_000 + number) for number in range(first, first + SPRINKLED)]
        values: list[object] = [token, to, [ETHER + one for one in range(SPRINKLED)]]
        data = selectors["sprinkle"] + arguments(["address", "address[]", "uint256[]"], values)
        total += chain.gas(at, data)
    return [
        _line(f"{REWARDS:,} transfers, each a transaction", single * REWARDS, REWARDS),
        _line(f"{REWARDS:,} transfers, {SPRINKLED} in each transaction", total, REWARDS),
    ]


def growth(sizes: tuple[int, ...]) -> tuple[list[str], list[list[str]]]:
    """Fill a chain with passports; return titles and one list of figures for each size."""
    found = []
    with tempfile.TemporaryDirectory(prefix="trex-persona-") as folder:
        chain = Chain(Path(folder))
        people = People(chain)
        code, selectors = compiled()["Crowd"]
        crowd = _deploy(chain, code)
        enter = selectors["enter"] + arguments(["address", "uint256"], [hexed(CONTRACTS.passport), CROWD])
        people.open_season()
        made = 0
        for size in sizes:
            times_ms: list[float] = []
            while made < size:
                raws = [
                    chain.payer.sign(CHAIN_ID, crowd, 0, 16_777_216, f"0x{enter.hex()}")
                    for _ in range(CROWDS)
                ]
                times_ms.append(chain.include(raws))
                made += CROWD * CROWDS
            say(f"{size:,} passports are there")
            found.append(_noted(chain, people, size, times_ms[-NOTED:]))
            say(f"{size:,} passports: {found[-1]}")
        chain.chain.close()
    return TITLES, found


TITLES = [
    "block of 900 new passports, ms, median",
    "disk, bytes a passport",
    "create a passport, signed: gas",
    "link a wallet: gas",
    "bind a nullifier: gas",
    f"record {BATCH} deeds: gas",
    "where a key is, asked of the contract: ms, median",
]


def _noted(chain: Chain, people: People, size: int, times_ms: list[float]) -> list[str]:
    disk = sum(path.stat().st_blocks * 512 for path in chain.folder.rglob("*") if path.is_file())
    created = people.create_signed()
    group = [people.create() for _ in range(BATCH)]
    linked, bound = people.link(group[0]), people.bind(group[1])
    recorded = people.record(group)
    key = evm_key(Address(bytes.fromhex(group[0].account.address[2:])))
    waits = []
    for _ in range(READS):
        started = time.perf_counter()
        chain.call(hexed(CONTRACTS.passport), abi.PASSPORT_OF.call(key.id))
        waits.append((time.perf_counter() - started) * 1000)
    return [
        f"{statistics.median(times_ms):,.0f}",
        f"{disk / size:,.0f}",
        f"{created:,}",
        f"{linked:,}",
        f"{bound:,}",
        f"{recorded:,}",
        f"{statistics.median(waits):.3f}",
    ]


def report(
    acts: Lines, drops: Lines, grown: tuple[list[str], list[list[str]]], sizes: tuple[int, ...]
) -> str:
    """Return the results as Markdown."""
    titles, figures = grown
    lines = [
        "# Gas of personas",
        "",
        "Written by `make bench`; what is measured and how stands in `bench/persona/README.md`.",
        "",
        f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}; {processor()}, {os.cpu_count()} cores",
        f"- T-Rex: {trex().version}",
        "",
        "## Acts",
        row(["act", "gas", "gas for each"]),
        row(["---", "---:", "---:"]),
        *(row(list(line)) for line in acts),
        "",
        f"## {REWARDS:,} rewards, ERC-20, to holders that had none",
        row(["act", "gas", "gas for each"]),
        row(["---", "---:", "---:"]),
        *(row(list(line)) for line in drops),
        "",
        "## Growth",
        row(["passports in state", *(f"{size:,}" for size in sizes)]),
        row(["---", *("---:" for _ in sizes)]),
        *(row([title, *(each[at] for each in figures)]) for at, title in enumerate(titles)),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="to a million passports")
    parser.add_argument("--sizes", help="passports to note at, comma between them, ascending")
    parser.add_argument("--out", type=Path, help="file for the results, Markdown")
    options = parser.parse_args()
    sizes = LONG_SIZES if options.long else SIZES
    if options.sizes:
        sizes = tuple(int(size) for size in options.sizes.split(","))
    with tempfile.TemporaryDirectory(prefix="trex-persona-") as folder:
        chain = Chain(Path(folder))
        people = People(chain)
        acts = personas(chain, people)
        drops = airdrops(chain, people)
        chain.chain.close()
    text = report(acts, drops, growth(sizes), sizes)
    say("\n" + text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
