"""`trex bridge` on a running devnet: ether, tokens and collectibles, both ways."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from eth_abi.abi import encode
from eth_account import Account
from tests.node.conftest import ALICE, BOB
from tests.node.devnet_rollup import ETHER, Rollup, until
from tests.validators.onchain.conftest import creation_codes

from trex.bridge.layer import calldata
from trex.node.cli import main


@pytest.fixture(scope="module")
def rollup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rollup]:
    one = Rollup(tmp_path_factory.mktemp("bridge") / "data")
    yield one
    code, errors = one.devnet.stop()
    assert code == 0, errors


def where(rollup: Rollup) -> list[str]:
    network = str(rollup.devnet.datadir / "network.json")
    return ["--network", network, "--l1", rollup.l1.url, "--l2", rollup.devnet.url]


def run(rollup: Rollup, *words: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["bridge", *words, *where(rollup)], env=environment)


def bridge(rollup: Rollup, *words: str, signs: bool = True) -> dict[str, Any]:
    done = run(rollup, *words, "--json", *(("--account", "0") if signs else ()))
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def send(rollup: Rollup, data: bytes | str, to: str | None = None) -> dict[str, Any]:
    """Send something of Alice's on L1, and return its receipt."""
    text = data if isinstance(data, str) else "0x" + data.hex()
    request = {"from": ALICE.address, "data": text, "gas": hex(5_000_000), **({"to": to} if to else {})}
    name = rollup.l1.call("eth_sendTransaction", request)
    while (receipt := rollup.l1.call("eth_getTransactionReceipt", name)) is None:
        pass
    assert receipt["status"] == "0x1"
    assert isinstance(receipt, dict)
    return receipt


def asked(node: Any, to: str, function: str, *arguments: Any) -> int:
    data = "0x" + calldata(function, *arguments).hex()
    return int(node.call("eth_call", {"to": to, "data": data}, "latest"), 16)


def test_ether_there_and_back_step_by_step(rollup: Rollup) -> None:
    arrived = bridge(rollup, "deposit", "2.5", "--to", "0x" + "66" * 20)
    assert arrived["stage"] == "arrived"
    assert int(rollup.devnet.call("eth_getBalance", "0x" + "66" * 20, "latest"), 16) == 2.5 * ETHER
    assert bridge(rollup, "status", arrived["l1Transaction"], signs=False) == arrived

    receiver = "0x" + "67" * 20
    begun = bridge(rollup, "withdraw", "0.000000000000000007", "--to", receiver)
    name = begun["l2Transaction"]
    proven = bridge(rollup, "prove", name, "--wait")
    assert proven["stage"] in ("waiting to finalize", "ready to finalize")
    bridge(rollup, "prove", name)  # again, and by anyone
    done = bridge(rollup, "finalize", name, "--wait")
    assert (done["stage"], done["seconds"], done["next"]) == ("finalized", 0, None)
    assert int(rollup.l1.call("eth_getBalance", receiver, "latest"), 16) == 7
    again = run(rollup, "finalize", name, "--account", "0")
    assert again.exit_code == 1
    assert "carried out before [OptimismPortal_AlreadyFinalized]" in again.output
    nothing = run(rollup, "replay", name, "--account", "0")
    assert "nothing to repeat" in nothing.output


def test_token_there_and_back(rollup: Rollup) -> None:
    code = creation_codes()["Coin"]
    made = send(rollup, "0x" + code + encode(["uint8"], [18]).hex())
    coin = made["contractAddress"]
    send(rollup, calldata("mint(address,uint256)", ALICE.address, 10 * ETHER), coin)
    missing = run(rollup, "deposit", "1", "--token", coin, "--account", "0")
    assert "make one with `trex bridge token --token ADDRESS`" in missing.output
    twin = bridge(rollup, "token", "--token", coin)["l2Token"]
    assert bridge(rollup, "deposit", "4", "--token", coin)["stage"] == "arrived"
    assert asked(rollup.devnet, twin, "balanceOf(address)", ALICE.address) == 4 * ETHER
    done = bridge(rollup, "withdraw", "1.5", "--token", twin, "--to", BOB.address, "--finish")
    assert done["stage"] == "finalized"
    assert asked(rollup.l1, coin, "balanceOf(address)", BOB.address) == 1.5 * ETHER
    poor = run(rollup, "withdraw", "100", "--token", twin, "--account", "0")
    assert poor.exit_code == 1
    assert "the sender has not enough of this token [ERC20InsufficientBalance" in poor.output


