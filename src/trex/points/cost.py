"""Whether a condition can hold for somebody who has spent or done nothing (TSK-005, TSK-008)."""

from trex.badges.policy import CheckCondition, Condition, GroupCondition, NotCondition, TimeCondition

COSTLY = frozenset(
    {
        *("token.average", "token.held", "solana.average", "solana.held", "nft.held"),
        *("zktls.level", "zktls.number", "zktls.word"),
    }
)
"""Checks of what is held over time or was bought: not borrowed for a block, not made by asking often."""
ACTS = frozenset(
    {
        *("web3.events", "web3.days", "web3.streak", "web3.volume", "social.posts"),
        *("web3.calls", "web3.call-days", "web3.call-streak", "web3.call-volume"),
    }
)
"""Checks of what somebody does; in daily and weekly tasks they count from the period's start."""


def costs(condition: Condition) -> bool:
    """Tell whether a condition holds only where a costly check is met.

    A balance at one moment is borrowed, an event is made for its gas, a follow is bought by the thousand:
    these prove a deed but cost nothing that a farm would feel, so they do not count here.
    """
    return _needs(condition, COSTLY)


def acts(condition: Condition) -> bool:
    """Tell whether a condition holds only for somebody who did something, not for who merely is something."""
    return _needs(condition, ACTS)


def _needs(condition: Condition, checks: frozenset[str]) -> bool:
    if isinstance(condition, CheckCondition):
        bounds = condition.bounds
        return condition.validator in checks and (bool(bounds.at_least) or bool(bounds.one_of))
    if isinstance(condition, GroupCondition):
        return sum(not _needs(part, checks) for part in condition.parts) < condition.least
    assert isinstance(condition, NotCondition | TimeCondition)
    return False
