"""Attacks on credentials and status lists, as independent readers (@sd-jwt/core, jose) see them."""

import base64
import json
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from trex.gateway.sd_jwt import encode_list, issue, issuer_jwk, sign_jwt

PEERS = Path(__file__).with_name("peers")
NOW_S = 1_795_300_000
KEY, STRANGER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def opened(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def credential(level: int, key: ec.EllipticCurvePrivateKey = KEY) -> str:
    subject = {"id": "did:trex:1962:7", "level": level, "points": 10 * level}
    document = {"type": ["VerifiableCredential", "TrexBadge"], "issuer": "did:web:gateway.example"}
    return issue(key, "did:web:gateway.example#0", {**document, "credentialSubject": subject})


def with_payload(token: str, change: dict[str, Any]) -> str:
    """The same credential with another payload, signed by somebody else."""
    signed, *rest = token.split("~")
    header, payload, _ = signed.split(".")
    head = {name: str(value) for name, value in opened(header).items() if name != "alg"}
    return "~".join([sign_jwt(STRANGER, head, {**opened(payload), **change}), *rest])


def verdicts(tokens: dict[str, str], lists: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    assert (PEERS / "node_modules").exists(), "the peers are not there: scripts/setup test brings them"
    asked = {"key": issuer_jwk(KEY), "tokens": tokens, "lists": lists or {}, "now": NOW_S}
    done = subprocess.run(
        ["node", "verify.mjs"], cwd=PEERS, input=json.dumps(asked), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def test_credential_changed_by_its_holder_is_refused() -> None:
    """DID-030, DID-031: another value, another credential's disclosure, one twice, a stranger's signature."""
    token, better = credential(1), credential(5)
    signed, *disclosures, end = token.split("~")
    at = next(i for i, one in enumerate(disclosures) if opened(one)[1] == "level")
    salt, name, _ = opened(disclosures[at])
    forged = b64(json.dumps([salt, name, 5]).encode())
    theirs = next(one for one in better.split("~")[1:-1] if opened(one)[1] == "level")

    def shown(*parts: str) -> str:
        return "~".join([signed, *parts, end])

    payload = opened(signed.split(".")[1])
    digests = [*payload["credentialSubject"]["_sd"], b64(sha256(forged.encode()).digest())]
    found = verdicts(
        {
            "honest": token,
            "less": shown(disclosures[at]),
            "forged": shown(*disclosures[:at], forged, *disclosures[at + 1 :]),
            "another's": shown(*disclosures[:at], theirs, *disclosures[at + 1 :]),
            "twice": shown(*disclosures, disclosures[at]),
            "added digest": with_payload(token, {"credentialSubject": {"_sd": digests}}),
            "stranger": credential(5, STRANGER),
        }
    )["tokens"]
    assert found.pop("honest") == {"id": "did:trex:1962:7", "level": 1, "points": 10}
    assert found.pop("less") == {"level": 1}
    for name in (
        "forged",
        "another's",
    ):  # refused, or told without a level: never with the level that was put in
        assert str(found[name]).startswith("refused: ") or "level" not in found[name], found[name]
    assert str(found["twice"]).startswith("refused: ") or found["twice"]["level"] == 1
    for name in ("added digest", "stranger"):
        assert str(found[name]).startswith("refused: "), found[name]


def test_issued_digests_stand_once() -> None:
    """DID-031: readers that let a digest stand twice, as @sd-jwt/core does, get none from here."""
    for _ in range(50):
        signed, *disclosures, end = credential(1).split("~")
        digests = opened(signed.split(".")[1])["credentialSubject"]["_sd"]
        assert end == ""
        assert len(digests) == len(set(digests))
        assert digests == sorted(digests)
        shown = [b64(sha256(one.encode()).digest()) for one in disclosures]
        assert [digests.count(one) for one in shown] == [1, 1, 1]
        assert len({opened(one)[0] for one in disclosures}) == 3, "a salt of its own each"


def test_status_list_of_another_signer_or_changed_is_refused() -> None:
    """DID-034: who took a badge away is told by its issuer alone."""
    header = {"typ": "vc+jwt", "cty": "vc", "kid": "did:web:gateway.example#0"}

    def signed(key: ec.EllipticCurvePrivateKey, marked: set[int]) -> str:
        subject = {"type": "BitstringStatusList", "encodedList": encode_list(marked)}
        return sign_jwt(key, header, {"id": "https://gateway.example/list", "credentialSubject": subject})

    honest, kept = signed(KEY, {7}), signed(KEY, set())
    spliced = ".".join([honest.split(".")[0], kept.split(".")[1], honest.split(".")[2]])
    lists = {"honest": honest, "stranger": signed(STRANGER, set()), "spliced": spliced}
    found = verdicts({}, lists)["lists"]
    assert found.pop("honest") == "https://gateway.example/list"
    assert found == dict.fromkeys(found, "refused: ERR_JWS_SIGNATURE_VERIFICATION_FAILED")
