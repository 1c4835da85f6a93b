"""What is said of a claim: a verdict, and every step that led to it."""

from dataclasses import dataclass, field
from enum import StrEnum

from trex.types.decision import Outcome, Reason, all_of
from trex.types.primitives import Address, Hash32


class VerdictWord(StrEnum):
    """The answer in one word."""

    ACCEPTED = "accepted"
    """A provider was named, and signature, template, freshness, binding and value all hold."""
    CONSISTENT = "consistent"
    """No provider was named: signature and inner consistency hold. This proves no fact about a person."""
    UNDECIDED = "undecided"
    """Nothing is wrong, but something that had to be compared was not given."""
    REFUSED = "refused"
    """A rule is broken."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """One value that the attestor signed as extracted."""

    name: str
    """As the pattern or template names it."""
    value: str
    """As text."""
    origin: str
    """`response`: a pattern caught it out of the response; `template`: the claimant gave it, and a text with
    it was found in the response; `request`: the claimant gave it as part of what it asked for."""


@dataclass(frozen=True, slots=True)
class ProviderValue:
    """What a provider makes of a claim's values. Private: a badge says the level only."""

    value: str
    """Normalised, as text: a decimal number, a plan's name, `yes` or `no`."""
    unit: str
    """What it counts, for example `followers`; a currency's code for amounts; empty for names."""
    level: int
    """Of the badge; 0 if the value reaches none."""
    level_name: str
    """For people; empty at level 0."""
    account: str
    """The account at the platform that it is about; empty where the claim names none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one claim."""

    word: VerdictWord
    """The answer."""
    scope: str
    """What was judged, in a sentence."""
    reasons: tuple[Reason, ...]
    """Every step, with the number of its rule."""
    provider: str = ""
    """Provider that the claim was judged by; empty if none."""
    signer: Address | None = None
    """Whose signature it is; None where there is no readable one."""
    identifier: Hash32 | None = None
    """As recomputed."""
    owner: Address | None = None
    """As signed."""
    timestamp_s: int | None = None
    """As signed; the claimant chose it."""
    url: str = ""
    """As signed."""
    method: str = ""
    """As signed."""
    provider_hash: str = ""
    """As signed, and equal to what it was recomputed to."""
    context_address: str = ""
    """As signed; the claimant chose it."""
    context_message: str = ""
    """As signed; the claimant chose it."""
    extracted: tuple[Extracted, ...] = ()
    """What the attestor signed as extracted. A refused claim yields nothing."""
    value: ProviderValue | None = None
    """None unless a provider was named and the claim has a value for it."""


@dataclass(slots=True)
class Steps:
    """Collects the reasons of one verdict."""

    reasons: list[Reason] = field(default_factory=list)

    def held(self, rule: str, code: str, message: str) -> None:
        """Note a rule that the claim keeps."""
        self.reasons.append(Reason(code, Outcome.GRANTED, message, rule))

    def broken(self, rule: str, code: str, message: str) -> None:
        """Note a rule that the claim breaks."""
        self.reasons.append(Reason(code, Outcome.REFUSED, message, rule))

    def unknown(self, rule: str, code: str, message: str) -> None:
        """Note a rule that could not be judged."""
        self.reasons.append(Reason(code, Outcome.UNDECIDED, message, rule))

    def outcome(self) -> Outcome:
        """All of them together."""
        return all_of(reason.outcome for reason in self.reasons)
