"""Histories of SOL and tokens on a real Solana virtual machine: time-weighted, held, received, sent."""

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from tests.validators.onchain.svm import LAMPORTS, Machine, served

from trex.badges.evaluate import evaluate
from trex.badges.policy import read_policy
from trex.validators.onchain import solana_history
from trex.validators.onchain.observe_solana import observe_solana
from trex.validators.onchain.solana import TOKEN_PROGRAMS, SolanaSource
from trex.validators.onchain.solana_history import changes_in, collect_history
from trex.validators.onchain.source import SourceError
from trex.validators.onchain.token import average, balance, held_s, moves, received, sent

DAY_S = 86_400


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.svm.airdrop(made.payer.pubkey(), 1000 * LAMPORTS)
    return made


async def test_history_of_sol_is_what_transactions_left(machine: Machine) -> None:
    """ONC-041: two wallets are one; what moves between them changes nothing."""
    alice, bob, shop = Keypair(), Keypair(), Keypair().pubkey()
    machine.pay(machine.payer, alice.pubkey(), 8 * LAMPORTS)
    machine.wait(10 * DAY_S)
    machine.pay(alice, bob.pubkey(), 5 * LAMPORTS)
    machine.wait(10 * DAY_S)
    machine.pay(bob, shop, 4 * LAMPORTS)
    machine.wait(10 * DAY_S)
    async with served(machine) as source:
        both = await collect_history(source, [alice.pubkey(), bob.pubkey(), bob.pubkey()], None, 20 * DAY_S)
        assert [balance(both), average(both), held_s(both, Decimal(4))] == [4, 6, 20 * DAY_S]
        assert [held_s(both, Decimal(5)), received(both), sent(both), moves(both)] == [0, 0, 4, 1]
        alone = await collect_history(source, [bob.pubkey()], None, 40 * DAY_S)
        assert [received(alone), sent(alone), moves(alone)] == [5, 4, 2]
        assert held_s(alone, Decimal(1)) == 20 * DAY_S
        nobody = await collect_history(source, [Keypair().pubkey()], None, 40 * DAY_S)
        assert [balance(nobody), average(nobody), moves(nobody)] == [0, 0, 0]
        assert balance(await collect_history(source, [], None, DAY_S)) == 0


@pytest.mark.parametrize("program", TOKEN_PROGRAMS, ids=["token", "token-2022"])
async def test_history_of_a_token_goes_over_accounts_that_were_closed(
    machine: Machine, program: Pubkey
) -> None:
    """ONC-041: tokens went from the associated account to another one, and the first was closed."""
    alice, bob = Keypair(), Keypair()
    mint, other = machine.mint(program, 2), machine.mint(program, 2)
    first = machine.associate(program, mint, alice.pubkey())
    machine.give(program, mint, first, 1_000)
    machine.hold(program, other, alice.pubkey(), 77)
    machine.wait(10 * DAY_S)
    second = machine.hold(program, mint, alice.pubkey(), 0)
    machine.move(program, alice, (first, second), 1_000)
    machine.close(program, alice, first)
    machine.wait(10 * DAY_S)
    elsewhere = machine.hold(program, mint, bob.pubkey(), 0)
    machine.move(program, alice, (second, elsewhere), 400)
    machine.move(program, alice, (second, elsewhere), 5_000, fails=True)
    machine.wait(10 * DAY_S)
    async with served(machine) as source:
        found = await collect_history(source, [alice.pubkey()], mint, 20 * DAY_S)
        assert [balance(found), average(found)] == [6, 8]
        assert [held_s(found, Decimal(6)), held_s(found, Decimal(7))] == [20 * DAY_S, 0]
        assert [received(found), sent(found), moves(found)] == [0, 4, 1]
        whole = await collect_history(source, [alice.pubkey()], mint, 40 * DAY_S)
        assert [received(whole), sent(whole), moves(whole)] == [10, 4, 2]
        assert (await collect_history(source, [bob.pubkey()], mint, 40 * DAY_S)).total == 400


@pytest.mark.parametrize(
    "lie",
    [
        lambda method, value: value[1:] if method == "getSignaturesForAddress" else value,
        lambda method, value: value + 1 if method == "getBlockTime" else value,
        lambda method, value: (
            {**value, "meta": {**value["meta"], "postBalances": [0, 0, 0]}}
            if method == "getTransaction"
            else value
        ),
        lambda method, value: None if method == "getTransaction" else value,
        lambda method, value: [{"signature": "x"}] if method == "getSignaturesForAddress" else value,
    ],
)
async def test_endpoints_that_differ_on_history_give_no_answer(machine: Machine, lie: Any) -> None:
    """ONC-003, ONC-042."""
    alice = Keypair()
    machine.pay(machine.payer, alice.pubkey(), LAMPORTS)
    machine.lie = lie
    async with served(machine) as source:
        with pytest.raises(SourceError):
            await collect_history(source, [alice.pubkey()], None, DAY_S)


