"""Decisions as JSON: what `trex badge dry-run --json` and the gateway answer."""

from typing import Any

from trex.badges.evaluate import Finding, PolicyDecision
from trex.badges.policy import Policy


def decision_json(policy: Policy, decision: PolicyDecision) -> dict[str, Any]:
    """Write a decision with every reason."""
    return {
        "outcome": decision.outcome.value,
        "policyHash": f"0x{policy.document_hash.hex()}",
        "level": decision.level,
        "possibleLevel": decision.possible_level,
        "points": decision.points,
        "expiresAtS": decision.expires_at_s,
        "recheckAtS": decision.recheck_at_s,
        "levels": [{"level": level.level, **_finding_json(level.finding)} for level in decision.levels],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "outcome": finding.outcome.value,
        "code": finding.reason.code,
        "reason": finding.reason.message,
        "parts": [_finding_json(part) for part in finding.parts],
    }
