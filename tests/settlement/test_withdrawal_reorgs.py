"""L1 reorgs while withdrawals are claimed, proven and carried out: each is paid in the end, and once."""

from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak
from tests.settlement.anvil_l1 import ALL_STATES, KEYS
from tests.settlement.rollup import Rollup, rollup
from tests.settlement.test_deploy import TIMING, address_of

from trex.settlement.contracts import contract
from trex.settlement.deployment import Accounts
from trex.settlement.l1.transaction import Intent
from trex.types.primitives import Address, Gas

PHASES = ("claim", "prove", "finalize")
ME = address_of(KEYS[0])
ACCOUNTS = Accounts(
    operator=ME,
    sequencer=address_of(KEYS[1]),
    proposer=ME,
    disputer=Address(b"\x04" * 20),
    governor=Address(b"\x05" * 20),
)
STEPS = 20
"""More than anyone needs to get a withdrawal through."""


def selector(error: str) -> str:
    return "0x" + keccak(f"OptimismPortal_{error}()".encode())[:4].hex()


UNPROVEN = selector("Unproven")
FINALIZED = selector("AlreadyFinalized")
WAITING = (selector("ProofNotOldEnough"), selector("InvalidRootClaim"))


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """One that an output holds alone: its trie is a leaf (PTL-031)."""

    number: int

    @property
    def target(self) -> bytes:
        return bytes([0xEE]) * 18 + self.number.to_bytes(2, "big")

    @property
    def value(self) -> int:
        return 10**15 + self.number

    @property
    def fields(self) -> tuple[int, bytes, bytes, int, int, bytes]:
        return ((1 << 240) + self.number, b"\x07" * 20, self.target, self.value, 30_000, b"")

    @property
    def hash(self) -> bytes:
        return keccak(encode(["uint256", "address", "address", "uint256", "uint256", "bytes"], self.fields))

    @property
    def leaf(self) -> bytes:
        return b"\xe3\xa1\x20" + keccak(keccak(self.hash + bytes(32))) + b"\x01"

    @property
    def output(self) -> tuple[bytes, bytes, bytes, bytes]:
        return (bytes(32), b"\x01" * 32, keccak(self.leaf), b"\x02" * 32)

    @property
    def root(self) -> bytes:
        return keccak(b"".join(self.output))


