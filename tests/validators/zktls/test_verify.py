"""Claims without a provider: signature and inner consistency, each trap with an honest claim beside it."""

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.validators.zktls.attestor import (
    ADDRESS,
    KEY,
    NOW_S,
    STARS,
    canonical,
    claim,
    document,
    provider_hash,
    sign,
)

from trex.types.evm import SECP256K1_ORDER
from trex.types.network_file import keccak256
from trex.types.primitives import Address
from trex.validators.zktls.verdict import Verdict, VerdictWord
from trex.validators.zktls.verify import PRODUCTION_ATTESTOR, SCOPE_CONSISTENCY, Request, judge_claim

VECTORS = Path(__file__).parents[3] / "vectors/reclaim"
LOCAL = Address(bytes.fromhex("1563915e194d8cfba1943570603f7606a3115508"))


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


@pytest.mark.parametrize(
    ("name", "signer", "extracted"),
    [
        ("claim-direct", LOCAL, {"repo": "octo/tool", "stars": "12044"}),
        ("claim-tls12", LOCAL, {"repo": "octo/tool", "stars": "12044"}),
        ("claim-zk-stwo", LOCAL, {"repo": "octo/tool", "stars": "12044"}),
        ("coingecko-price", PRODUCTION_ATTESTOR, {"price": "2612.54"}),
        ("production-kaggle-2026", PRODUCTION_ATTESTOR, {"DYNAMIC_GEO": "IN", "username": "mushaheedsyed"}),
        (
            "production-kaggle-session-2026",
            PRODUCTION_ATTESTOR,
            {"DYNAMIC_GEO": "IN", "username": "srivatsanqb"},
        ),
        ("production-steam-2024", PRODUCTION_ATTESTOR, {"CLAIM_DATA": "76561199614512180"}),
    ],
)
def test_judge_claim_real_honest_claim_is_consistent(
    name: str, signer: Address, extracted: dict[str, str]
) -> None:
    verdict = judge((VECTORS / f"{name}.json").read_bytes(), trusted=signer)
    assert (verdict.word, verdict.signer, broken(verdict)) == (VerdictWord.CONSISTENT, signer, set())
    assert {found.name: found.value for found in verdict.extracted} == extracted
    assert verdict.scope == SCOPE_CONSISTENCY


@pytest.mark.parametrize(
    ("name", "signer", "codes"),
    [
        ("claim-malicious-injected", LOCAL, {"not_extracted"}),
        ("production-portal-2026", PRODUCTION_ATTESTOR, {"no_parameters", "other_means"}),
        ("production-no-provider-hash-2024", PRODUCTION_ATTESTOR, {"no_provider_hash", "unsigned_values"}),
    ],
)
def test_judge_claim_real_lying_claim_is_refused(name: str, signer: Address, codes: set[str]) -> None:
    verdict = judge((VECTORS / f"{name}.json").read_bytes(), trusted=signer)
    assert (verdict.word, broken(verdict), verdict.extracted) == (VerdictWord.REFUSED, codes, ())


def test_judge_claim_trusts_the_production_attestor_and_no_other_by_default() -> None:
    """ZKT-013."""
    production = (VECTORS / "coingecko-price.json").read_bytes()
    assert judge_claim(production, Request(now_s=NOW_S)).word is VerdictWord.CONSISTENT
    local = judge_claim((VECTORS / "claim-direct.json").read_bytes(), Request(now_s=NOW_S))
    assert broken(local) == {"untrusted_signer"}
    assert broken(judge(production, trusted=LOCAL)) == {"untrusted_signer"}


def test_judge_claim_own_claim_is_consistent() -> None:
    """The control of every attack below."""
    verdict = judge(claim())
    assert (verdict.word, broken(verdict)) == (VerdictWord.CONSISTENT, set())


def test_judge_claim_contract_form_and_list_of_one_are_the_same_claim() -> None:
    """ZKT-002."""
    proof = claim()
    data = proof["claimData"]
    info = {key: data[key] for key in ("provider", "parameters", "context")}
    inner = {key: data[key] for key in ("identifier", "owner", "timestampS", "epoch")}
    onchain = {"claimInfo": info, "signedClaim": {"claim": inner, "signatures": proof["signatures"]}}
    for form in ([proof], {"proof": proof}, onchain):
        assert judge(form).identifier == judge(proof).identifier
        assert judge(form).word is VerdictWord.CONSISTENT
    refused([proof, proof], "not_one_claim", "ZKT-002")
    refused([], "not_one_claim", "ZKT-002")
    refused({"claim": proof}, "no_claim", "ZKT-002")
    refused("0x", "no_claim", "ZKT-002")


