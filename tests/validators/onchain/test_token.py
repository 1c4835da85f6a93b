"""Tokens on a real node: decimals, proxies, rebasing, several wallets, flash loans, sources that lie."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.validators.onchain.conftest import ALICE, BOB, CAROL, CHAIN_ID, Net, network

from trex.badges.evaluate import evaluate
from trex.badges.policy import Policy, read_policy
from trex.types.primitives import Address
from trex.validators.onchain import collect_token as collect_token_module
from trex.validators.onchain.answers import AccountState
from trex.validators.onchain.collect_token import collect_token
from trex.validators.onchain.halving import changes
from trex.validators.onchain.observe import observe
from trex.validators.onchain.source import SourceError
from trex.validators.onchain.token import average, balance, held_s, moves, received, sent

DAY_S = 86_400


async def test_balance_counts_each_wallet_once_in_whole_tokens(net: Net) -> None:
    """ONC-010, ONC-011."""
    coin = await net.deploy("Coin", ("uint8", 6))
    await net.do(coin, "mint(address,uint256)", ALICE, 1_500_000)
    await net.do(coin, "mint(address,uint256)", BOB, 250_000)
    evidence = await collect_token(net.source, [ALICE, BOB, ALICE], coin)
    assert (balance(evidence), evidence.decimals, len(evidence.wallets)) == (Decimal("1.75"), 6, 2)
    assert balance(await collect_token(net.source, [], coin)) == 0
    assert average(evidence) is None
    assert held_s(evidence, Decimal(1)) is None


async def test_balance_of_native_coin_is_that_of_the_block(net: Net) -> None:
    head = await net.source.head()
    await net.send(BOB, b"", value=10**18)
    evidence = await collect_token(net.source, [BOB], None, block=head)
    assert balance(evidence) == Decimal(10_000)
    assert balance(await collect_token(net.source, [BOB], None)) == Decimal(10_001)


def batched(states: list[AccountState]) -> Iterator[tuple[AccountState, AccountState]]:
    """Two by two."""
    one = iter(states)
    return zip(one, one, strict=True)


async def test_history_of_native_coin_is_found_by_few_questions(net: Net) -> None:
    """ONC-014: what came and left in 400 blocks, to the wei and to the second; coin that comes back too."""
    rich = Address(bytes(19) + b"\x77")  # without a transaction of its own
    await net.send(rich, b"", value=10 * 10**18)
    spent = 0
    for other in (BOB, ALICE, BOB):
        await net.node.mine(120)
        await net.wait(10 * DAY_S)
        for by, to in ((ALICE, other), (BOB, ALICE)):
            done = await net.send(to, b"", by=by, value=10**18)
            spent += by == BOB and int(done["gasUsed"], 16) * int(done["effectiveGasPrice"], 16)
    await net.node.mine(40)
    before = len(net.liar.asked)
    evidence = await collect_token(net.source, [BOB, rich], None, history_s=15 * DAY_S)
    asked = net.liar.asked[before:]
    assert asked.count("eth_getBalance") < 100
    assert evidence.history is not None
    assert evidence.total == 10_000 * 10**18 + 10 * 10**18 - 10**18 - spent
    assert evidence.history[-1].total == evidence.total
    first = await net.source.first_block_at(evidence.block.timestamp_s - 15 * DAY_S, evidence.block)
    heights = range(first.number - 1, evidence.block.number + 1)
    states = await net.source.states([(number, who) for number in heights for who in (BOB, rich)])
    naive = [bob.balance_wei + other.balance_wei for bob, other in batched(states)]
    assert [sample.total for sample in evidence.history[:-1]] == [total for total, _ in groupby(naive)]
    held = held_s(evidence, Decimal(10_008))
    assert held is not None
    assert held >= 15 * DAY_S - 1
    short = held_s(evidence, Decimal("10009.9"))
    assert short is not None
    assert short < 15 * DAY_S


async def test_history_of_native_coin_of_an_account_with_code_is_asked_at_every_block(net: Net) -> None:
    """ONC-014: a contract's coin leaves without its nonce; what came back is still seen to have gone."""
    vault = await net.deploy("Till")
    await net.send(vault, b"", value=10**18)
    await net.wait(DAY_S)
    await net.node.mine(6)
    await net.node.call("anvil_setBalance", f"0x{vault.hex()}", "0x0")
    await net.node.mine()
    await net.wait(DAY_S)
    await net.send(vault, b"", value=10**18)
    await net.node.mine(8)
    evidence = await collect_token(net.source, [vault], None, history_s=5 * DAY_S)
    held = held_s(evidence, Decimal(1))
    assert held is not None
    assert held < DAY_S


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["in", "out"]), st.integers(1, 9)), max_size=12),
    st.integers(1, 60),
)
async def test_halving_finds_every_change_that_reading_all_blocks_finds(
    moves: list[tuple[int, str, int]], last: int
) -> None:
    """ONC-014."""
    chain = [AccountState(0, 100, has_code=False)]
    for number in range(1, last + 1):
        state = chain[-1]
        for at, way, amount in moves:
            if at == number:
                out = way == "out"
                state = AccountState(
                    state.nonce + out, state.balance_wei + (-amount if out else amount), False
                )
        chain.append(state)
    asked: list[tuple[int, Address]] = []

    async def ask(questions: Sequence[tuple[int, Address]]) -> list[AccountState]:
        asked.extend(questions)
        return [chain[number] for number, _ in questions]

    found = await changes(ask, [BOB], 0, last, AccountState.is_quiet)
    every = [(0, chain[0]), *((n, chain[n]) for n in range(1, last + 1) if chain[n] != chain[n - 1])]
    assert found[BOB] == every
    assert len(asked) == len(set(asked)) <= 2 + 2 * 6 * len(every)


