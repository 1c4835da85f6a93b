"""Policies: the document, its rules, its hash."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import rfc8785
from eth_abi.abi import encode

from trex.badges.policy import PolicyError, read_policy
from trex.types.network_file import keccak256
from trex.types.primitives import Address

ROOT = Path(__file__).parents[2]
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "specs/policy.schema.json").read_text()))
EXAMPLES = sorted((ROOT / "vectors/policies").glob("*.json"))
CHECK: dict[str, Any] = {
    "check": {"validator": "zktls.level", "parameters": {"provider": "github-stars"}, "is": {"atLeast": "1"}}
}
GOOD: dict[str, Any] = {
    "version": 1,
    "name": "Name",
    "evidenceClass": "private",
    "levels": [{"level": 1, "name": "One", "points": 5, "when": CHECK}],
}


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    change(document)
    return document


def when(condition: Any) -> dict[str, Any]:
    return changed(lambda d: d["levels"][0].update(when=condition))


def nested(depth: int) -> Any:
    condition: Any = CHECK
    for _ in range(depth - 1):
        condition = {"not": condition}
    return condition


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_read_policy_example_fits_the_published_schema(path: Path) -> None:
    SCHEMA.validate(json.loads(path.read_text()))
    assert read_policy(path.read_bytes()).name


def test_read_policy_hash_is_of_the_canonical_form() -> None:
    """POL-002."""
    policy = read_policy(json.dumps(GOOD, indent=7).encode())
    assert policy.document_hash == keccak256(rfc8785.dumps(GOOD))
    backwards = json.dumps(dict(reversed(GOOD.items()))).encode()
    assert read_policy(backwards).document_hash == policy.document_hash
    other = read_policy(json.dumps({**GOOD, "name": "N\u0430me"}).encode())
    assert other.document_hash != policy.document_hash


def test_same_question_is_one_check_however_it_is_written() -> None:
    """POL-004: of validator and parameters in their canonical form; what it is compared with is no part."""
    token = "0x" + "11" * 20
    asked: list[dict[str, Any]] = [
        {"chain": 1, "token": token},
        {"token": token, "chain": 1},
        {"chain": 2, "token": token},
    ]
    parts = [
        {"check": {"validator": "token.balance", "parameters": one, "is": {"atLeast": str(at)}}}
        for at, one in enumerate(asked, 1)
    ]
    document = {**when({"any": parts}), "evidenceClass": "public"}
    checks = read_policy(json.dumps(document).encode()).checks()
    assert [check.key for check in checks] == [
        keccak256(rfc8785.dumps({"validator": "token.balance", "parameters": one})) for one in asked[1:]
    ]


def test_policy_id_is_what_the_contract_computes() -> None:
    """BDG-001."""
    policy, publisher = read_policy(json.dumps(GOOD).encode()), Address(bytes(19) + b"\7")
    expected = keccak256(encode(["address", "bytes32"], [publisher, policy.document_hash]))
    assert policy.policy_id(publisher) == expected


BROKEN: list[tuple[Any, str, str]] = [
    ([], "POL-003", ""),
    (changed(lambda d: d.update(version=2)), "POL-003", "version"),
    (changed(lambda d: d.update(version=True)), "POL-003", "version"),
    (changed(lambda d: d.pop("name")), "POL-003", ""),
    (changed(lambda d: d.update(name="")), "POL-003", "name"),
    (changed(lambda d: d.update(name="a\nb")), "POL-003", "name"),
    (changed(lambda d: d.update(name="\u202eevil")), "POL-003", "name"),
    (changed(lambda d: d.update(name="x" * 65)), "POL-003", "name"),
    (changed(lambda d: d.update(extra=1)), "POL-003", ""),
    (changed(lambda d: d.update(evidenceClass="secret")), "POL-003", "evidenceClass"),
    (changed(lambda d: d.update(evidenceClass="public")), "POL-007", "evidenceClass"),
    (changed(lambda d: d.update(expiryS=59)), "POL-006", "expiryS"),
    (changed(lambda d: d.update(expiryS=3600.0)), "POL-006", "expiryS"),
    (changed(lambda d: d.update(expiryS=100, recheckS=101)), "POL-006", "recheckS"),
    (changed(lambda d: d.update(levels=[])), "POL-005", "levels"),
    (changed(lambda d: d["levels"][0].update(level=2)), "POL-005", "levels[0].level"),
    (changed(lambda d: d["levels"][0].update(points=-1)), "POL-005", "levels[0].points"),
    (changed(lambda d: d["levels"][0].update(points=2**32)), "POL-005", "levels[0].points"),
    (
        changed(lambda d: d["levels"].append({"level": 2, "name": "Two", "points": 4, "when": CHECK})),
        "POL-005",
        "levels",
    ),
    (when({"time": {"fromS": 5}}), "POL-005", "levels"),
    (when({}), "POL-010", "levels[0].when"),
    (when({"all": [CHECK], "any": [CHECK]}), "POL-010", "levels[0].when"),
    (when({"xor": [CHECK]}), "POL-010", "levels[0].when"),
    (when(nested(17)), "POL-010", "levels[0].when" + ".not" * 16),
    (when({"all": [CHECK] * 256}), "POL-010", "levels[0].when.all[255]"),
    (when({"all": []}), "POL-011", "levels[0].when.all"),
    (when({"count": {"atLeast": 3, "of": [CHECK, CHECK]}}), "POL-011", "levels[0].when.count.atLeast"),
    (when({"count": {"atLeast": 0, "of": [CHECK]}}), "POL-011", "levels[0].when.count.atLeast"),
    (when({"check": {**CHECK["check"], "is": {}}}), "POL-012", "levels[0].when.check.is"),
    (when({"check": {**CHECK["check"], "is": {"atLeast": 1}}}), "POL-012", "levels[0].when.check.is"),
    (when({"check": {**CHECK["check"], "is": {"atLeast": "1e9"}}}), "POL-012", "levels[0].when.check.is"),
    (when({"check": {**CHECK["check"], "is": {"atLeast": "01"}}}), "POL-012", "levels[0].when.check.is"),
    (
        when({"check": {**CHECK["check"], "is": {"atLeast": "2", "atMost": "1"}}}),
        "POL-012",
        "levels[0].when.check.is",
    ),
    (when({"check": {**CHECK["check"], "is": {"oneOf": ["pro"]}}}), "POL-012", "levels[0].when.check.is"),
    (when({"check": {**CHECK["check"], "validator": "nft"}}), "POL-020", "levels[0].when.check.validator"),
    (when({"check": {**CHECK["check"], "parameters": {}}}), "POL-020", "levels[0].when.check.parameters"),
    (
        when({"check": {**CHECK["check"], "parameters": {"provider": "A b"}}}),
        "POL-020",
        "levels[0].when.check.parameters.provider",
    ),
    (when({"all": [CHECK, {"time": {}}]}), "POL-014", "levels[0].when.all[1].time"),
    (when({"all": [CHECK, {"time": {"fromS": 9, "untilS": 9}}]}), "POL-014", "levels[0].when.all[1].time"),
]


@pytest.mark.parametrize(("document", "rule", "path"), BROKEN)
def test_read_policy_that_breaks_a_rule_is_refused_with_place_and_rule(
    document: Any, rule: str, path: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(json.dumps(document).encode())
    assert (caught.value.rule, caught.value.path) == (rule, path)


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"version":1,"version":1}', b"\xff", b"[" * 100_000, b" " * 70_000]
)
def test_read_policy_that_is_not_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(body)
    assert caught.value.rule == "POL-001"


def test_read_policy_deepest_and_widest_are_taken() -> None:
    assert read_policy(json.dumps(when(nested(16))).encode()).checks()
    assert len(read_policy(json.dumps(when({"all": [CHECK] * 255})).encode()).checks()) == 1


@pytest.mark.parametrize("key", sorted(GOOD))
def test_schema_takes_all_that_the_reader_takes(key: str) -> None:
    """What the reader accepts, the published schema accepts: an editor that uses it misleads nobody."""
    taken = 0
    for document, _, _ in BROKEN:
        mixed = {**document, key: GOOD[key]} if isinstance(document, dict) else GOOD
        try:
            read_policy(json.dumps(mixed).encode())
        except PolicyError:
            continue
        taken += 1
        SCHEMA.validate(mixed)
    assert taken > 0