def test_collectible_there_and_back(rollup: Rollup) -> None:
    item = send(rollup, "0x" + creation_codes()["Item"])["contractAddress"]
    send(rollup, calldata("mint(address,uint256,string)", ALICE.address, 7, "ipfs://seven"), item)
    twin = bridge(rollup, "token", "--collection", item)["l2Token"]
    assert bridge(rollup, "deposit", "7", "--collection", item)["stage"] == "arrived"
    assert asked(rollup.devnet, twin, "ownerOf(uint256)", 7) == int(ALICE.address, 16)
    done = bridge(rollup, "withdraw", "7", "--collection", twin, "--to", BOB.address, "--finish")
    assert done["stage"] == "finalized"
    assert asked(rollup.l1, item, "ownerOf(uint256)", 7) == int(BOB.address, 16)


def test_rollup_info_tells_heads_costs_and_what_is_trusted(rollup: Rollup) -> None:
    words = where(rollup)
    found: dict[str, Any] = {}

    def complete() -> bool:
        """At first there is neither batch nor claim, and the node may not have read the newest batch yet."""
        done = CliRunner().invoke(main, ["rollup", "info", "--json", *words])
        assert done.exit_code == 0, done.output
        found.update(json.loads(done.stdout))
        batches = found["batches"]
        return bool(found["safety"]["claim"] and batches["counted"] and batches["transactions"] is not None)

    until(complete)
    heads, batches, safety = found["heads"], found["batches"], found["safety"]
    assert heads["unsafe"] >= heads["safe"] >= heads["finalized"]
    assert batches["count"] >= batches["counted"] > 0
    assert int(batches["costWeiEach"]) * batches["counted"] <= int(batches["costWei"])
    assert batches["transactions"] >= 0
    if batches["transactions"]:
        assert int(batches["costWeiTransaction"]) == int(batches["costWei"]) // batches["transactions"]
    assert found["contracts"]["portal"].lower() == rollup.portal.lower()
    assert safety["proofs"].startswith("none")
    until(lambda: safety["claim"]["l2Block"] <= rollup.status()["safe_l2"]["number"])
    assert safety["exitS"] < safety["upgradeDelayS"]
    told = CliRunner().invoke(main, ["rollup", "info", "--batches", "0", *words])
    assert told.exit_code == 0, told.output
    assert "mature in a window and prove nothing" in told.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("deposit", "1.0000000000000000001", "--account", "0"), "at most 18 decimals"),
        (("deposit", "0", "--account", "0"), "not an amount"),
        (("status", "0x" + "12" * 32), "no transaction"),
        (("status", "0x12"), "is not a transaction's hash"),
        (("deposit", "1", "--to", "0x12", "--account", "0"), "is not an address"),
        (("deposit", "1", "--token", "0x" + "99" * 20, "--account", "0"), "stands for"),
        (("deposit", "9999999", "--account", "9"), ""),
    ],
)
def test_bad_requests_are_refused_in_words(rollup: Rollup, words: tuple[str, ...], said: str) -> None:
    done = run(rollup, *words)
    assert done.exit_code in (1, 2), done.output
    assert said in done.output
    assert "Traceback" not in done.output


def test_keys_come_from_the_environment_or_a_keystore_and_are_not_shown(
    rollup: Rollup, tmp_path: Path
) -> None:
    assert run(rollup, "deposit", "1", TREX_KEY=BOB.private_key).exit_code == 0
    wrong = run(rollup, "deposit", "1", TREX_KEY="0xsecret")
    assert wrong.exit_code == 1
    assert "secret" not in wrong.output
    store = tmp_path / "keystore.json"
    store.write_text(json.dumps(Account.encrypt(BOB.key, "word", kdf="pbkdf2", iterations=1)))
    given = ("deposit", "1", "--keystore", str(store), "--no-wait")
    assert run(rollup, *given, TREX_KEYSTORE_PASSWORD="word").exit_code == 0
    assert "another password" in run(rollup, *given, TREX_KEYSTORE_PASSWORD="other").output
