"""Tokens on a real Solana virtual machine (LiteSVM) behind Solana's JSON-RPC."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account
from solders.token.state import TokenAccount
from solders.transaction import Transaction
from solders.transaction_metadata import TransactionMetadata

from trex.badges.evaluate import evaluate
from trex.badges.policy import read_policy
from trex.validators.onchain.solana import (
    TOKEN_PROGRAMS,
    SolanaSource,
    balance,
    collect_solana,
    observe_solana,
)
from trex.validators.onchain.source import SourceError

LAMPORTS = 10**9


@dataclass
class Machine:
    """The machine, what accounts it has, and lies on demand."""

    svm: LiteSVM = field(default_factory=LiteSVM)
    payer: Keypair = field(default_factory=Keypair)
    accounts: list[Pubkey] = field(default_factory=list)
    lie: Callable[[str, Any], Any] | None = None

    def send(self, *instructions: Instruction, signers: tuple[Keypair, ...] = ()) -> None:
        everyone = [self.payer, *signers]
        message = Message.new_with_blockhash(
            list(instructions), self.payer.pubkey(), self.svm.latest_blockhash()
        )
        done = self.svm.send_transaction(Transaction(everyone, message, self.svm.latest_blockhash()))
        assert isinstance(done, TransactionMetadata), done
        self.svm.expire_blockhash()

    def create(self, size: int, program: Pubkey, *then: Callable[[Pubkey], Instruction]) -> Pubkey:
        key = Keypair()
        rent = self.svm.minimum_balance_for_rent_exemption(size)
        made = create_account(
            CreateAccountParams(
                from_pubkey=self.payer.pubkey(),
                to_pubkey=key.pubkey(),
                lamports=rent,
                space=size,
                owner=program,
            )
        )
        self.send(made, *(one(key.pubkey()) for one in then), signers=(key,))
        self.accounts.append(key.pubkey())
        return key.pubkey()

    def mint(self, program: Pubkey, decimals: int) -> Pubkey:
        data = bytes([20, decimals]) + bytes(self.payer.pubkey()) + b"\0"
        return self.create(
            82, program, lambda key: Instruction(program, data, [AccountMeta(key, False, True)])
        )

    def hold(self, program: Pubkey, mint: Pubkey, owner: Pubkey, amount: int) -> Pubkey:
        data = bytes([18]) + bytes(owner)
        made = self.create(
            165,
            program,
            lambda key: Instruction(
                program, data, [AccountMeta(key, False, True), AccountMeta(mint, False, False)]
            ),
        )
        who = [
            AccountMeta(mint, False, True),
            AccountMeta(made, False, True),
            AccountMeta(self.payer.pubkey(), True, False),
        ]
        self.send(Instruction(program, bytes([7]) + amount.to_bytes(8, "little"), who))
        return made

    def answer(self, method: str, params: list[Any]) -> Any:
        key = Pubkey.from_string(params[0])
        assert params[-1]["commitment"] == "finalized"
        if method == "getBalance":
            return self.svm.get_balance(key) or 0
        if method == "getAccountInfo":
            return self.show(key)
        assert method == "getTokenAccountsByOwner"
        mint = Pubkey.from_string(params[1]["mint"])
        return [
            {"pubkey": str(one), "account": self.show(one)}
            for one in self.accounts
            if self.is_of(one, key, mint)
        ]

    def is_of(self, account: Pubkey, owner: Pubkey, mint: Pubkey) -> bool:
        found = self.svm.get_account(account)
        if found is None or len(found.data) < 165:
            return False
        token = TokenAccount.from_bytes(bytes(found.data)[:165])
        return token.owner == owner and token.mint == mint

    def show(self, key: Pubkey) -> Any:
        found = self.svm.get_account(key)
        if found is None:
            return None
        return {"owner": str(found.owner), "data": [base64.b64encode(bytes(found.data)).decode(), "base64"]}


@asynccontextmanager
async def served(machine: Machine) -> AsyncIterator[SolanaSource]:
    """Two endpoints of one machine; the second may lie."""

    def handler(lies: bool) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.Response:
            asked = await request.json()
            value = machine.answer(asked["method"], asked["params"])
            if lies and machine.lie is not None:
                value = machine.lie(asked["method"], value)
            return web.json_response(
                {"jsonrpc": "2.0", "id": asked["id"], "result": {"context": {"slot": 5}, "value": value}}
            )

        return handle

    application = web.Application()
    application.router.add_post("/one", handler(False))
    application.router.add_post("/two", handler(True))
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            yield SolanaSource([f"{base}/one", f"{base}/two"], 2, session, timeout_s=5)
    finally:
        await runner.cleanup()


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.svm.airdrop(made.payer.pubkey(), 1000 * LAMPORTS)
    return made


async def test_sol_of_all_wallets_counts_each_once(machine: Machine) -> None:
    """ONC-040."""
    alice, bob = Keypair().pubkey(), Keypair().pubkey()
    machine.svm.airdrop(alice, 2 * LAMPORTS)
    machine.svm.airdrop(bob, LAMPORTS // 2)
    async with served(machine) as source:
        found = await collect_solana(source, [alice, bob, alice], None)
        assert str(balance(found)) == "2.500000000"
        assert balance(await collect_solana(source, [Keypair().pubkey()], None)) == 0


@pytest.mark.parametrize("program", TOKEN_PROGRAMS, ids=["token", "token-2022"])
async def test_tokens_of_every_account_of_every_wallet_count(machine: Machine, program: Pubkey) -> None:
    """ONC-040: a wallet may have several accounts of one mint."""
    alice, bob = Keypair().pubkey(), Keypair().pubkey()
    mint, other = machine.mint(program, 6), machine.mint(program, 6)
    for owner, amount in ((alice, 1_000_000), (alice, 500_000), (bob, 250_000)):
        machine.hold(program, mint, owner, amount)
    machine.hold(program, other, alice, 9_000_000)
    async with served(machine) as source:
        assert str(balance(await collect_solana(source, [alice, bob], mint))) == "1.750000"
        assert str(balance(await collect_solana(source, [alice], mint))) == "1.500000"


async def test_what_is_no_mint_gives_no_answer(machine: Machine) -> None:
    async with served(machine) as source:
        for key in (Keypair().pubkey(), machine.payer.pubkey()):
            with pytest.raises(SourceError) as caught:
                await collect_solana(source, [key], key)
            assert caught.value.code == "refused"


@pytest.mark.parametrize(
    "lie",
    [
        lambda method, value: value + 1 if method == "getBalance" else value,
        lambda method, value: value * 2 if method == "getTokenAccountsByOwner" else value,
        lambda method, value: [] if method == "getTokenAccountsByOwner" else value,
        lambda method, value: None if method == "getAccountInfo" else value,
    ],
)
async def test_endpoints_that_differ_give_no_answer(machine: Machine, lie: Any) -> None:
    """ONC-001, ONC-003."""
    alice = Keypair().pubkey()
    machine.svm.airdrop(alice, LAMPORTS)
    mint = machine.mint(TOKEN_PROGRAMS[0], 0)
    machine.hold(TOKEN_PROGRAMS[0], mint, alice, 5)
    machine.lie = lie
    async with served(machine) as source:
        with pytest.raises(SourceError) as caught:
            await both(source, alice, mint)
        assert caught.value.code == "contradiction"


async def both(source: SolanaSource, wallet: Pubkey, mint: Pubkey) -> None:
    for what in (None, mint):
        await collect_solana(source, [wallet], what)


async def test_observe_solana_answers_a_policy(machine: Machine) -> None:
    """POL-026."""
    alice = Keypair().pubkey()
    mint = machine.mint(TOKEN_PROGRAMS[1], 2)
    machine.hold(TOKEN_PROGRAMS[1], mint, alice, 1_000)
    check = {"validator": "solana.balance", "parameters": {"token": str(mint)}, "is": {"atLeast": "10"}}
    levels = [{"level": 1, "name": "x", "points": 1, "when": {"check": check}}]
    document = {"version": 1, "name": "x", "evidenceClass": "public", "levels": levels}
    policy = read_policy(json.dumps(document).encode())
    async with served(machine) as source:
        for wallets, word in (([alice], "granted"), ([Keypair().pubkey()], "refused")):
            assert (
                evaluate(policy, await observe_solana(policy.checks(), source, wallets, 9), 9).outcome == word
            )
        machine.lie = lambda _method, _value: 7
        assert (
            evaluate(policy, await observe_solana(policy.checks(), source, [alice], 9), 9).outcome
            == "undecided"
        )
    assert evaluate(policy, await observe_solana(policy.checks(), None, [alice], 9), 9).outcome == "undecided"