@dataclass(slots=True)
class Leaving:
    """Someone who gets withdrawals through, whatever L1 forgets: all he knows he reads from L1."""

    system: Rollup
    at: dict[str, Address]

    async def ask(self, name: str, kind: str, function: str, *arguments: object) -> tuple[Any, ...]:
        call = contract(kind).call(function, *arguments)
        request = {"to": "0x" + self.at[name].hex(), "data": "0x" + call.hex()}
        answer = await self.system.node.call("eth_call", request, "latest")
        return contract(kind).result(function, bytes.fromhex(answer[2:]))

    async def do(self, name: str, kind: str, function: str, *arguments: object) -> None:
        call = contract(kind).call(function, *arguments)
        await self.system.sent(self.system.user, Intent(self.at[name], call, Gas(1_000_000)))

    async def check(self, withdrawal: Withdrawal) -> str | None:
        """What the portal says against carrying it out; None when nothing."""
        call = contract("Portal").call("checkWithdrawal", withdrawal.hash, "0x" + ME.hex())
        request = {"to": "0x" + self.at["portal"].hex(), "data": "0x" + call.hex()}
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [request, "latest"]}
        async with self.system.session.post(self.system.node.url, json=body) as response:
            answer = await response.json()
        return str(answer["error"]["data"])[:10] if "error" in answer else None

    async def claim(self, withdrawal: Withdrawal) -> None:
        (count,) = await self.ask("inbox", "Inbox", "batchCount")
        (accumulator,) = await self.ask("inbox", "Inbox", "accumulatorAt", count)
        await self.do(
            "outputClaims",
            "MaturingClaims",
            "propose",
            withdrawal.root,
            withdrawal.number,
            count,
            accumulator,
        )

    async def game(self, withdrawal: Withdrawal) -> int | None:
        (count,) = await self.ask("disputeGameFactory", "DisputeGameFactory", "gameCount")
        (found,) = await self.ask(
            "disputeGameFactory", "DisputeGameFactory", "findLatestGames", 1628, max(count - 1, 0), 10
        )
        return next((index for index, _, _, root, _ in found if root == withdrawal.root), None)

    async def prove(self, withdrawal: Withdrawal, game: int) -> None:
        arguments = (withdrawal.fields, game, withdrawal.output, [withdrawal.leaf])
        await self.do("portal", "Portal", "proveWithdrawalTransaction", *arguments)

    async def step(self, withdrawal: Withdrawal) -> str:
        """Do what is to be done next; return what it was."""
        refusal = await self.check(withdrawal)
        if refusal == FINALIZED:
            return "done"
        if refusal == UNPROVEN:
            game = await self.game(withdrawal)
            if game is None:
                await self.claim(withdrawal)
                return "claim"
            await self.prove(withdrawal, game)
            return "prove"
        if refusal is None:
            await self.do("portal", "Portal", "finalizeWithdrawalTransaction", withdrawal.fields)
            return "finalize"
        assert refusal in WAITING, refusal
        await self.system.node.call("evm_increaseTime", 2 * TIMING.dispute_window_s)
        await self.system.node.mine()
        return "wait"

    async def is_done(self, withdrawal: Withdrawal, phase: str) -> bool:
        """Tell whether L1 has what a phase leaves behind."""
        if phase == "claim":
            return await self.game(withdrawal) is not None
        refusal = await self.check(withdrawal)
        return refusal != UNPROVEN if phase == "prove" else refusal == FINALIZED

    async def until(self, withdrawal: Withdrawal, what: str) -> None:
        for _ in range(STEPS):
            if await self.step(withdrawal) == what:
                return
        raise AssertionError(f"no {what}")


async def reorgs(depths: list[int]) -> None:
    """Reorg L1 by each depth after each phase of a withdrawal of its own."""
    async with rollup(*ALL_STATES, accounts=ACCOUNTS) as system:
        names = {**system.network.l1.contracts} if system.network.l1 else {}
        leaving = Leaving(system, names)
        await system.deposit(10**18)
        await system.silence()
        await system.force()
        paid = 0
        for number, (depth, phase) in enumerate((depth, phase) for depth in depths for phase in PHASES):
            await system.node.mine(depth + 8)  # what is earlier stays
            withdrawal = Withdrawal(number)
            await leaving.until(withdrawal, phase)
            assert await leaving.is_done(withdrawal, phase)
            await system.node.mine(number % depth)
            await system.node.reorg(depth)
            assert not await leaving.is_done(withdrawal, phase)
            await system.node.mine()
            await leaving.until(withdrawal, "done")
            paid += withdrawal.value
            balance = await system.node.call("eth_getBalance", "0x" + withdrawal.target.hex(), "latest")
            assert int(balance, 16) == withdrawal.value, (depth, phase)
            left = await system.node.call("eth_getBalance", "0x" + names["portal"].hex(), "latest")
            assert int(left, 16) == 10**18 - paid, (depth, phase)


async def test_reorgs_at_every_phase_of_a_withdrawal_pay_it_once() -> None:
    """PTL-033, PTL-034, PTL-037, PTL-038, PTL-042."""
    await reorgs([1, 4, 64])


@pytest.mark.long
@pytest.mark.parametrize("first", range(1, 65, 8))
async def test_reorgs_of_1_to_64_blocks_at_every_phase_of_a_withdrawal_pay_it_once(first: int) -> None:
    """PTL-033, PTL-034, PTL-037, PTL-038, PTL-042."""
    await reorgs(list(range(first, first + 8)))
