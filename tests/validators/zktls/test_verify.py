"""Claims without a provider: signature and inner consistency, each trap with an honest claim beside it."""

import json
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
)
from tests.validators.zktls.judged import broken, changed, judge, refused

from trex.types.evm import SECP256K1_ORDER
from trex.types.primitives import Address
from trex.validators.zktls.verdict import VerdictWord
from trex.validators.zktls.verify import PRODUCTION_ATTESTOR, SCOPE_CONSISTENCY, Request, judge_claim

VECTORS = Path(__file__).parents[3] / "vectors/reclaim"
LOCAL = Address(bytes.fromhex("1563915e194d8cfba1943570603f7606a3115508"))


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
    refused(body, code, "ZKT-001")


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