def changed(**fields: Any) -> dict[str, Any]:
    proof = claim()
    proof["claimData"] |= fields
    return proof


@pytest.mark.parametrize(
    "proof",
    [
        changed(timestampS="1795299940"),
        changed(timestampS=1795299940.0),
        changed(timestampS=True),
        changed(timestampS=-1),
        changed(timestampS=2**32),
        changed(timestampS=None),
        changed(epoch="1"),
        changed(epoch=2),
        changed(epoch=True),
        changed(provider="https"),
        changed(provider=["http"]),
        changed(parameters=dict(STARS)),
        changed(context={}),
        changed(owner="0x" + "ab" * 19),
        changed(owner="ab" * 20),
        changed(identifier="0x" + "AB" * 32),
        changed(identifier="0x" + "ab" * 31),
        changed(identifier="0x" + "ab" * 31 + "a"),
        {**claim(), "identifier": 7},
        {**claim(), "signatures": []},
        {**claim(), "signatures": {"0": claim()["signatures"][0]}},
        {**claim(), "witnesses": "x"},
        {**claim(), "witnesses": [{"url": "x"}]},
        {**claim(), "claimData": []},
        {**claim(), "extractedParameterValues": []},
    ],
)
def test_judge_claim_field_in_another_form_is_refused(proof: Any) -> None:
    """ZKT-003: a timestamp as text, an epoch as text and the like have no second spelling."""
    refused(proof, "wrong_form", "ZKT-003")


def resigned(index: int, signature: bytes) -> dict[str, Any]:
    proof = claim()
    proof["signatures"][index] = "0x" + signature.hex()
    return proof


def signature_of(proof: dict[str, Any]) -> bytes:
    return bytes.fromhex(proof["signatures"][0][2:])


def test_judge_claim_high_s_twin_is_refused() -> None:
    """ZKT-012: whoever remembers signatures would take the twin for another claim."""
    raw = signature_of(claim())
    s = SECP256K1_ORDER - int.from_bytes(raw[32:64])
    twin = raw[:32] + s.to_bytes(32) + bytes([55 - raw[64]])
    refused(resigned(0, twin), "bad_signature", "ZKT-012")


def test_judge_claim_signature_in_another_form_is_refused() -> None:
    """ZKT-012."""
    raw = signature_of(claim())
    for wrong in (raw[:64], raw + b"\0", raw[:63], b""):
        refused(resigned(0, wrong), "signature_form", "ZKT-012")
    for v in (0, 1, 26, 29, 35):
        refused(resigned(0, raw[:64] + bytes([v])), "bad_signature", "ZKT-012")
    for r, s in ((0, 1), (1, 0), (SECP256K1_ORDER, 1), (2**256 - 1, 1)):
        refused(resigned(0, r.to_bytes(32) + s.to_bytes(32) + b"\x1b"), "bad_signature", "ZKT-012")
    other = {**claim(), "signatures": [claim()["signatures"][0][2:]]}
    refused(other, "signature_form", "ZKT-012")


def test_judge_claim_several_signatures_are_refused() -> None:
    """ZKT-012: a good one among others must not carry them."""
    proof = claim()
    refused({**proof, "signatures": proof["signatures"] * 2}, "several_signatures", "ZKT-012")


def test_judge_claim_signature_of_another_claim_is_refused() -> None:
    """ZKT-011, ZKT-013: another text recovers another signer."""
    other = claim(message="another")
    refused({**claim(), "signatures": other["signatures"]}, "untrusted_signer", "ZKT-013")


def test_judge_claim_field_changed_after_signing_is_refused() -> None:
    """ZKT-010, ZKT-013: owner, time and content are all signed."""
    refused(changed(owner="0x" + "cd" * 20), "untrusted_signer", "ZKT-013")
    refused(changed(timestampS=NOW_S - 61), "untrusted_signer", "ZKT-013")
    wrong = changed(parameters=canonical({**STARS, "url": "https://api.github.com/repos/octo/other"}))
    refused(wrong, "wrong_identifier", "ZKT-010")
    refused({**claim(), "identifier": "0x" + "00" * 32}, "wrong_identifier", "ZKT-010")