async def test_balance_behind_a_proxy_is_the_proxys(net: Net) -> None:
    """ONC-011: decimals and balances are asked at the proxy, whatever stands behind it."""
    token = await net.deploy("Proxy", ("address", await net.deploy("Coin", ("uint8", 8))))
    await net.do(token, "mint(address,uint256)", BOB, 5 * 10**8)
    assert balance(await collect_token(net.source, [BOB], token)) == 5


async def test_average_and_holding_time_follow_transfers(net: Net) -> None:
    """ONC-012, ONC-015."""
    coin = await net.deploy("Coin", ("uint8", 0))
    await net.wait(10 * DAY_S)
    await net.do(coin, "mint(address,uint256)", ALICE, 100)
    await net.wait(10 * DAY_S)
    await net.do(coin, "transfer(address,uint256)", CAROL, 60)
    await net.wait(10 * DAY_S)
    await net.node.mine()
    evidence = await collect_token(net.source, [ALICE], coin, history_s=20 * DAY_S)
    mean = average(evidence)
    assert mean is not None
    assert abs(mean - 70) < Decimal("0.01")
    for bound, days in ((41, 0), (40, 20), (1, 20)):
        held = held_s(evidence, Decimal(bound))
        assert held is not None
        assert abs(held - days * DAY_S) < 60
    assert not evidence.rebases
    assert [received(evidence), sent(evidence), moves(evidence)] == [0, 60, 1]
    whole = await collect_token(net.source, [ALICE], coin, history_s=40 * DAY_S)
    assert [received(whole), sent(whole), moves(whole)] == [100, 60, 2]


async def test_transfers_between_own_wallets_change_nothing(net: Net) -> None:
    """ONC-010: moving coins from one linked wallet to another neither breaks a holding nor doubles it."""
    coin = await net.deploy("Coin", ("uint8", 0))
    await net.do(coin, "mint(address,uint256)", ALICE, 100)
    for by, to in ((ALICE, BOB), (BOB, ALICE), (ALICE, BOB)):
        await net.wait(DAY_S)
        await net.do(coin, "transfer(address,uint256)", to, 100, by=by)
    evidence = await collect_token(net.source, [ALICE, BOB], coin, history_s=2 * DAY_S)
    held = held_s(evidence, Decimal(100))
    assert balance(evidence) == 100
    assert held is not None
    assert held >= 2 * DAY_S
    alone = await collect_token(net.source, [ALICE], coin, history_s=2 * DAY_S)
    assert held_s(alone, Decimal(100)) == 0


