"""Claims against a provider: template, freshness, binding, account and value."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.validators.zktls.attestor import ADDRESS, NOW_S, STARS, claim, document

from trex.types.primitives import Address, Hash32
from trex.validators.zktls.provider import ProviderError, all_providers, load_provider, provider_by_id
from trex.validators.zktls.template import Binding, binding_message
from trex.validators.zktls.verdict import ProviderValue, Verdict, VerdictWord
from trex.validators.zktls.verify import Request, judge_claim

ROOT = Path(__file__).parents[3]
LOCAL = Address(bytes.fromhex("1563915e194d8cfba1943570603f7606a3115508"))
REQUEST = Request(
    now_s=NOW_S,
    trusted=(ADDRESS,),
    provider=provider_by_id("github-stars"),
    binding=Binding("nonce-1", NOW_S - 120),
    account="Octo",
)


def judge(proof: Any, request: Request = REQUEST) -> Verdict:
    return judge_claim(document(proof), request)


def codes(verdict: Verdict, outcome: str) -> set[str]:
    return {reason.code for reason in verdict.reasons if reason.outcome == outcome}


def test_judge_claim_honest_stars_are_accepted() -> None:
    """The control of what follows."""
    verdict = judge(claim())
    assert verdict.word is VerdictWord.ACCEPTED, verdict.reasons
    assert verdict.value == ProviderValue("12044", "stars", 4, "Famous", "octo")


@pytest.mark.parametrize("name", ["claim-direct", "claim-tls12", "claim-zk-stwo"])
def test_judge_claim_real_stars_are_accepted(name: str) -> None:
    request = replace(
        REQUEST, trusted=(LOCAL,), now_s=1_795_253_700, binding=Binding("badge:github-stars"), account="octo"
    )
    verdict = judge_claim((ROOT / f"vectors/reclaim/{name}.json").read_bytes(), request)
    assert (verdict.word, verdict.value and verdict.value.value) == (VerdictWord.ACCEPTED, "12044")


@pytest.mark.parametrize("name", ["claim-malicious-injected", "claim-malicious-otherfield"])
def test_judge_claim_real_lies_about_stars_are_refused(name: str) -> None:
    request = replace(REQUEST, trusted=(LOCAL,), now_s=1_795_253_700)
    verdict = judge_claim((ROOT / f"vectors/reclaim/{name}.json").read_bytes(), request)
    assert (verdict.word, verdict.value, verdict.extracted) == (VerdictWord.REFUSED, None, ())
    assert "other_template" in codes(verdict, "refused")


def asked(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    parameters = copy.deepcopy(STARS)
    change(parameters)
    return parameters


@pytest.mark.parametrize(
    "parameters",
    [
        asked(lambda p: p.update(url="https://api.github.com.evil.example/repos/octo/tool")),
        asked(lambda p: p.update(url="https://api.github.com/repos/octo/tool?x=1")),
        asked(lambda p: p.update(url="https://api.github.com/repos/octo/tool/../../x/y")),
        asked(lambda p: p.update(url="https://api.github.com/repos/octo%2Ftool/x")),
        asked(lambda p: p.update(url="https://api.github.com/repos/octo/tool/stargazers")),
        asked(lambda p: p.update(method="POST")),
        asked(lambda p: p.update(body="x")),
        asked(lambda p: p["responseMatches"].reverse()),
        asked(lambda p: p["responseMatches"].append({"type": "contains", "value": "x"})),
        asked(lambda p: p["responseMatches"][1].update(value='"id":(?<stars>\\d+)')),
        asked(lambda p: p["responseMatches"][1].update(value='"stargazers_count":\\d*?(?<stars>\\d+)')),
        asked(lambda p: p["responseRedactions"].append({"regex": "x"})),
        asked(lambda p: p.update(paramValues={"stars": "999999"})),
        asked(lambda p: p.update(url="https://api.github.com/repos/{{owner}}/{{name}}")),
        asked(
            lambda p: p.update(
                url="https://api.github.com/repos/{{owner}}/{{name}}",
                paramValues={"owner": "octo", "name": "../other"},
            )
        ),
    ],
)
def test_judge_claim_another_template_is_refused(parameters: dict[str, Any]) -> None:
    """ZKT-031 to ZKT-034."""
    values = {"repo": "octo/tool", "stars": "999999"}
    shown = {name: value for name, value in parameters.get("paramValues", {}).items() if name != "stars"}
    verdict = judge(claim(parameters, values | shown))
    assert (verdict.word, verdict.value) == (VerdictWord.REFUSED, None)
    assert "other_template" in codes(verdict, "refused"), verdict.reasons


def test_judge_claim_template_with_values_beside_it_is_accepted() -> None:
    """ZKT-032, and the pinned hash of ZKT-031."""
    parameters = asked(
        lambda p: p.update(
            url="https://api.github.com/repos/{{owner}}/{{name}}",
            paramValues={"owner": "octo", "name": "tool"},
        )
    )
    verdict = judge(claim(parameters, {"repo": "octo/tool", "stars": "7", "owner": "octo", "name": "tool"}))
    assert verdict.word is VerdictWord.ACCEPTED, verdict.reasons
    pinned = {f"0x{t.provider_hash().hex()}" for t in provider_by_id("github-stars").templates}
    assert verdict.provider_hash in pinned


def test_judge_claim_stale_or_backdated_is_refused() -> None:
    """ZKT-040: the date is the claimant's, the day on which the message was handed out is ours."""
    old = judge(claim(timestamp_s=NOW_S - 86_401))
    assert "stale" in codes(old, "refused")
    before = judge(claim(timestamp_s=NOW_S - 2_000))
    assert codes(before, "refused") == {"backdated"}
    late = replace(REQUEST, binding=Binding("nonce-1", NOW_S - 86_401))
    assert codes(judge(claim(), late), "refused") == {"stale_binding"}
    assert "future_timestamp" in codes(judge(claim(timestamp_s=NOW_S + 700)), "refused")