async def test_history_with_a_gap_or_from_an_endpoint_that_forgot_is_not_known(machine: Machine) -> None:
    """ONC-042: a transaction that nobody lists, and a node that keeps only what is young."""
    alice = Keypair()
    machine.pay(machine.payer, alice.pubkey(), LAMPORTS)
    machine.wait(DAY_S)
    machine.svm.airdrop(alice.pubkey(), LAMPORTS)
    async with served(machine) as source:
        with pytest.raises(SourceError, match="do not add up"):
            await collect_history(source, [alice.pubkey()], None, 3 * DAY_S)
        machine.pay(machine.payer, alice.pubkey(), LAMPORTS)
        with pytest.raises(SourceError, match="do not add up"):
            await collect_history(source, [alice.pubkey()], None, 3 * DAY_S)
        assert balance(await collect_history(source, [alice.pubkey()], None, DAY_S // 2)) == 3
    machine.first_slot = machine.slot
    async with served(machine) as source:
        with pytest.raises(SourceError, match="go back"):
            await collect_history(source, [alice.pubkey()], None, 3 * DAY_S)


async def test_pages_are_read_to_the_beginning_and_too_many_are_not(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONC-043."""
    alice = Keypair()
    for _ in range(7):
        machine.pay(machine.payer, alice.pubkey(), LAMPORTS)
    monkeypatch.setattr(solana_history, "PAGE", 3)
    async with served(machine) as source:
        assert received(await collect_history(source, [alice.pubkey()], None, DAY_S)) == 7
        monkeypatch.setattr(solana_history, "MAX_TRANSACTIONS", 6)
        with pytest.raises(SourceError, match="too_much"):
            await collect_history(source, [alice.pubkey()], None, DAY_S)


async def test_observe_solana_history_answers_a_policy(machine: Machine) -> None:
    """POL-026, as of the time of the slot."""
    alice = Keypair()
    machine.pay(machine.payer, alice.pubkey(), 3 * LAMPORTS)
    machine.wait(5 * DAY_S)
    asked = {"token": "native", "days": 5}
    names = (("average", "3"), ("held", str(5 * DAY_S)), ("received", "3"), ("moves", "1"))
    parts: list[dict[str, Any]] = []
    for name, least in names:
        parameters = {**asked, "amount": "3"} if name == "held" else asked
        parts.append(
            {"check": {"validator": f"solana.{name}", "parameters": parameters, "is": {"atLeast": least}}}
        )
    parts.append({"check": {"validator": "solana.sent", "parameters": asked, "is": {"atMost": "0"}}})
    levels = [{"level": 1, "name": "x", "points": 1, "when": {"all": parts}}]
    document = {"version": 1, "name": "x", "evidenceClass": "public", "levels": levels}
    policy, now = read_policy(json.dumps(document).encode()), machine.time_s
    async with served(machine) as source:
        found = await observe_solana(policy.checks(), source, [alice.pubkey()], now + 9)
        assert {one.observed_at_s for one in found.values()} == {now}
        assert evaluate(policy, found, now).outcome == "granted"
        other = await observe_solana(policy.checks(), source, [Keypair().pubkey()], now)
        assert evaluate(policy, other, now).outcome == "refused"


def test_changes_in_an_account_that_changed_hands_are_two() -> None:
    """ONC-041: what another owner had there is not ours."""
    mint, account, old, new = (Keypair().pubkey() for _ in range(4))

    def entry(owner: Pubkey) -> dict[str, Any]:
        named = {"accountIndex": 1, "mint": str(mint), "owner": str(owner)}
        return {**named, "uiTokenAmount": {"amount": "9"}}

    answer = {
        "meta": {
            "preTokenBalances": [entry(old)],
            "postTokenBalances": [entry(new)],
            "loadedAddresses": {"writable": [str(account)], "readonly": []},
        },
        "transaction": {"message": {"accountKeys": [str(old)]}},
    }
    found = {(one.owner, one.before, one.after) for one in changes_in(answer, mint)}
    assert found == {(old, 9, 0), (new, 0, 9)}
    assert changes_in(answer, Keypair().pubkey()) == ()


ACTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 3), st.integers(0, 2)), max_size=10
)


@settings(max_examples=10, deadline=None)
@given(ACTS)
async def test_history_is_that_of_a_ledger_kept_beside(acts: list[tuple[int, int, int, int]]) -> None:
    """ONC-041: payments among two wallets of ours and a stranger's, over days."""
    machine = Machine()
    machine.svm.airdrop(machine.payer.pubkey(), 1000 * LAMPORTS)
    people = [Keypair() for _ in range(3)]
    for one in people:
        machine.pay(machine.payer, one.pubkey(), 50 * LAMPORTS)
    ledger, ours = [50, 50, 50], [(machine.time_s, 100)]
    for by, to, amount, days in acts:
        machine.wait(days * DAY_S + 1)
        machine.pay(people[by], people[to].pubkey(), amount * LAMPORTS)
        ledger[by] -= amount
        ledger[to] += amount
        ours.append((machine.time_s, ledger[0] + ledger[1]))
    machine.wait(DAY_S)
    start, now = ours[0][0], machine.time_s
    ours.append((now, 0))
    weighed = sum((after - at) * total for (at, total), (after, _) in pairwise(ours))
    async with served(machine) as source:
        found = await history(source, people[:2], now - start)
    mean = average(found)
    assert mean is not None
    assert abs(mean - Decimal(weighed) / (now - start)) < Decimal("0.000001")
    assert balance(found) == ours[-2][1]


async def history(source: SolanaSource, wallets: list[Keypair], span_s: int) -> Any:
    return await collect_history(source, [one.pubkey() for one in wallets], None, span_s)
