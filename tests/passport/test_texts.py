"""Sign-in texts: the examples of ERC-4361, what viem writes, and what is refused."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex.passport.keys import Key, KeyKind
from trex.passport.texts import SignInText, TextError, read_text, write_date

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
STATEMENT = "I accept the ExampleOrg Terms of Service: https://example.com/tos"
FULL = f"""example.com wants you to sign in with your Ethereum account:
{ACCOUNT}

{STATEMENT}

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""
PORT = FULL.replace("example.com wants", "example.com:3388 wants", 1)
SCHEME = FULL.replace("example.com wants", "https://example.com wants", 1)
BARE = FULL.partition("\nResources")[0].replace(f"{STATEMENT}\n", "")
SOLANA = """localhost wants you to sign in with your Solana account:
So11111111111111111111111111111111111111112

URI: http://localhost/passport
Version: 1
Chain ID: mainnet
Nonce: 0123456789abcdef
Issued At: 2026-01-01T00:00:00Z
Expiration Time: 2026-01-01T00:10:00.500Z
Not Before: 2026-01-01T00:00:00Z
Request ID: """


@pytest.mark.parametrize("text", [FULL, PORT, SCHEME, BARE, SOLANA])
def test_read_text_published_forms_are_read_and_written_again(text: str) -> None:
    assert read_text(text).write() == text


def test_read_text_fields() -> None:
    read = read_text(PORT)
    assert (read.domain, read.statement, read.uri) == (
        "example.com:3388",
        STATEMENT,
        "https://example.com/login",
    )
    assert (read.chain_id, read.nonce, read.issued_at_s) == ("1", "32891756", 1633019124)
    assert read.key == Key(KeyKind.EVM, bytes.fromhex(ACCOUNT[2:]))
    assert read.resources is not None
    assert len(read.resources) == 2
    later = read_text(SOLANA)
    assert later.expires_at_s == 1767226200
    assert later.request_id == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Version: 1", "Version: 2"),
        (ACCOUNT, ACCOUNT.replace("C02a", "c02a")),
        (ACCOUNT, ACCOUNT.lower()),
        ("Nonce: 32891756", "Nonce: 3289175"),
        ("Nonce: 32891756", "Nonce: 32891756\nNonce: 32891757"),
        ("2021-09-30T16:25:24Z", "2021-09-31T16:25:24Z"),
        ("2021-09-30T16:25:24Z", "2021-09-30 16:25:24Z"),
        ("Chain ID: 1\n", ""),
        ("Ethereum", "Solana"),
        ("example.com wants", "example.com/evil wants"),
        ("\nResources:", "\r\nResources:"),
        (STATEMENT, f"{STATEMENT}\nURI: https://evil.example"),
        ("URI: https", "uri: https"),
        ("https://example.com/my-web2-claim.json", "https://example.com/my-web2-claim.json\n"),
    ],
)
def test_read_text_other_forms_are_refused(old: str, new: str) -> None:
    assert old in FULL
    with pytest.raises(TextError):
        read_text(FULL.replace(old, new, 1))


@given(st.text(max_size=300))
def test_read_text_never_raises_anything_else(rest: str) -> None:
    for text in (rest, FULL[: len(rest)] + rest, f"{BARE}{rest}"):
        try:
            assert read_text(text).write() == text
        except TextError:
            continue


def test_read_text_as_viem_writes_it() -> None:
    script = """
    import { createSiweMessage } from 'viem/siwe';
    const common = { address: process.argv[1], chainId: 1962, domain: 'localhost:8000', version: '1',
      nonce: 'abcdefgh1234', uri: 'http://localhost:8000/x', issuedAt: new Date('2026-01-01T00:00:00Z') };
    const more = { statement: 'Hello.', expirationTime: new Date('2026-01-01T00:10:00Z'), scheme: 'https',
      notBefore: new Date('2026-01-01T00:00:00Z'), requestId: 'r1', resources: ['https://a.example/1'] };
    console.log(JSON.stringify([common, { ...common, ...more }].map(createSiweMessage)));"""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script, ACCOUNT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for text in json.loads(done.stdout):
        assert read_text(text).key.data.hex() == ACCOUNT[2:].lower()
        assert read_text(text).write() == text


def test_write_date_and_read_again() -> None:
    text = SignInText(
        "a.example", read_text(FULL).key, "https://a.example", "1", "x" * 8, write_date(951782400)
    )
    assert text.issued_at == "2000-02-29T00:00:00Z"
    assert read_text(replace(text, statement="Hello").write()).issued_at_s == 951782400
