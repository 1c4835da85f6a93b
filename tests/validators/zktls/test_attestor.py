"""A real attestor and local sites that speak the platforms' shapes: it signs honest claims and lies alike."""

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.validators.zktls.attestor import ADDRESS
from tests.validators.zktls.test_providers import RESPONSES, parameters_of

from trex.validators.zktls.provider import all_providers, provider_by_id
from trex.validators.zktls.template import Binding
from trex.validators.zktls.verdict import Verdict, VerdictWord
from trex.validators.zktls.verify import Request, judge_claim

ATTESTOR = Path(__file__).parents[2] / "attestor"
STARS = {
    "url": "https://api.github.com/repos/octo/tool",
    "method": "GET",
    "body": "",
    "responseRedactions": [],
    "responseMatches": [
        {"type": "regex", "value": '"full_name":"(?<repo>[^"]+)"'},
        {"type": "regex", "value": '"stargazers_count":(?<stars>\\d+)'},
    ],
}
NONCE = "trex-zktls-1:0x" + "5a" * 32


def honest(provider_id: str) -> dict[str, Any]:
    sample, template = RESPONSES[provider_id], all_providers()[provider_id].templates[0]
    secret: dict[str, Any] = {"headers": {"authorization": "Bearer secret"}}
    if "secret" in sample:
        secret["paramValues"] = sample["secret"]
    return {
        "id": provider_id,
        "params": parameters_of(template, sample),
        "secretParams": secret,
        "context": {"contextMessage": NONCE},
        "body": sample["body"],
    }


def lie(name: str, params: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A request that an attestor of this version signs, though its claimant means to deceive."""
    return {
        "id": name,
        "params": {**STARS, **params},
        "secretParams": {"headers": {"authorization": "Bearer secret"}},
        "context": {"contextMessage": NONCE},
        "body": RESPONSES["github-stars"]["body"],
        **more,
    }


CONTAINS = {"responseMatches": [{"type": "contains", "value": "full_name"}]}
INJECTED = {"contextMessage": NONCE, "extractedParameters": {"repo": "octo/tool", "stars": "999999"}}
LIES = [
    lie("injected", CONTAINS, context=INJECTED),
    lie(
        "injected-escaped-group",
        {"responseMatches": [{"type": "regex", "value": r'"id":\d+|\(?<stars>'}]},
        context=INJECTED,
    ),
    lie(
        "injected-inverted",
        {"responseMatches": [{"type": "regex", "value": r"(?<stars>zzz)", "invert": True}]},
        context=INJECTED,
    ),
    lie(
        "other-field",
        {"responseMatches": [STARS["responseMatches"][0], {"type": "regex", "value": r'"id":(?<stars>\d+)'}]},
    ),
    lie("backdated", {}, timestampS=1_600_000_000),
    lie("backdated-a-year", {}, timestampS=int(time.time()) - 31_536_000),
    lie("other-binding", {}, context={"contextMessage": "someone else's"}),
    lie("flagged", {}, context={"contextMessage": NONCE, "isAiProof": True}),
    lie("empty-binding", {}, context={}),
]
SIGNED_BUT_REFUSED = {
    "injected": "not_extracted",
    "injected-escaped-group": "not_extracted",
    "injected-inverted": "not_extracted",
    "other-field": "other_template",
    "backdated": "impossible_timestamp",
    "backdated-a-year": "stale",
    "other-binding": "other_binding",
    "flagged": "other_means",
    "empty-binding": "other_binding",
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An authority of the tests, and a certificate for every platform's name."""
    folder = tmp_path_factory.mktemp("certificates")
    hosts = sorted({sample["url"].split("/")[2] for sample in RESPONSES.values()})
    names = ",".join(f"DNS:{host}" for host in hosts)
    (folder / "ext").write_text(
        f"subjectAltName={names}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n"
    )
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=300)

    authority = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl(
        "req",
        "-x509",
        *curve,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=Tests",
        *authority,
    )
    openssl("req", *curve, "-keyout", "site.key", "-out", "site.csr", "-subj", "/CN=site")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext")
    openssl("x509", "-req", "-in", "site.csr", *signing, "-out", "site.pem")
    ca, site = (folder / "ca.pem").read_text(), (folder / "site.pem").read_text()
    return {"ca": ca, "cert": site + ca, "key": (folder / "site.key").read_text()}


@pytest.fixture(scope="module")
def answers(certificates: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What the attestor answered to every request, by its name."""
    assert (ATTESTOR / "node_modules").exists(), "the attestor is not there: scripts/setup test brings it"
    node = shutil.which("node")
    assert node is not None, "node is not there: scripts/setup test brings it"
    ahead = lie("ahead", {}, timestampS=int(time.time()) + 590)  # of now, not of when this file was read
    requests = [*(honest(name) for name in sorted(RESPONSES)), *LIES, ahead]
    done = subprocess.run(
        [node, "run.cjs"],
        cwd=ATTESTOR,
        input=json.dumps({**certificates, "requests": requests}),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {answer["id"]: answer for answer in found}


def judge(answer: dict[str, Any], provider_id: str, account: str | None) -> Verdict:
    now_s = int(time.time())
    request = Request(now_s, (ADDRESS,), provider_by_id(provider_id), Binding(NONCE, now_s - 600), account)
    return judge_claim(json.dumps(answer["answer"]).encode(), request)


@pytest.mark.parametrize("provider_id", sorted(RESPONSES))
def test_honest_claim_of_a_real_attestor_is_accepted(
    provider_id: str, answers: dict[str, dict[str, Any]]
) -> None:
    sample, answer = RESPONSES[provider_id], answers[provider_id]
    assert "error" not in answer["answer"], answer
    verdict = judge(answer, provider_id, sample.get("account"))
    assert verdict.word is VerdictWord.ACCEPTED, [r for r in verdict.reasons if r.outcome != "granted"]
    assert verdict.value is not None
    assert (verdict.value.value, verdict.value.level) == (sample["value"], sample["level"])
    for hidden in sample.get("secret", {}).values():
        assert hidden in answer["asked"]["path"], "the platform was asked with it"
        assert hidden not in json.dumps(answer["answer"]), "the claim does not tell it"


@pytest.mark.parametrize("name", sorted(SIGNED_BUT_REFUSED))
def test_lie_that_a_real_attestor_signs_is_refused(name: str, answers: dict[str, dict[str, Any]]) -> None:
    answer = answers[name]
    assert "error" not in answer["answer"], "an attestor of this version signs it"
    verdict = judge(answer, "github-stars", "octo")
    assert verdict.signer == ADDRESS
    assert verdict.word is VerdictWord.REFUSED
    assert SIGNED_BUT_REFUSED[name] in {r.code for r in verdict.reasons if r.outcome == "refused"}
    assert (verdict.value, verdict.extracted) == (None, ())


def test_date_a_little_ahead_is_signed_and_taken(answers: dict[str, dict[str, Any]]) -> None:
    """ZKT-015: clocks differ; the attestor itself allows as much."""
    assert judge(answers["ahead"], "github-stars", "octo").word is VerdictWord.ACCEPTED
