"""When a batch is posted: by size, age and price (PST-020 to PST-022)."""

from dataclasses import dataclass
from enum import StrEnum

from trex.types.primitives import Wei

USUAL_BLOB_FEE = Wei(5 * 10**9)


@dataclass(frozen=True, slots=True)
class Policy:
    """Numbers of the rule.

    A batch is due when it fills its blobs or its oldest transaction is `target_age_s` old. What is due is
    posted when blobs cost no more than is accepted: `usual_blob_fee_wei`, doubled for each `patience_s` that
    the oldest transaction has waited. Whatever the price, it is posted at `max_age_s`, and `margin_s` before
    a window of L1 closes.
    """

    max_blobs: int = 6
    """Of one batch; L1 takes so many in a transaction (EIP-7594)."""
    target_age_s: float = 300.0
    max_age_s: float = 3600.0
    """Also of blocks without transactions."""
    usual_blob_fee_wei: Wei = USUAL_BLOB_FEE
    patience_s: float = 600.0
    margin_s: float = 1800.0

    def check(self) -> None:
        """Refuse numbers that make no rule.

        Raises:
            ValueError: saying which.
        """
        if not 1 <= self.max_blobs <= 9:
            raise ValueError("max blobs: 1 to 9 (BAT-040)")
        if not 0 <= self.target_age_s <= self.max_age_s:
            raise ValueError("target age: not above the longest age")
        if self.patience_s <= 0 or self.usual_blob_fee_wei < 1 or self.margin_s < 0:
            raise ValueError("patience and usual blob fee are above zero, the margin is not below it")

    def accepted_wei(self, age_s: float) -> Wei:
        """Return the blob base fee that is accepted for something so old."""
        doublings = min(max(age_s, 0.0) / self.patience_s, 64.0)
        return Wei(int(self.usual_blob_fee_wei * 2**doublings))


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rule looks at."""

    fill: float
    """Of the blobs of one batch, as estimated; 1 and above is full."""
    age_s: float | None
    """Of the oldest transaction or deposit that is not posted; None when there is none."""
    idle_s: float
    """Of the oldest block that is not posted."""
    left_s: float
    """Until the first window of L1 closes: forced inclusion, sequencing window, age of the origin."""
    blob_fee_wei: Wei
    """L1's blob base fee now."""


class Why(StrEnum):
    """What the rule says."""

    FULL = "full"
    AGE = "age"
    OLDEST = "oldest"
    """At `max_age_s`."""
    WINDOW = "window"
    YOUNG = "young"
    """Not yet."""
    DEAR = "dear"
    """Due, but blobs cost too much."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to post."""

    post: bool
    why: Why
    most_blob_fee_wei: Wei | None
    """Offer no more than this for blob gas; None for whatever it takes."""


def decide(policy: Policy, now: Situation) -> Decision:
    """Say whether what waits is posted now."""
    if now.left_s <= policy.margin_s:
        return Decision(True, Why.WINDOW, None)
    if max(now.age_s or 0.0, now.idle_s) >= policy.max_age_s:
        return Decision(True, Why.OLDEST, None)
    age_s = now.age_s or 0.0
    full = now.fill >= 1.0
    if not full and (now.age_s is None or age_s < policy.target_age_s):
        return Decision(False, Why.YOUNG, None)
    accepted = policy.accepted_wei(age_s)
    if now.blob_fee_wei > accepted:
        return Decision(False, Why.DEAR, accepted)
    return Decision(True, Why.FULL if full else Why.AGE, accepted)
