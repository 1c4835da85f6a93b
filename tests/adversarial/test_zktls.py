"""Attacks on zkTLS claims: what a hostile claimant gets signed, or changes afterwards."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from eth_keys.datatypes import PrivateKey
from tests.adversarial.guards import Guard
from tests.adversarial.kit import Refused, attack
from tests.validators.zktls.attestor import ADDRESS, NOW_S, STARS, claim, document

from trex.types.evm import SECP256K1_ORDER
from trex.types.primitives import Address
from trex.validators.zktls import normalise
from trex.validators.zktls.provider import provider_by_id
from trex.validators.zktls.template import Binding
from trex.validators.zktls.verdict import Verdict, VerdictWord
from trex.validators.zktls.verify import Request, judge_claim

CONSISTENCY = "src/trex/validators/zktls/consistency.py"
TEMPLATE = "src/trex/validators/zktls/template.py"
HOSTILE = {"repo": "octo/tool", "stars": "999999"}
ASKED = Request(
    now_s=NOW_S,
    trusted=(ADDRESS,),
    provider=provider_by_id("github-stars"),
    binding=Binding("nonce-1", NOW_S - 120),
    account="octo",
)
"""What a gateway compares a claim of stars with."""
ALONE = Request(now_s=NOW_S, trusted=(ADDRESS,))
"""Signature and consistency only."""


def judged(proof: Any, request: Request = ASKED) -> Verdict:
    """Judge a claim.

    Raises:
        Refused: it is not accepted, with the codes of what is wrong.
    """
    verdict = judge_claim(proof if isinstance(proof, bytes) else document(proof), request)
    wanted = VerdictWord.ACCEPTED if request.provider else VerdictWord.CONSISTENT
    if verdict.word is not wanted:
        raise Refused(", ".join(one.code for one in verdict.reasons if one.outcome != "granted"))
    return verdict


def asked(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    parameters = copy.deepcopy(STARS)
    change(parameters)
    return parameters


@attack(
    who="anybody with a key",
    gain="claims of any content",
    why="the signer must be a trusted attestor",
    guard=Guard(
        CONSISTENCY,
        """steps.broken("ZKT-013", "untrusted_signer",
        f"signed by {checksum_address(signer)}; trusted: {names}")""",
        "ZKT-013",
    ),
    refusal="untrusted_signer",
)
def test_forged_claim(honest: bool) -> None:
    """A claim is signed by a key that nobody trusts."""
    stranger = Address(bytes(PrivateKey(bytes(31) + b"\x09").public_key.to_canonical_address()))
    judged(claim(), ASKED if honest else replace(ASKED, trusted=(stranger,)))


@attack(
    who="two people with one claim",
    gain="a second proof that is not the first, where proofs are counted by their signature",
    why="s must be in the lower half of the order",
    guard=Guard(
        "src/trex/types/evm.py",
        """if s > SECP256K1_ORDER // 2:
        raise SignatureError("s is in the upper half: a twin of another signature")""",
        "ZKT-012",
    ),
    refusal="bad_signature",
)
def test_twin_signature(honest: bool) -> None:
    """The other s, with the other v."""
    proof = claim()
    raw = bytes.fromhex(proof["signatures"][0][2:])
    twin = raw[:32] + (SECP256K1_ORDER - int.from_bytes(raw[32:64])).to_bytes(32) + bytes([55 - raw[64]])
    if not honest:
        proof["signatures"] = [f"0x{twin.hex()}"]
    judged(proof)


@attack(
    who="the claimant",
    gain="values of their own making, genuinely signed beside a match that extracts nothing",
    why="only what the claim's own patterns and templates extract counts",
    guard=Guard(
        CONSISTENCY,
        "if wrong := sorted(values.keys() - set(caught) - given.keys()):",
        "ZKT-026",
        "if wrong := []:",
    ),
    refusal="not_extracted",
)
def test_injected_value(honest: bool) -> None:
    """The claim's one match is `contains`; its context says 999999 stars."""
    text = [{"type": "contains", "value": '"full_name":"octo/tool"'}]
    hostile = asked(lambda p: p.update(responseMatches=text))
    found = judged(claim() if honest else claim(hostile, HOSTILE), ALONE)
    assert {one.name: one.value for one in found.extracted}["stars"] == ("12044" if honest else "999999")