def test_judge_claim_owner_in_capitals_is_the_same_owner() -> None:
    """Attestors sign the owner in lower case."""
    assert judge(changed(owner="0x" + "AB" * 20)).word is VerdictWord.CONSISTENT


def test_judge_claim_other_witness_than_the_signer_is_refused() -> None:
    """ZKT-014."""
    stranger = {"id": "0x244897572368eadf65bfbc5aec98d8e5443a9072", "url": "x"}
    refused({**claim(), "witnesses": [stranger]}, "other_witness", "ZKT-014")
    refused({**claim(), "witnesses": [*claim()["witnesses"], stranger]}, "other_witness", "ZKT-014")
    proof = claim()
    del proof["witnesses"]
    assert judge(proof).word is VerdictWord.CONSISTENT


def test_judge_claim_timestamp_that_cannot_be_is_refused() -> None:
    """ZKT-015."""
    assert judge(claim(timestamp_s=NOW_S + 600)).word is VerdictWord.CONSISTENT
    refused(claim(timestamp_s=NOW_S + 601), "future_timestamp", "ZKT-015")
    refused(claim(timestamp_s=946_684_800), "impossible_timestamp", "ZKT-015")


@pytest.mark.parametrize("text", ["", " ", "{}", "\n"])
def test_judge_claim_empty_parameters_are_refused(text: str) -> None:
    """ZKT-020."""
    context = canonical({"providerHash": provider_hash({})})
    refused(sign(text, context, str(NOW_S)), "no_parameters", "ZKT-020")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (canonical(STARS) + " ", "parameters_not_canonical"),
        (json.dumps(STARS), "parameters_not_canonical"),
        (canonical(STARS).replace("octo", "\\u006fcto"), "parameters_not_canonical"),
        (canonical(STARS).replace("/repos", "\\/repos"), "parameters_not_canonical"),
        ('{"url":"https://a.example/",' + canonical(STARS)[1:], "parameters_duplicate_key"),
        ('{"u\\u0072l":"https://a.example/",' + canonical(STARS)[1:], "parameters_duplicate_key"),
        (canonical(STARS)[:-1] + ',"\\ud800":1}', "parameters_surrogate"),
        (canonical(STARS)[:-1] + ',"x":1e400}', "parameters_number"),
        (canonical(STARS)[:-1] + ',"x":NaN}', "parameters_number"),
        (canonical(STARS)[:-1] + f',"x":{2**53}}}', "parameters_number"),
        (canonical(STARS)[:-1] + ',"x":1.0}', "parameters_not_canonical"),
        (canonical(STARS)[:-1] + ',"x":' + "[" * 30 + "]" * 30 + "}", "parameters_too_deep"),
        ("[" + canonical(STARS) + "]", "parameters_not_object"),
        ("null", "parameters_not_object"),
        (canonical(STARS) + canonical(STARS), "parameters_not_json"),
        ("\ufeff" + canonical(STARS), "parameters_not_json"),
        ("{'url':1}", "parameters_not_json"),
    ],
)
def test_judge_claim_parameters_with_two_readings_are_refused(text: str, code: str) -> None:
    """ZKT-020: two keys of one name, escapes, odd numbers: what one reader skips the other believes."""
    refused(sign(text, canonical({"providerHash": provider_hash(STARS)}), str(NOW_S)), code, "ZKT-020")


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://api.github.com/repos/octo/tool"},
        {"url": "https://api.github.com@evil.example/repos/octo/tool"},
        {"url": "https://api.github.com:8443/repos/octo/tool"},
        {"url": "https://api.github.com/repos/octo/tool#https://x"},
        {"url": "https://{{host}}/repos/octo/tool"},
        {"url": "https:///repos"},
        {"url": "https://[::1/"},
        {"url": "https://api.github.com/\u202egpj"},
        {"url": "https://api.github.com/a b"},
        {"url": "HTTPS://api.github.com/"},
        {"url": 7},
        {"method": "get"},
        {"method": "TRACE"},
        {"body": 5},
        {"responseMatches": []},
        {"responseMatches": {}},
        {"responseMatches": ["stars"]},
        {"responseMatches": [{"type": "xpath", "value": "x"}]},
        {"responseMatches": [{"type": "contains", "value": ""}]},
        {"responseMatches": [{"type": "contains", "value": "x", "invert": "no"}]},
        {"responseMatches": [{"type": "contains", "value": "x", "isOptional": True}]},
        {"responseMatches": [{"type": "contains", "value": "x"}] * 65},
        {"responseRedactions": [7]},
        {"responseRedactions": [{"regex": 7}]},
        {"paramValues": []},
        {"paramValues": {"x": 7}},
    ],
)
def test_judge_claim_parameters_no_attestor_takes_are_refused(change: dict[str, Any]) -> None:
    """ZKT-021."""
    refused(claim({**STARS, **change}, {}), "wrong_parameters", "ZKT-021")


