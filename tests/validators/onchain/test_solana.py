"""Tokens on a real Solana virtual machine (LiteSVM) behind Solana's JSON-RPC."""

import json
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from tests.validators.onchain.svm import LAMPORTS, Machine, served

from trex.badges.evaluate import evaluate
from trex.badges.policy import read_policy
from trex.validators.onchain.observe_solana import observe_solana
from trex.validators.onchain.solana import TOKEN_PROGRAMS, SolanaSource, collect_solana
from trex.validators.onchain.source import SourceError
from trex.validators.onchain.token import balance


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