@attack(
    who="the claimant",
    gain="the repository's id, 999999, signed as its stars",
    why="patterns equal those of the provider's template, one by one",
    guard=Guard(
        TEMPLATE,
        """if parameters.matches != template.matches:
        expected = [match.value for match in template.matches]
        return f"responseMatches are {_shown(parameters)}, expected {expected}\"""",
        "ZKT-031",
    ),
    refusal="other_template",
)
def test_other_field(honest: bool) -> None:
    """The pattern named `stars` looks at another field of the response."""
    hostile = asked(lambda p: p["responseMatches"][1].update(value='"id":(?<stars>\\d+)'))
    found = judged(claim() if honest else claim(hostile, HOSTILE))
    assert found.value is not None


@attack(
    who="the claimant, with a site of their own",
    gain="any number of stars",
    why="the URL equals that of the provider's template, host and all",
    guard=Guard(
        TEMPLATE,
        """if not _same_text(template.url, parameters.url, template):
        return f"url is {parameters.url[:160]}, expected {template.url}\"""",
        "ZKT-031",
    ),
    refusal="other_template",
)
def test_look_alike_host(honest: bool) -> None:
    """The same path at `api.github.com.evil.example`."""
    url = "https://api.github.com.evil.example/repos/octo/tool"
    judged(claim() if honest else claim(asked(lambda p: p.update(url=url)), HOSTILE))


@attack(
    who="the claimant",
    gain="a claim whose request nobody knows: a provider's name without its hash",
    why="the hash in the context is of the claim's own parameters",
    guard=Guard(
        CONSISTENCY, "_judge_provider_hash(parameters, context, steps)\n    return", "ZKT-022", "return"
    ),
    refusal="wrong_provider_hash",
)
def test_provider_hash_of_another_claim(honest: bool) -> None:
    """The context has the hash of other parameters."""
    judged(claim() if honest else claim(context={"providerHash": "0x" + "ab" * 32}))


@attack(
    who="the claimant",
    gain="a value that RE2 did not catch and JavaScript would have",
    why="a pattern that engines read differently is refused",
    guard=Guard(
        "src/trex/validators/zktls/patterns.py",
        """if pattern.startswith("[:", at):
                raise UnclearPatternError("a POSIX class")""",
        "ZKT-023",
    ),
    refusal="unclear_pattern",
)
def test_pattern_of_two_readings(honest: bool) -> None:
    """A group stands inside what only one engine takes for a class."""
    pattern = '"n":(?<stars>\\d+)' if honest else '"n":[[:alpha:](?<stars>x)]'
    parameters = asked(lambda p: p.update(responseMatches=[{"type": "regex", "value": pattern}]))
    found = judged(claim(parameters, {"stars": "999999"}), ALONE)
    assert found.extracted[0].value == "999999"


@attack(
    who="the claimant, or a model they asked",
    gain="a claim without any session with the platform",
    why="claims that say they were made by other means are refused",
    guard=Guard(
        CONSISTENCY,
        """for where in (*claim.flags, *flags_of(context, "context")):
        steps.broken(
            "ZKT-025", "other_means", f"{where} marks a claim made by other means than a TLS session"
        )""",
        "ZKT-025",
    ),
    refusal="other_means",
)
def test_claim_by_other_means(honest: bool) -> None:
    """The context says `isAiProof`."""
    judged(claim(context={"isAiProof": not honest}))


@attack(
    who="whoever puts a document between two readers",
    gain="one claim for who checks it, another for who shows it",
    why="a key that is there twice is refused",
    guard=Guard(
        "src/trex/types/strict_json.py",
        """if key in seen:
                raise StrictJsonError("duplicate_key", f"key {key[:64]!r} is there twice")""",
        "ZKT-001",
    ),
    refusal="document_duplicate_key",
)
def test_duplicate_keys(honest: bool) -> None:
    """The document has two `claimData`, of which the last one is signed."""
    proof = claim()
    fake = {**proof["claimData"], "context": "{}"}
    told = json.dumps(proof)
    judged((told if honest else f'{{"claimData":{json.dumps(fake)},{told[1:]}').encode())