def test_judge_claim_without_method_or_url_is_refused() -> None:
    """ZKT-021."""
    for key in ("url", "method", "responseMatches"):
        asked = {name: value for name, value in STARS.items() if name != key}
        refused(claim(asked, {}), "wrong_parameters", "ZKT-021")


def test_judge_claim_provider_hash_missing_or_wrong_is_refused() -> None:
    """ZKT-022."""
    for found in (None, 7, "", "0x", provider_hash(STARS).upper(), provider_hash(STARS) + "00"):
        refused(claim(None, {}, context={"providerHash": found}), "no_provider_hash", "ZKT-022")
    text = canonical({"contextMessage": "x"})
    refused(sign(canonical(STARS), text, str(NOW_S)), "no_provider_hash", "ZKT-022")
    refused(claim(None, {}, context={"providerHash": "0x" + "00" * 32}), "wrong_provider_hash", "ZKT-022")


def test_judge_claim_provider_hash_by_each_known_formula_is_consistent() -> None:
    """ZKT-022: the formula changed between versions; a hash over anything else is none."""
    asked: dict[str, Any] = {**copy.deepcopy(STARS), "geoLocation": "US"}
    asked["responseMatches"][0]["invert"] = False
    values = {"repo": "octo/tool", "stars": "1"}

    def of(keys: list[str], form: dict[str, Any]) -> str:
        return "0x" + keccak256(canonical({key: form[key] for key in keys}).encode()).hex()

    common = ["url", "method", "responseMatches", "responseRedactions"]
    uniform = {**asked, "responseMatches": STARS["responseMatches"]}
    for hash_ in (
        of([*common, "body"], asked),
        of([*common, "geoLocation"], asked),
        of([*common, "body"], uniform),
    ):
        assert judge(claim(asked, values, context={"providerHash": hash_})).word is VerdictWord.CONSISTENT
    for keys in (common, [*common, "body", "geoLocation"], ["url"], list(asked)):
        refused(
            claim(asked, values, context={"providerHash": of(keys, asked)}), "wrong_provider_hash", "ZKT-022"
        )


def test_judge_claim_many_repeated_patterns_cost_no_more_hashes() -> None:
    """ZKT-022: a verifier that hashes every subset of optional patterns does 2^60 of them here."""
    entry = {"type": "contains", "value": "x", "isOptional": True}
    asked = {**STARS, "responseMatches": [*[entry] * 60, {"type": "contains", "value": "y"}]}
    started = time.perf_counter()
    assert judge(claim(asked)).word is VerdictWord.CONSISTENT
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "pattern",
    [
        r"\Q(?<stars>\d+)\E",
        r"[[:(?<stars>:]\d]",
        r"[](?<stars>)]",
        r"(?P<stars>\d+)",
        r"(?'stars'\d+)",
        r"(?<stars>\d+)(?<stars>\d+)",
        r"(?<__proto__>\d+)",
        r"(?<constructor>\d+)",
        r"(?<sta rs>\d+)",
        r"(?<stärs>\d+)",
        r"(?#(?<stars>\d+))",
        r"(?i)(?<stars>\d+)",
        r"\c(?<stars>\d+)",
        "[a",
        "a\\",
        "(?<stars>" + "a" * 17_000,
    ],
)
def test_judge_claim_pattern_engines_read_differently_is_refused(pattern: str) -> None:
    """ZKT-023: where one engine sees a group and another does not, the claimant's own values may stand."""
    asked = {**STARS, "responseMatches": [{"type": "regex", "value": pattern}]}
    refused(claim(asked, {"stars": "999999"}), "unclear_pattern", "ZKT-023")


