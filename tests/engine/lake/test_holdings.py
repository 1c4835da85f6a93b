"""Holdings: from transfers to who held what, when."""

import random
from typing import Any

from trex.engine.lake.holdings import NOBODY, Moved, holdings

A, B, C = "0xa", "0xb", "0xc"


def moved(time_s: int, sender: str, recipient: str, amount: int, token: str | None = None) -> Moved:
    return (1, "erc721" if token else "erc20", "0xt", token, time_s, sender, recipient, str(amount))


def told(*moves: Moved) -> set[tuple[Any, ...]]:
    columns = ("account", "token_id", "from_s", "until_s", "amount")
    return {tuple(row[column] for column in columns) for row in holdings(moves)}


def test_what_comes_and_goes_is_held_between() -> None:
    """LAK-006."""
    assert told(moved(1, NOBODY, A, 1, "7"), moved(5, A, B, 1, "7"), moved(9, B, NOBODY, 1, "7")) == {
        (A, "7", 1, 5, "1"),
        (B, "7", 5, 9, "1"),
    }
    assert told(moved(1, NOBODY, A, 10), moved(2, A, B, 4), moved(3, A, A, 99), moved(4, B, C, 0)) == {
        (A, None, 1, None, "6"),
        (B, None, 2, None, "4"),
    }


def test_amounts_are_whole_numbers_of_any_size() -> None:
    """LAK-006: where floats or 128 bits would leave dust, nothing is left."""
    huge = 2**255 + 1
    rows = told(moved(1, NOBODY, A, huge), moved(2, A, B, huge - 1), moved(3, A, B, 1))
    assert rows == {(A, None, 1, 3, "1"), (B, None, 2, None, str(huge))}


def test_what_was_sent_without_being_received_holds_nothing() -> None:
    """LAK-006: the history began late."""
    assert told(moved(1, A, B, 5), moved(2, NOBODY, A, 3)) == {(B, None, 1, None, "5")}


def test_what_is_held_adds_up_to_what_was_minted() -> None:
    draw = random.Random(7)
    people, balances = [A, B, C], dict.fromkeys((A, B, C), 0)
    moves = []
    for time_s in range(500):
        sender, recipient = draw.choice([NOBODY, *people]), draw.choice(people)
        amount = draw.randrange(2**100) if sender == NOBODY else draw.randrange(balances[sender] + 1)
        moves.append(moved(time_s, sender, recipient, amount))
        balances[recipient] += amount
        if sender != NOBODY:
            balances[sender] -= amount
    now = {row["account"]: int(str(row["amount"])) for row in holdings(moves) if row["until_s"] is None}
    assert now == {person: amount for person, amount in balances.items() if amount}
