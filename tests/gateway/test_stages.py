"""Stages of a mint: a list of the operator's, a contract's quotas, a badge, and the request that mints."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.gateway.conftest import KEYS, Served, serving, settings_for
from tests.gateway.contract_wallets import send
from tests.gateway.people import Person, evm_person
from tests.gateway.test_grants import policy
from tests.node.conftest import Devnet

from trex.chain.dev.accounts import ACCOUNTS
from trex.gateway import holdings
from trex.gateway.service import Gateway
from trex.gateway.settings import Settings
from trex.node.cli import main
from trex.passport.contracts import Contracts, Method
from trex.types.evm import read_address
from trex.types.network_file import keccak256
from trex.validators.ecosystem.allowlist import read_list
from trex.validators.ecosystem.stages import REQUEST, STAGE

COLLECTION = ACCOUNTS[6].address
SET_STAGE = Method("setStage", ("uint256", STAGE))
CONSUME = Method("consume", ("uint256", REQUEST))
STAGES = f"0x{Contracts().mint_stages.hex()}"


class Mint:
    """A collection's stages, set by the account that stands for its contract."""

    def __init__(self, devnet: Devnet, first: int) -> None:
        self.devnet, self.early, self.later = devnet, first, first + 1

    @property
    def now_s(self) -> int:
        return int(self.devnet.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def set(self, stage: int, start_s: int, root: bytes, quota: int) -> None:
        terms = (start_s, start_s + 86_400, 100, quota, root, bytes(32), 0, keccak256(b"wallet"))
        send(self.devnet, STAGES, f"0x{SET_STAGE.call(stage, terms).hex()}", sender=COLLECTION)

    def take(self, stage: int, request: dict[str, Any], quantity: int) -> None:
        proof = [bytes.fromhex(one[2:]) for one in request["proof"]]
        nullifier = bytes.fromhex(request["nullifier"][2:])
        asked = (bytes(read_address(request["account"])), nullifier, quantity, request["allowance"], proof)
        send(self.devnet, STAGES, f"0x{CONSUME.call(stage, asked).hex()}", sender=COLLECTION)


@pytest.fixture
def mint(devnet: Devnet) -> Mint:
    return Mint(devnet, secrets.randbits(40))


@pytest.fixture
async def box_office(devnet: Devnet, database_url: str, mint: Mint, tmp_path: Path) -> AsyncIterator[Served]:
    for name in ("policies", "lists"):
        (tmp_path / name).mkdir()

    def may(stage: int) -> dict[str, Any]:
        parameters = {"chain": 1962, "collection": COLLECTION.lower(), "stage": stage}
        return {"check": {"validator": "eligibility.stage", "parameters": parameters, "is": {"atLeast": "1"}}}

    guest = policy(f"Guest {tmp_path.name}"[-60:], {"any": [may(mint.early), may(mint.later)]})
    guest["levels"].append({"level": 2, "name": "Early", "points": 20, "when": may(mint.early)})
    (tmp_path / "policies" / "guest.json").write_text(json.dumps(guest))
    settings = settings_for(devnet, database_url, policies=tmp_path / "policies", lists=tmp_path / "lists")
    async with serving(settings) as running:
        yield running


async def typed(devnet: Devnet, *words: str) -> tuple[int, Any]:
    env = {"TREX_L2": devnet.url}
    said = await asyncio.to_thread(
        CliRunner().invoke, main, ["eligibility", *words, "--json"], env=env, prog_name="trex"
    )
    assert said.exception is None or isinstance(said.exception, SystemExit), said.exception
    return said.exit_code, json.loads(said.stdout)


async def stage_of(who: Person, stage: int) -> Any:
    return await who.get(f"/v1/stages/{COLLECTION}/{stage}")


async def test_badge_and_request_of_a_mint_in_stages(
    devnet: Devnet, box_office: Served, mint: Mint, tmp_path: Path
) -> None:
    """GTW-103, POL-051, ECO-010 to ECO-012, PTS-060 to PTS-062."""
    listed, other = [await evm_person(box_office).create() for _ in range(2)]
    file = tmp_path / "friends.csv"
    file.write_text(f"# friends of the house\n{listed.passport},2\n{2**90},1\n")
    code, told = await typed(devnet, "root", str(file))
    assert (code, told["places"], told["pieces"]) == (0, 2, 3)
    root = bytes.fromhex(told["root"][2:])
    assert (await listed.post("/v1/evaluations", {"policy": "guest"}))["outcome"] == "undecided", "no stage"
    mint.set(mint.early, mint.now_s + 25, root, 5)
    mint.set(mint.later, mint.now_s + 5_000, bytes(32), 1)
    found = await stage_of(listed, mint.early)
    assert (found["listKnown"], found["pieces"]) == (False, 0)
    outcomes = {
        who.passport: await who.post("/v1/evaluations", {"policy": "guest"}) for who in (listed, other)
    }
    assert [one["level"] for one in outcomes.values()] == [1, 1], "the list is not known: no early guest yet"
    box_office.gateway.lists[root] = read_list(file.read_text())  # type: ignore[index]
    text = await box_office.get(f"/v1/lists/{told['root']}")
    assert read_list(text).root == root
    assert (await stage_of(listed, mint.early))["pieces"] == 2, "before it opens"
    assert (await stage_of(other, mint.early))["refused"] == ["list", "quota"]
    await listed.finished({"number": (await listed.post("/v1/grants", {"policy": "guest"}, 202))["job"]})
    (badge,) = await holdings.badges_of(box_office.gateway, listed.passport)
    assert (badge.level, badge.is_public) == (2, True)
    assert (await other.post("/v1/evaluations", {"policy": "guest"}))["level"] == 1
    devnet.call("evm_increaseTime", 30)
    devnet.call("evm_mine")
    found = await stage_of(listed, mint.early)
    assert (found["pieces"], found["refused"]) == (2, [])
    code, place = await typed(devnet, "proof", str(file), str(listed.passport))
    assert (code, place["quota"], place["proof"]) == (0, 2, found["request"]["proof"])
    assert (await typed(devnet, "proof", str(file), str(other.passport)))[0] == 1
    shown = ["show", COLLECTION, str(mint.early), str(listed.passport)]
    assert (await typed(devnet, *shown))[0] == 3, "without the list"
    assert (await typed(devnet, *shown, "--list", str(file)))[0] == 0
    mint.take(mint.early, found["request"], 1)
    found = await stage_of(listed, mint.early)
    assert found["pieces"] == 1
    mint.take(mint.early, found["request"], 1)
    assert (await stage_of(listed, mint.early))["refused"] == ["quota"]
    assert (await typed(devnet, *shown, "--list", str(file)))[0] == 1
    assert (await listed.post("/v1/evaluations", {"policy": "guest"}))["level"] == 1
    await other.get(f"/v1/stages/{COLLECTION}/{mint.later + 1}", 404)


@pytest.mark.parametrize("text", ["1,1\n1,2\n", "1\n", "", "1,0\n"])
def test_list_that_contradicts_itself_keeps_the_gateway_from_starting(text: str, tmp_path: Path) -> None:
    """GTW-103."""
    (tmp_path / "broken.csv").write_text(text)
    settings = Settings("http://localhost", "sqlite:///none.db", "http://127.0.0.1:1", lists=tmp_path)
    with pytest.raises(ValueError, match=r"broken\.csv: "):
        Gateway(settings, KEYS)
