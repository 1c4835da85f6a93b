"""Every provider against a response of the documented shape, read as an attestor reads it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.validators.zktls.attestor import ADDRESS, NOW_S, claim, document

from trex.validators.zktls.patterns import placeholders, substitute
from trex.validators.zktls.provider import Provider, Template, all_providers
from trex.validators.zktls.template import Binding
from trex.validators.zktls.verdict import Verdict, VerdictWord
from trex.validators.zktls.verify import Request, judge_claim

RESPONSES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "vectors/reclaim/responses.json").read_text()
)
ASKED = {
    *(
        f"{exchange}-{what}"
        for exchange in ("binance", "okx", "bybit", "coinbase")
        for what in ("total-assets", "vip-level")
    ),
    *(
        "tiktok-followers",
        "facebook-followers",
        "instagram-followers",
        "twitch-followers",
        "instagram-verified",
    ),
    *("youtube-subscribers", "github-stars", "telegram-premium", "chatgpt-plan", "gemini-plan", "grok-plan"),
    *(
        "perplexity-plan",
        "claude-plan",
        "ps-plus",
        "xbox-game-pass",
        "nintendo-switch-online",
        "spotify-plan",
    ),
    *("youtube-premium", "apple-music", "netflix-plan", "amazon-prime", "steam-game-count"),
}


def parameters_of(template: Template, sample: dict[str, Any]) -> dict[str, Any]:
    """What an honest client asks for."""
    redactions = [
        {
            key: text
            for key, text in (("jsonPath", r.json_path), ("xPath", r.x_path), ("regex", r.regex))
            if text
        }
        for r in template.redactions
    ]
    asked: dict[str, Any] = {
        "url": sample["url"],
        "method": template.method,
        "body": template.body,
        "responseMatches": [{"type": match.type, "value": match.value} for match in template.matches],
        "responseRedactions": redactions,
    }
    if "values" in sample:
        asked["paramValues"] = sample["values"]
    return asked


def read(asked: dict[str, Any], body: str) -> dict[str, str] | None:
    """What an attestor extracts: the first match of each pattern, without case, across lines."""
    values = asked.get("paramValues", {})
    texts = [asked["url"], *(match["value"] for match in asked["responseMatches"])]
    found = {name: values[name] for text in texts for name in placeholders(text) if name in values}
    for match in asked["responseMatches"]:
        text = substitute(match["value"], values)
        if match["type"] == "contains":
            if text not in body:
                return None
            continue
        caught = re.search(text.replace("(?<", "(?P<"), body, re.DOTALL | re.IGNORECASE)
        if caught is None:
            return None
        found |= {name: value for name, value in caught.groupdict().items() if value is not None}
    return found


def judge(provider: Provider, sample: dict[str, Any], body: str, account: str | None = None) -> Verdict:
    asked = parameters_of(provider.templates[0], sample)
    extracted = read(asked, body)
    assert extracted is not None, "an attestor would not sign"
    request = Request(
        now_s=NOW_S,
        trusted=(ADDRESS,),
        provider=provider,
        binding=Binding("nonce-1", NOW_S - 100),
        account=account or sample.get("account"),
    )
    return judge_claim(document(claim(asked, extracted)), request)


def test_all_providers_are_those_that_were_asked_for() -> None:
    assert set(all_providers()) == ASKED


def test_all_providers_with_a_source_have_a_response_to_be_tested_with() -> None:
    verified = {provider.id for provider in all_providers().values() if provider.verified}
    assert verified == set(RESPONSES)
    for provider in all_providers().values():
        assert provider.verified == bool(provider.sources)


@pytest.mark.parametrize("provider_id", sorted(RESPONSES))
def test_provider_reads_the_documented_response(provider_id: str) -> None:
    sample, provider = RESPONSES[provider_id], all_providers()[provider_id]
    verdict = judge(provider, sample, sample["body"])
    assert verdict.word is VerdictWord.ACCEPTED, [r for r in verdict.reasons if r.outcome != "granted"]
    assert verdict.value is not None
    assert (verdict.value.value, verdict.value.level) == (sample["value"], sample["level"])


@pytest.mark.parametrize("provider_id", sorted(name for name in RESPONSES if name != "netflix-plan"))
def test_provider_is_not_fooled_by_what_a_person_writes_into_the_response(provider_id: str) -> None:
    """Names and descriptions stand in JSON escaped: the same text with quotes cannot be taken for a field."""
    sample, provider = RESPONSES[provider_id], all_providers()[provider_id]
    honest = judge(provider, sample, sample["body"])
    lie = json.dumps(re.sub(r"\d", "9", sample["body"]).replace("false", "true"))
    opened = sample["body"].index("{") + 1
    body = f'{sample["body"][:opened]}"about":{lie},{sample["body"][opened:]}'
    asked = parameters_of(provider.templates[0], sample)
    if read(asked, body) is None:
        return  # no attestor signs it
    assert judge(provider, sample, body).value == honest.value


LINKED = sorted(provider.id for provider in all_providers().values() if provider.account.linked)


@pytest.mark.parametrize("provider_id", LINKED)
def test_provider_of_a_page_that_anyone_can_ask_for_wants_the_linked_account(provider_id: str) -> None:
    """ZKT-042."""
    sample, provider = RESPONSES[provider_id], all_providers()[provider_id]
    verdict = judge(provider, sample, sample["body"], account="999")
    assert verdict.word is VerdictWord.REFUSED
    assert "other_account" in {reason.code for reason in verdict.reasons if reason.outcome == "refused"}


@pytest.mark.parametrize("provider_id", sorted(RESPONSES))
def test_provider_refuses_claims_of_every_other_provider(provider_id: str) -> None:
    """ZKT-031."""
    sample, provider = RESPONSES[provider_id], all_providers()[provider_id]
    asked = parameters_of(provider.templates[0], sample)
    proof = document(claim(asked, read(asked, sample["body"])))
    for other in all_providers().values():
        if other.id != provider_id and other.templates:
            request = Request(NOW_S, (ADDRESS,), other, Binding("nonce-1"), account="x")
            assert judge_claim(proof, request).word is VerdictWord.REFUSED, other.id


def test_provider_marked_unverified_never_accepts() -> None:
    """ZKT-030."""
    for provider in all_providers().values():
        if not provider.verified:
            request = Request(NOW_S, (ADDRESS,), provider, Binding("nonce-1"), account="x")
            assert judge_claim(document(claim()), request).word is VerdictWord.UNDECIDED
            assert judge_claim(document(claim()), replace(request, allow_unverified=True)).word is (
                VerdictWord.UNDECIDED
            )
