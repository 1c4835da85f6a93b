"""Claims judged without a provider, and what is expected of the verdict."""

from typing import Any

from tests.validators.zktls.attestor import ADDRESS, NOW_S, claim, document

from trex.types.primitives import Address
from trex.validators.zktls.verdict import Verdict, VerdictWord
from trex.validators.zktls.verify import Request, judge_claim


def judge(proof: Any, now_s: int = NOW_S, trusted: Address = ADDRESS) -> Verdict:
    body = proof if isinstance(proof, bytes) else document(proof)
    return judge_claim(body, Request(now_s=now_s, trusted=(trusted,)))


def broken(verdict: Verdict) -> set[str]:
    return {reason.code for reason in verdict.reasons if reason.outcome == "refused"}


def refused(proof: Any, code: str, rule: str) -> None:
    verdict = judge(proof)
    assert verdict.word is VerdictWord.REFUSED
    assert code in broken(verdict), verdict.reasons
    assert {reason.rule for reason in verdict.reasons if reason.code == code} == {rule}
    assert verdict.extracted == ()


def changed(**fields: Any) -> dict[str, Any]:
    proof = claim()
    proof["claimData"] |= fields
    return proof