async def test_flash_loan_weighs_nothing(net: Net) -> None:
    """ONC-012: what is given back within a block is not there at its end."""
    coin = await net.deploy("Coin", ("uint8", 0))
    await net.do(coin, "mint(address,uint256)", BOB, 1_000_000)
    await net.wait(DAY_S)
    await net.do(coin, "flash(address,address,uint256)", BOB, ALICE, 1_000_000)
    evidence = await collect_token(net.source, [ALICE], coin, history_s=DAY_S)
    assert [balance(evidence), average(evidence)] == [0, 0]
    assert not evidence.rebases


async def test_rebasing_counts_the_lesser_of_both_ends(net: Net) -> None:
    """ONC-012: no events tell when a balance grew, so it counts from when it was seen."""
    token = await net.deploy("Rebasing")
    await net.do(token, "mint(address,uint256)", ALICE, 100 * 10**18)
    await net.wait(10 * DAY_S)
    await net.do(token, "rebase(uint256)", 150)
    evidence = await collect_token(net.source, [ALICE], token, history_s=10 * DAY_S)
    assert balance(evidence) == 150
    assert evidence.rebases
    assert [received(evidence), sent(evidence), moves(evidence)] == [100, 0, 1]
    mean = average(evidence)
    assert mean is not None
    assert mean <= 100
    assert held_s(evidence, Decimal(150)) == 0


async def test_contract_that_is_no_token_is_no_answer(net: Net) -> None:
    game = await net.deploy("Game")
    for address in (game, Address(bytes(19) + b"\x77")):
        with pytest.raises(SourceError) as caught:
            await collect_token(net.source, [ALICE], address)
        assert caught.value.code == "refused"


def _double(method: str, _params: Any, result: Any) -> Any:
    return "0x" + f"{2 * int(result, 16):064x}" if method == "eth_call" and len(result) == 66 else result