def test_judge_claim_name_caught_or_given_twice_is_refused() -> None:
    """ZKT-023."""
    twice = {"type": "regex", "value": r"(?<stars>\d+)"}
    asked = {**STARS, "responseMatches": [twice, {**twice, "value": r"x(?<stars>\d+)"}]}
    refused(claim(asked, {"stars": "1"}), "name_twice", "ZKT-023")
    both = [twice, {"type": "contains", "value": "{{stars}}"}]
    asked = {**STARS, "responseMatches": both, "paramValues": {"stars": "9"}}
    refused(claim(asked, {"stars": "9"}), "name_twice", "ZKT-023")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no_context"),
        ("{", "context_not_json"),
        ("[]", "context_not_object"),
        ('{"a":1,"a":2}', "context_duplicate_key"),
        ('{"contextMessage": "spaced"}', "context_not_canonical"),
        ('{"b":1,"a":2}', "context_not_canonical"),
        ('{"a":"\\u0041"}', "context_not_canonical"),
        ('{"a":"\\udc00"}', "context_surrogate"),
    ],
)
def test_judge_claim_context_with_two_readings_is_refused(text: str, code: str) -> None:
    """ZKT-024: a reader that takes the first match of a key would see what the signer did not mean."""
    refused(sign(canonical(STARS), text, str(NOW_S)), code, "ZKT-024")


def test_judge_claim_context_read_by_first_match_finds_no_other_value() -> None:
    """ZKT-024: a message that looks like the context's own keys stays a message."""
    message = '","extractedParameters":{"stars":"999999"},"providerHash":"0x00'
    verdict = judge(claim(message=message))
    assert verdict.word is VerdictWord.CONSISTENT
    assert {found.name: found.value for found in verdict.extracted}["stars"] == "12044"
    assert verdict.context_message == message


def test_judge_claim_context_fields_in_another_form_are_refused() -> None:
    """ZKT-024."""
    refused(claim(None, {}, context={"contextMessage": ["nonce-1"]}), "context_form", "ZKT-024")
    refused(claim(None, {}, context={"contextAddress": 7}), "context_form", "ZKT-024")


@pytest.mark.parametrize("flag", ["isAiProof", "isPortalProof", "is_ai_proof", "ISPORTALPROOF"])
def test_judge_claim_made_by_other_means_is_refused(flag: str) -> None:
    """ZKT-025."""
    values = {"repo": "octo/tool", "stars": "1"}
    for found in (True, "true", 1):
        refused(claim(None, values, context={flag: found}), "other_means", "ZKT-025")
        refused({**claim(), flag: found}, "other_means", "ZKT-025")
        refused({**claim(), "publicData": {"x": [{flag: found}]}}, "other_means", "ZKT-025")
    manual = {"id": claim()["witnesses"][0]["id"], "url": "manual-verify"}
    refused({**claim(), "witnesses": [manual]}, "other_means", "ZKT-025")
    assert judge(claim(None, values, context={flag: False})).word is VerdictWord.CONSISTENT


@pytest.mark.parametrize(
    "match",
    [
        {"type": "contains", "value": "full_name"},
        {"type": "contains", "value": r"(?<stars>\d+)"},
        {"type": "regex", "value": "stars"},
        {"type": "regex", "value": r"\(?<stars>\d+"},
        {"type": "regex", "value": r"[(?<stars>]+"},
        {"type": "regex", "value": r"(?<!<stars>)\d+"},
        {"type": "regex", "value": r"(?<=<stars>)\d+"},
        {"type": "regex", "value": r"(?<other>\d+)"},
        {"type": "regex", "value": r"(?<stars>\d+)", "invert": True},
        {"type": "contains", "value": "{{stars}}"},
    ],
)
def test_judge_claim_values_where_nothing_was_extracted_are_refused(match: dict[str, Any]) -> None:
    """ZKT-026: an attestor keeps the claimant's extractedParameters when it extracted nothing itself."""
    asked = {**STARS, "responseMatches": [match]}
    refused(claim(asked, {"stars": "999999"}), "not_extracted", "ZKT-026")
    assert judge(claim(asked)).word is VerdictWord.CONSISTENT


def test_judge_claim_value_of_an_optional_pattern_is_refused() -> None:
    """ZKT-026: what need not be in the response was perhaps not there."""
    optional = {"type": "regex", "value": r"(?<stars>\d+)", "isOptional": True}
    asked = {**STARS, "responseMatches": [optional, {"type": "contains", "value": "full_name"}]}
    refused(claim(asked, {"stars": "999999"}), "not_extracted", "ZKT-026")


