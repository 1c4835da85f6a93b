"""Whether points rest on something that one human has once (POL-029)."""

from trex.badges.policy import CheckCondition, Condition, GroupCondition, Policy
from trex.validators.zktls.provider import all_providers


def standing_fault(policy: Policy) -> str:
    """Say which level of a policy gives points for claims that name no account; empty if none does.

    Such a claim's account may make another for each passport of its owner: the badges would stand on
    wallets alone, which cost nothing.
    """
    for level in policy.levels:
        names = sorted(set(_nameless(level.when)))
        if level.points and names and not _stands(level.when):
            return f"level {level.level} gives points by {', '.join(names)} alone: names no account (ZKT-043)"
    return ""


def _stands(condition: Condition) -> bool:
    """Whether it cannot be met without a wallet's or an account's own answer."""
    if isinstance(condition, CheckCondition):
        return not _nameless(condition)
    if isinstance(condition, GroupCondition):
        return sum(not _stands(part) for part in condition.parts) < condition.least
    return False


def _nameless(condition: Condition) -> list[str]:
    """The providers that it asks whose claims name no account."""
    if isinstance(condition, GroupCondition):
        return [name for part in condition.parts for name in _nameless(part)]
    if not isinstance(condition, CheckCondition) or not condition.validator.startswith("zktls."):
        return []
    provider = all_providers().get(condition.parameters["provider"])
    return [] if provider is None or provider.names_account else [provider.id]