async def test_too_many_transfers_are_not_looked_at(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONC-013: beyond the bound the history is not known; the balance of now still is."""
    coin = await net.deploy("Coin", ("uint8", 0))
    for _ in range(4):
        await net.do(coin, "mint(address,uint256)", ALICE, 1)
    monkeypatch.setattr(collect_token_module, "MAX_MOVES", 3)
    with pytest.raises(SourceError) as caught:
        await collect_token(net.source, [ALICE], coin, history_s=60)
    assert caught.value.code == "too_much"
    assert balance(await collect_token(net.source, [ALICE], coin)) == 4
    monkeypatch.setattr(collect_token_module, "MAX_MOVES", 4)
    assert average(await collect_token(net.source, [ALICE], coin, history_s=60)) is not None


def _forget_logs(method: str, _params: Any, result: Any) -> Any:
    return result[:-1] if method == "eth_getLogs" else result


def _other_hash(method: str, _params: Any, result: Any) -> Any:
    return {**result, "hash": "0x" + "13" * 32} if method == "eth_getBlockByNumber" else result


def _other_chain(method: str, _params: Any, result: Any) -> Any:
    return "0x1" if method == "eth_chainId" else result


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (_double, "contradiction"),
        (_forget_logs, "contradiction"),
        (_other_hash, "contradiction"),
        (_other_chain, "wrong_chain"),
        (
            lambda method, _params, _result: {"x": 1} if method == "eth_getBlockByNumber" else _result,
            "unavailable",
        ),
        (lambda method, _params, _result: 7 if method == "eth_getLogs" else _result, "contradiction"),
    ],
)
async def test_endpoints_that_differ_give_no_answer(net: Net, fault: Any, code: str) -> None:
    """ONC-001, ONC-003: one that lies, forgets events or is of another chain cannot make a yes or a no."""
    coin = await net.deploy("Coin", ("uint8", 0))
    await net.do(coin, "mint(address,uint256)", ALICE, 100)
    assert balance(await collect_token(net.source, [ALICE], coin, history_s=60)) == 100
    net.source._checked.clear()
    net.liar.fault = fault
    with pytest.raises(SourceError) as caught:
        await collect_token(net.source, [ALICE], coin, history_s=60)
    assert caught.value.code == code


async def test_endpoint_that_is_down_gives_no_answer_unless_the_quorum_stands(codes: dict[str, str]) -> None:
    """ONC-001."""
    for quorum in (2, 1):
        async with network(codes, quorum=quorum) as net:
            coin = await net.deploy("Coin", ("uint8", 0))
            net.liar.status = 503
            if quorum == 1:
                assert balance(await collect_token(net.source, [ALICE], coin)) == 0
                continue
            with pytest.raises(SourceError) as caught:
                await collect_token(net.source, [ALICE], coin)
            assert caught.value.code == "unavailable"


async def test_block_that_is_replaced_while_looking_gives_no_answer(net: Net) -> None:
    """ONC-002."""
    coin = await net.deploy("Coin", ("uint8", 0))
    await net.node.mine(3)
    head = await net.source.head()
    await net.node.reorg(2)
    with pytest.raises(SourceError) as caught:
        await collect_token(net.source, [ALICE], coin, block=head)
    assert caught.value.code in ("reorged", "refused")


async def test_head_stays_behind_by_the_confirmations(codes: dict[str, str]) -> None:
    """ONC-002."""
    async with network(codes, confirmations=5) as net:
        await net.node.mine(8)
        assert (await net.source.head()).number == 3
    async with network(codes, confirmations=None) as net:
        await net.node.mine(80)
        newest = int(await net.node.call("eth_blockNumber"), 16)
        assert (await net.source.head()).number < newest


async def test_logs_of_a_long_range_are_split_where_an_endpoint_refuses(net: Net) -> None:
    """ONC-004."""
    coin = await net.deploy("Coin", ("uint8", 0))
    for _ in range(6):
        await net.do(coin, "mint(address,uint256)", ALICE, 1)
    whole = await collect_token(net.source, [ALICE], coin, history_s=3600)

    def short(method: str, params: Any, result: Any) -> Any:
        spans = (
            int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) if method == "eth_getLogs" else 0
        )
        if spans > 2:
            raise ValueError("query exceeds the range")
        return result

    object.__setattr__(net.source.chain, "log_span", 3)
    net.liar.fault = short
    assert (await collect_token(net.source, [ALICE], coin, history_s=3600)).history == whole.history


async def test_evidence_of_many_wallets_takes_few_requests(net: Net) -> None:
    """Calls travel in batches: requests do not grow with wallets."""
    coin = await net.deploy("Coin", ("uint8", 0))
    before = net.source.asked
    await collect_token(net.source, [Address(bytes(19) + bytes([n])) for n in range(40)], coin)
    assert net.source.asked - before <= 14


def _policy(token: str) -> Policy:
    def check(validator: str, least: str, **parameters: Any) -> dict[str, Any]:
        asked = {"chain": CHAIN_ID, "token": token, **parameters}
        return {"check": {"validator": validator, "parameters": asked, "is": {"atLeast": least}}}

    levels = [
        check("token.balance", "100"),
        check("token.held", "86400", days=3, amount="100"),
        check("token.average", "100", days=3),
    ]
    document = {
        "version": 1,
        "name": "Holder",
        "evidenceClass": "public",
        "levels": [
            {"level": at, "name": f"L{at}", "points": at, "when": condition}
            for at, condition in enumerate(levels, 1)
        ],
    }
    return read_policy(json.dumps(document).encode())


async def test_observe_token_answers_a_policy_to_the_level(net: Net) -> None:
    """POL-023, from the nodes to the decision."""
    coin = await net.deploy("Coin", ("uint8", 0))
    policy = _policy(f"0x{coin.hex()}")

    async def decide() -> tuple[str, int, int]:
        now = await net.now_s()
        facts = await observe(policy.checks(), {CHAIN_ID: net.source}, [ALICE, BOB], now)
        decision = evaluate(policy, facts, now)
        return decision.outcome.value, decision.level, decision.possible_level

    assert await decide() == ("refused", 0, 0)
    await net.do(coin, "mint(address,uint256)", ALICE, 60)
    await net.do(coin, "mint(address,uint256)", BOB, 60)
    assert await decide() == ("granted", 1, 1)
    await net.wait(2 * DAY_S)
    await net.node.mine()
    assert await decide() == ("granted", 2, 2)
    await net.wait(2 * DAY_S)
    await net.node.mine()
    assert await decide() == ("granted", 3, 3)
    net.liar.fault = _double
    assert await decide() == ("undecided", 0, 3)


async def test_observe_token_of_a_chain_without_endpoints_is_not_known() -> None:
    """ONC-003."""
    found = await observe(_policy("0x" + "11" * 20).checks(), {}, [ALICE], 5)
    assert {observation.value for observation in found.values()} == {None}
    assert len(found) == 3