def test_judge_claim_template_value_other_than_signed_is_refused() -> None:
    """ZKT-026: a contains-match attests the value in its template, no other."""
    asked = {
        **STARS,
        "responseMatches": [{"type": "contains", "value": '"stargazers_count":{{stars}}'}],
        "paramValues": {"stars": "12"},
    }
    verdict = judge(claim(asked, {"stars": "12"}))
    assert [(found.value, found.origin) for found in verdict.extracted] == [("12", "template")]
    refused(claim(asked, {"stars": "999999"}), "other_value", "ZKT-026")
    refused(claim(asked, {}), "other_value", "ZKT-026")
    refused(claim(asked, {"stars": 12}), "extracted_form", "ZKT-026")


def test_judge_claim_template_value_may_not_smuggle_a_group() -> None:
    """ZKT-026: the value stands in the pattern before it is run, so its groups count as the pattern's."""
    asked = {
        **STARS,
        "responseMatches": [{"type": "regex", "value": "{{p}}"}],
        "paramValues": {"p": r"(?<stars>\d+)"},
    }
    verdict = judge(claim(asked, {"p": r"(?<stars>\d+)", "stars": "7"}))
    assert {found.name: found.origin for found in verdict.extracted} == {"p": "template", "stars": "response"}


def test_judge_claim_unsigned_values_beside_the_claim_are_refused() -> None:
    """ZKT-027."""
    proof = claim()
    good = {"repo": "octo/tool", "stars": "12044"}
    assert judge({**proof, "extractedParameterValues": good}).word is VerdictWord.CONSISTENT
    assert judge({**proof, "extractedParameterValues": None}).word is VerdictWord.CONSISTENT
    lie = {**good, "stars": "999999"}
    refused({**proof, "extractedParameterValues": lie}, "unsigned_values", "ZKT-027")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "document_not_json"),
        (b"\xff\xfe{", "document_not_utf8"),
        (b"\xef\xbb\xbf" + document(claim()), "document_not_json"),
        (document(claim()).decode().encode("utf-16"), "document_not_utf8"),
        (b'{"a":1,"a":2}', "document_duplicate_key"),
        (document(claim())[:-1] + b',"signatures":[]}', "document_duplicate_key"),
        (document(claim())[:-1] + b',"signature\\u0073":[]}', "document_duplicate_key"),
        (b"[" * 100_000, "document_too_deep"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "document_too_deep"),
        (b'"' + b"a" * 300_000 + b'"', "document_too_large"),
        (b'{"a":Infinity}', "document_number"),
        (b'{"a":' + b"9" * 5000 + b"}", "document_number"),
        (b'{"a":"\\ud800"}', "document_surrogate"),
        (b'{"a":"\x00"}', "document_not_json"),
        (document(claim()) + b"{}", "document_not_json"),
        (b'"\\' * 100_000, "document_not_json"),
    ],
)
def test_judge_claim_document_with_two_readings_or_too_large_is_refused(body: bytes, code: str) -> None:
    """ZKT-001."""
    started = time.perf_counter()
    refused(body, code, "ZKT-001")
    assert time.perf_counter() - started < 2


def test_judge_claim_huge_part_is_refused() -> None:
    """ZKT-001."""
    asked = {**STARS, "headers": {"x": "y" * 70_000}}
    refused(claim(asked, {"repo": "a/b", "stars": "1"}), "parameters_too_large", "ZKT-001")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_judge_claim_never_raises_and_never_accepts_a_damaged_claim(data: st.DataObject) -> None:
    body = bytearray(document(claim()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    honest = judge(claim())
    verdict = judge(bytes(body))
    if verdict.word is VerdictWord.CONSISTENT:
        assert (verdict.identifier, verdict.owner, verdict.timestamp_s) == (
            honest.identifier,
            honest.owner,
            honest.timestamp_s,
        )


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.text() | st.sampled_from(["claimData", "signatures", "proof", "claimInfo", "signedClaim"]),
                inner,
            )
        ),
    )
)
def test_judge_claim_any_json_is_refused_without_fault(value: Any) -> None:
    assert judge(json.dumps(value).encode()).word is VerdictWord.REFUSED


def test_key_is_the_tests_own() -> None:
    assert KEY.to_bytes() == bytes(31) + b"\x07"
    assert PRODUCTION_ATTESTOR != ADDRESS