@attack(
    who="a person whose followers left",
    gain="a badge by a page of last year",
    why="a claim has a longest age",
    guard=Guard(
        TEMPLATE,
        """if age > provider.freshness_s:
        steps.broken("ZKT-040", "stale", f"{age} s old, {provider.id} takes at most {provider.freshness_s} s")
        return""",
        "ZKT-040",
    ),
    refusal="stale",
)
def test_stale_claim(honest: bool) -> None:
    """A claim of a year ago, for a message that nobody remembers the time of."""
    when = NOW_S - (60 if honest else 365 * 86_400)
    judged(claim(timestamp_s=when), replace(ASKED, binding=Binding("nonce-1")))


@attack(
    who="the claimant, who chooses the date",
    gain="a proof that counts as taken before an event it came after",
    why="a claim is not older than the message that it carries",
    guard=Guard(
        TEMPLATE,
        """if issued is not None and claim.timestamp_s < issued - CLOCK_SKEW_S:
        steps.broken("ZKT-040", "backdated", "dated before its binding message was handed out")
        return""",
        "ZKT-040",
    ),
    refusal="backdated",
)
def test_backdated_claim(honest: bool) -> None:
    """A claim is dated an hour before its message was made."""
    judged(claim(timestamp_s=NOW_S - (60 if honest else 3_720)))


@attack(
    who="the claimant, who chooses the date",
    gain="a claim that stays fresh for longer than it is",
    why="no attestor signs more than ten minutes ahead",
    guard=Guard(CONSISTENCY, "if claim.timestamp_s > now_s + CLOCK_SKEW_S:", "ZKT-015", "if False:"),
    refusal="future_timestamp",
)
def test_claim_from_the_future(honest: bool) -> None:
    """A claim is dated a day ahead."""
    judged(claim(timestamp_s=NOW_S + (60 if honest else 86_400)))


@attack(
    who="whoever gets hold of a stranger's claim",
    gain="the stranger's level",
    why="the claim carries the message that was handed out for this passport",
    guard=Guard(
        TEMPLATE,
        "elif not binding.message or claim_message != binding.message:",
        "ZKT-041",
        "elif not binding.message:",
    ),
    refusal="other_binding",
)
def test_claim_of_another_passport(honest: bool) -> None:
    """A genuine claim is shown by another passport, or for another asking."""
    judged(claim(message="nonce-1" if honest else "nonce-of-somebody-else"))


@attack(
    who="the claimant",
    gain="the level of a famous account, whose page anyone can open",
    why="where the page is public, the account in it must be one that the passport has linked",
    guard=Guard(TEMPLATE, "elif account.casefold() != whose.casefold():", "ZKT-042", "elif False:"),
    refusal="other_account",
)
def test_foreign_account(honest: bool) -> None:
    """A claim of octo's stars, by a passport that has linked another account."""
    judged(claim(), replace(ASKED, account="octo" if honest else "nobody"))


@attack(
    who="a person with a balance in a weak currency",
    gain="the level of the same number of dollars",
    why="a sum with another currency's sign is no sum",
    guard=Guard(
        "src/trex/validators/zktls/normalise.py",
        """if sign and _CURRENCY_SIGNS.get(sign, sign.upper()) != currency:
            raise NotNormalError(f"{text[:48]!r} is not in {currency}")""",
        "ZKT-050",
        "pass",
    ),
    refusal="is not in USD",
)
def test_currency_confusion(honest: bool) -> None:
    """250,000.50 rupiah, where dollars are asked for."""
    assert normalise.amount("250,000.50 USD" if honest else "250,000.50 IDR", "USD").value > 250_000


@attack(
    who="whoever holds many secrets of one page",
    gain="a value that the claimant chose, put into a pattern by `paramValues`",
    why="a claim's values are of the form that the template describes, and it names no others",
    guard=Guard(
        TEMPLATE,
        """if extra := sorted(parameters.values.keys() - template.placeholders.keys() - template.hidden):
        return f"paramValues has {', '.join(extra)[:120]}, which the template does not name\"""",
        "ZKT-033",
    ),
    refusal="other_template",
)
def test_value_beside_the_template(honest: bool) -> None:
    """The claim brings a value for a name that the template lacks."""
    hostile = asked(lambda p: p.update(paramValues={"note": "999999"}))
    judged(claim() if honest else claim(hostile, {"repo": "octo/tool", "stars": "12044"}))
