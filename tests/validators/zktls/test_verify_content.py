"""What a claim says was asked and found: parameters, patterns, context, values."""

import copy
import json
from typing import Any

import pytest
from tests.validators.zktls.attestor import (
    NOW_S,
    STARS,
    canonical,
    claim,
    provider_hash,
    sign,
)
from tests.validators.zktls.judged import judge, refused

from trex.types.network_file import keccak256
from trex.validators.zktls.verdict import VerdictWord


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
    assert judge(claim(asked)).word is VerdictWord.CONSISTENT


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