def test_judge_claim_of_another_passport_is_refused() -> None:
    """ZKT-041: a claim that was shown once cannot be shown for someone else."""
    for message in ("nonce-2", "", "nonce-1 ", "NONCE-1"):
        assert codes(judge(claim(message=message)), "refused") == {"other_binding"}
    empty = replace(REQUEST, binding=Binding(""))
    assert codes(judge(claim(message=""), empty), "refused") == {"other_binding"}


def test_judge_claim_without_a_binding_is_undecided() -> None:
    """ZKT-041: never a wrong yes."""
    verdict = judge(claim(), replace(REQUEST, binding=None))
    assert (verdict.word, codes(verdict, "undecided")) == (VerdictWord.UNDECIDED, {"binding_not_given"})


def test_judge_claim_of_a_page_of_another_account_is_refused() -> None:
    """ZKT-042: anyone can ask for a repository's page."""
    assert codes(judge(claim(), replace(REQUEST, account="mallory")), "refused") == {"other_account"}
    verdict = judge(claim(), replace(REQUEST, account=None))
    assert (verdict.word, codes(verdict, "undecided")) == (VerdictWord.UNDECIDED, {"account_not_given"})
    nameless = claim(copy.deepcopy(STARS), {"repo": "octo", "stars": "9"})
    assert codes(judge(nameless), "refused") == {"no_account"}


def test_judge_claim_value_without_one_reading_is_undecided() -> None:
    """ZKT-050."""
    verdict = judge(claim(copy.deepcopy(STARS), {"repo": "octo/tool", "stars": "1.234"}))
    assert (verdict.word, codes(verdict, "undecided")) == (VerdictWord.UNDECIDED, {"not_normal"})
    verdict = judge(claim(copy.deepcopy(STARS), {"repo": "octo/tool"}))
    assert (verdict.word, codes(verdict, "undecided")) == (VerdictWord.UNDECIDED, {"no_value"})


def test_judge_claim_value_below_every_level_is_level_0() -> None:
    verdict = judge(claim(copy.deepcopy(STARS), {"repo": "octo/tool", "stars": "9"}))
    assert (verdict.word, verdict.value and verdict.value.level) == (VerdictWord.ACCEPTED, 0)


def test_judge_claim_by_an_unverified_provider_is_undecided_unless_allowed() -> None:
    """ZKT-030."""
    provider = replace(provider_by_id("github-stars"), verified=False)
    verdict = judge(claim(), replace(REQUEST, provider=provider))
    assert (verdict.word, codes(verdict, "undecided")) == (VerdictWord.UNDECIDED, {"unverified_provider"})
    allowed = replace(REQUEST, provider=provider, allow_unverified=True)
    assert judge(claim(), allowed).word is VerdictWord.ACCEPTED
    empty = judge(claim(), replace(allowed, provider=replace(provider, templates=())))
    assert (empty.word, codes(empty, "undecided")) == (VerdictWord.UNDECIDED, {"no_template"})


def test_binding_message_differs_by_each_part() -> None:
    """ZKT-041."""
    contract, other = Address(bytes(20)), Address(bytes(19) + b"\1")
    zero, one = Hash32(bytes(32)), Hash32(bytes(31) + b"\1")
    messages = {
        binding_message(1962, contract, zero, "github-stars", zero),
        binding_message(1628, contract, zero, "github-stars", zero),
        binding_message(1962, other, zero, "github-stars", zero),
        binding_message(1962, contract, one, "github-stars", zero),
        binding_message(1962, contract, zero, "github-star", zero),
        binding_message(1962, contract, zero, "github-stars", one),
    }
    assert len(messages) == 6
    assert all(message.startswith("trex-zktls-1:0x") and len(message) == 79 for message in messages)


SCHEMA = json.loads((ROOT / "specs/zktls-provider.schema.json").read_text())
FILES = sorted((ROOT / "src/trex/validators/zktls/providers").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_provider_file_fits_the_published_schema(path: Path) -> None:
    """ZKT-030."""
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(path.read_text()))
    assert load_provider(path.read_bytes()).id == path.stem


def test_all_providers_are_the_files() -> None:
    assert list(all_providers()) == [path.stem for path in FILES]


@pytest.mark.parametrize(
    "change",
    [
        {"levels": [{"level": 2, "name": "x", "atLeast": "1"}]},
        {"levels": [{"level": 1, "name": "x", "atLeast": "9"}, {"level": 2, "name": "y", "atLeast": "9"}]},
        {"sources": []},
        {"templates": []},
        {"value": {"parameter": "stars", "constant": "yes", "normaliser": "count"}},
        {"account": {"parameter": "", "linked": True}},
        {"levels": None},
        {"account": {"parameter": "repo", "pattern": "("}},
    ],
)
def test_load_provider_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    good = json.loads((ROOT / "src/trex/validators/zktls/providers/github-stars.json").read_text())
    load_provider(json.dumps(good).encode())
    with pytest.raises(ProviderError):
        load_provider(json.dumps({**good, **change}).encode())
