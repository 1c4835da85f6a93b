"""Features by the silver facts of a few people whose every number can be counted by hand."""

import json
from pathlib import Path

import pytest
from tests.engine.lake.book import ETHER, NOBODY, NOW, Book

from trex.engine.lake.catalogue import catalogue
from trex.engine.lake.features import FEATURES, TASKS
from trex.engine.lake.gold import refresh
from trex.engine.lake.lake import Lake

EXAMPLES = Path(__file__).parents[3] / "src/trex/gateway/examples"
ANN, ANN2, BEN, POOL, SHOP = "0xa1", "0xa2", "0xb1", "0xdef1", "0x5409"
Values = dict[tuple[str, str, int], float]


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Values:
    """Features of Ann (two wallets, one more that she took away), Ben (one) and Cleo (none)."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    book = Book(lake)
    for name, wallets in (("1", [ANN]), ("2", [BEN]), ("3", [])):
        book.link(100, name, wallets[0] if wallets else "0xpass", "created")
    book.link(50, "1", ANN2)
    book.link(50, "1", "0xgone")
    book.link(49, "1", "0xgone", "removed")
    for days_ago in (40, 6, 5, 4, 1):
        book.called(days_ago, ANN, POOL, "swap", "defi")
    book.called(3, ANN2, POOL, "add_liquidity", "defi")
    book.called(3, ANN2, SHOP, "nft_trade", "nft")
    book.called(2, "0xgone", POOL, "swap", "defi")
    book.called(400, BEN, SHOP, "vote", "governance")
    book.sent(10, BEN, None, created="0xnew")
    book.sent(9, BEN, "0x4200000000000000000000000000000000000016")
    book.sent(9, BEN, "0xany", status=0)
    book.moved(30, "native", ANN, BEN, 3 * ETHER)
    book.moved(20, "erc20", NOBODY, ANN, 100)
    book.moved(10, "erc20", ANN, BEN, 40)
    book.moved(12, "erc721", NOBODY, ANN2, 1, "7")
    book.moved(8, "erc721", ANN2, BEN, 1, "7")
    book.moved(8, "erc1155", NOBODY, BEN, 5, "9")
    for token, state, expires_s in (("1", 1, 0), ("2", 1, NOW - 1), ("3", 1, 0)):
        told = {"token": token, "passport": "1", "policy": "0x", "level": 1, "points": 10, "state": state}
        book.write("badges", 5, **told, expires_s=expires_s)
    book.write("badges", 4, token="3", state=4)
    for days_ago, season, amount in ((60, 1, 100), (5, 2, 30), (4, 2, -10), (3, 0, 5)):
        book.write("points", days_ago, passport="1", season=season, amount=amount)
    book.write("rewards", 5, passport="2", epoch="1", amount=str(ETHER), value=float(ETHER))
    task, referral = TASKS["daily"], TASKS["referral"]
    for ago, deed, amount in (
        (9, task, 5),
        (8, task, 5),
        (7.5, task, 5),
        (3, referral, 9),
        (2, task, -5),
    ):
        book.write("points", ago, passport="2", season=1, amount=amount, deed=deed)
    for days_ago, action, subject in (
        (30, "link-account", "passport 2 github"),
        (20, "link-account", "passport 2 twitch"),
        (10, "link-account", "passport 2 twitch"),
        (3, "redeem", "passport 3 0xe1"),
        (3, "redeem", "0xe1"),
    ):
        book.write("acts", days_ago, actor="key", action=action, subject=subject, outcome="job 1")
    for number, name in enumerate(("community", "student", "early-bird"), 9):
        levels = json.loads((EXAMPLES / f"{name}.json").read_bytes())["levels"]
        book.badge(6, "3", book.policy(number, name, [level["when"] for level in levels]))
    refresh(lake, NOW)
    rows = lake.session().table("gold_features").to_pyarrow().to_pylist()
    assert {row["as_of_s"] for row in rows} == {NOW}
    found = {(row["passport"], row["feature"], row["window_days"]): row["value"] for row in rows}
    assert len(found) == len(rows)
    return found


EXPECTED: dict[str, dict[str, float]] = {
    "wallet_count": {"1": 2, "2": 1, "3": 1},
    "transaction_count": {"1": 7, "2": 4, "3": 0},
    "defi_activity": {"1": 6, "2": 0, "3": 0},
    "nft_activity": {"1": 1, "2": 0},
    "game_activity": {"1": 0},
    "governance_votes": {"1": 0, "2": 1},
    "active_days": {"1": 6, "2": 3, "3": 0},
    "active_streak": {"1": 4, "2": 2, "3": 0},
    "account_age_days": {"1": 40, "2": 400},
    "idle_days": {"1": 1, "2": 9},
    "gas_spent": {"1": 0.07, "2": 0.04},
    "contracts_used": {"1": 2, "2": 1},
    "chains_used": {"1": 1, "3": 0},
    "transfer_volume": {"1": 3, "2": 0},
    "token_transfers": {"1": 4, "2": 3},
    "counterparties": {"1": 1, "2": 2},
    "swap_count": {"1": 5, "2": 0},
    "liquidity_provided": {"1": 1},
    "nft_minted": {"1": 1, "2": 5},
    "nft_flipped": {"1": 1, "2": 0},
    "contracts_deployed": {"1": 0, "2": 1},
    "bridge_transfers": {"1": 0, "2": 1},
    "token_count": {"1": 1, "2": 1, "3": 0},
    "nft_count": {"1": 0, "2": 6},
    "collection_count": {"1": 0, "2": 2},
    "holding_days": {"1": 20, "2": 10},
    "average_holding_days": {"1": 20, "2": 26 / 3},
    "badge_count": {"1": 1, "2": 0},
    "badge_points": {"1": 10, "2": 0},
    "points": {"1": 125, "2": 19, "3": 0},
    "season_points": {"1": 20, "2": 0},
    "engagement_reward": {"1": 0, "2": 1},
    "passport_age_days": {"1": 100, "2": 100, "3": 100},
    "tasks_done": {"1": 0, "2": 3},
    "task_streak": {"1": 0, "2": 3},
    "referrals_made": {"1": 0, "2": 1},
    "follows_made": {"1": 0, "3": 2},
    "posts_made": {"3": 0},
    "student": {"2": 0, "3": 1},
    "early_bird": {"2": 0, "3": 1},
    "events_attended": {"2": 0, "3": 1},
    "social_accounts": {"2": 2, "3": 0},
}


@pytest.mark.parametrize("feature", EXPECTED)
def test_feature_is_what_can_be_counted_by_hand(values: Values, feature: str) -> None:
    """LAK-007."""
    for passport, expected in EXPECTED[feature].items():
        assert values[passport, feature, 0] == pytest.approx(expected), passport


def test_windows_reach_back_from_the_moment(values: Values) -> None:
    """LAK-007."""
    assert [values["1", "defi_activity", days] for days in (7, 30, 90, 365)] == [5, 5, 6, 6]
    assert [values["1", "points", days] for days in (7, 30, 90)] == [25, 25, 125]
    assert [values["2", "governance_votes", days] for days in (365, 0)] == [0, 1]
    assert [values["1", "nft_flipped", days] for days in (7, 30)] == [0, 1]


def test_what_is_not_known_is_not_nothing(values: Values) -> None:
    assert ("3", "account_age_days", 0) not in values
    assert ("3", "idle_days", 0) not in values
    assert values["3", "points", 0] == 0


def test_every_feature_made_is_in_the_catalogue() -> None:
    assert FEATURES.keys() <= catalogue().keys()
