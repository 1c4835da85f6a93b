"""A zkTLS claim with all that judging it anew takes: a holder shows it, attestors keep it (BDG-053)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from trex.badges.observation import Observation
from trex.passport.contracts import Contracts
from trex.types.primitives import Address, Hash32
from trex.validators.zktls.observe import observations
from trex.validators.zktls.provider import ProviderError, provider_by_id
from trex.validators.zktls.template import Binding, binding_message
from trex.validators.zktls.verdict import Verdict
from trex.validators.zktls.verify import Request, judge_claim


@dataclass(frozen=True, slots=True)
class DisclosedClaim:
    """A claim as it was taken."""

    provider: str
    """Id of its provider."""
    proof: Mapping[str, Any]
    """As Reclaim's client gave it."""
    nonce: Hash32
    """Of the message that bound it to a passport: the message follows from both (ZKT-041)."""
    issued_at_s: int
    """When that message was handed out, Unix time in seconds."""
    account: str | None
    """Handle that the claim had to be about; None if any would do."""
    judged_at_s: int
    """When it was taken, Unix time in seconds."""

    def judge(
        self, trusted: tuple[Address, ...], contracts: Contracts, passport: int
    ) -> tuple[Verdict, Mapping[Hash32, Observation]]:
        """Judge it as of when it was taken; return the verdict and the answers that follow from it.

        Args:
            trusted: attestors whose claims count.
            contracts: of the chain that has the passport.
            passport: whose claim it must be.

        Raises:
            ProviderError: there is no such provider.
        """
        provider = provider_by_id(self.provider)
        whose = Hash32(passport.to_bytes(32))
        message = binding_message(contracts.chain_id, contracts.passport, whose, self.provider, self.nonce)
        binding = Binding(message, self.issued_at_s)
        request = Request(self.judged_at_s, trusted, provider, binding, self.account)
        verdict = judge_claim(orjson.dumps(self.proof), request)
        return verdict, observations(verdict, provider, self.judged_at_s)

    def write(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "provider": self.provider,
            "proof": dict(self.proof),
            "nonce": f"0x{self.nonce.hex()}",
            "issuedAtS": self.issued_at_s,
            "account": self.account,
            "judgedAtS": self.judged_at_s,
        }


def read_claim(entry: Mapping[str, Any]) -> DisclosedClaim:
    """Read what `write` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        found = DisclosedClaim(
            str(entry["provider"]),
            dict(entry["proof"]),
            Hash32(bytes.fromhex(entry["nonce"].removeprefix("0x"))),
            int(entry["issuedAtS"]),
            None if entry["account"] is None else str(entry["account"]),
            int(entry["judgedAtS"]),
        )
        provider_by_id(found.provider)
    except (KeyError, TypeError, AttributeError, ProviderError) as error:
        raise ValueError(f"not a disclosed claim: {error}") from error
    return found
