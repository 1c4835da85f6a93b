"""A person is erased from everything that the engine keeps; others keep what they have."""

import threading
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from tests.engine.graph.book import ANN, BEN, COIN

from trex.engine.erase import erase
from trex.engine.graph.stage import digest
from trex.engine.ingest.topics import RAW
from trex.engine.lake.erasure import ErasureError, alone, checked, person
from trex.engine.pipeline.log import Message
from trex.engine.pipeline.persona import CONTRACTS
from trex.engine.run import NAMES, EngineSettings, open_graph, open_lake, open_log, run
from trex.node.engine_erase import erase as command
from trex.passport.keys import Key, KeyKind
from trex.types.network_file import keccak256

CHAIN = 1962
STAGES = [name for name in NAMES if name != "ingest"]
NOBODY = "0x" + "0" * 40


def word(value: str | int) -> str:
    return f"{int(value, 16) if isinstance(value, str) else value:064x}"


def topic(signature: str) -> str:
    return "0x" + keccak256(signature.encode()).hex()


def block(number: int, sender: str, logs: list[dict[str, Any]], calldata: str = "0x") -> bytes:
    """A block of one transaction, as an endpoint tells it."""
    name, where = f"0x{number:064x}", {"transactionIndex": "0x0"}
    told = {
        "hash": f"0x{number + 99:064x}",
        "from": sender,
        "to": COIN,
        "value": "0x5",
        "input": calldata,
        **where,
    }
    entries = [
        {"transactionHash": told["hash"], "logIndex": hex(at), "blockHash": name, **where, **entry}
        for at, entry in enumerate(logs)
    ]
    header = {"number": hex(number), "hash": name, "timestamp": hex(10**9 + number), "transactions": [told]}
    shared = {"source": f"evm:{CHAIN}", "chain": CHAIN, "weight": 1}
    receipt = {"transactionHash": told["hash"], "status": "0x1", "logs": entries, **where}
    return orjson.dumps(shared | {"block": header, "receipts": [receipt]})


def created(passport: int, account: str) -> dict[str, Any]:
    key = Key(KeyKind.EVM, bytes.fromhex(account[2:])).id.hex()
    names = [topic("PassportCreated(uint256,bytes32,uint8,bytes)"), f"0x{word(passport)}", f"0x{key}"]
    data = f"0x{word(1)}{word(64)}{word(20)}{account[2:]}{'0' * 24}"
    return {"address": CONTRACTS[CHAIN]["passport"], "topics": names, "data": data}


def moved(sender: str, recipient: str, amount: int) -> dict[str, Any]:
    names = [topic("Transfer(address,address,uint256)"), f"0x{word(sender)}", f"0x{word(recipient)}"]
    return {"address": COIN, "topics": names, "data": f"0x{word(amount)}"}


def act(number: int, action: str, subject: str, outcome: str) -> bytes:
    told = {"actor": "evm:00", "action": action, "subject": subject, "outcome": outcome}
    header = {"number": number, "hash": f"0x{number + 500:064x}", "timestamp": 10**9}
    shared = {"source": "gateway:1962", "chain": CHAIN, "weight": 1}
    return orjson.dumps(shared | {"block": header, "acts": [told]})


BLOCKS = [
    block(1, ANN, [created(7, ANN)]),
    block(2, BEN, [created(8, BEN)]),
    block(3, ANN, [moved(NOBODY, ANN, 50)]),
    # A call within a call: her address stands at no word of the whole.
    block(4, ANN, [moved(ANN, BEN, 20)], f"0x11223344{word(32)}{word(36)}aabbccdd{word(ANN)}"),
    act(1, "consent", "7/matching/*", "given"),
    act(2, "consent", "8/matching/*", "given"),
]


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    """Ann (7) and Ben (8) from raw blocks to features and graph."""
    made = EngineSettings(tmp_path)
    told(made, BLOCKS)
    return made


def told(settings: EngineSettings, blocks: list[bytes]) -> None:
    log = open_log(settings)
    log.producer("test").commit(
        [Message(RAW.name, orjson.loads(one)["source"].encode(), one) for one in blocks]
    )
    log.close()
    run(settings, STAGES, until_idle=True)


def asked(settings: EngineSettings, question: str) -> list[Any]:
    return list(open_lake(settings).session().con.sql(question).fetchall())


HELD = "SELECT account, amount FROM silver_holdings WHERE until_s IS NULL ORDER BY amount"
PEOPLE = "SELECT DISTINCT passport FROM gold_features ORDER BY 1"


def test_nothing_of_a_person_is_left_and_others_keep_theirs(settings: EngineSettings) -> None:
    """ERA-001, ERA-002, ERA-003."""
    ann = person(open_lake(settings), CHAIN, "7")
    before = checked(open_lake(settings), [settings.folder], ann)
    assert any(name.startswith("log.sqlite") for name in before)  # The search finds what is there.
    assert any(name.startswith("graph") for name in before)
    for layer in ("bronze", "silver", "gold"):
        assert any(name.startswith(f"lake/{layer}") for name in before) == (layer != "gold")
    assert asked(settings, HELD) == [(BEN, "20"), (ANN, "30")]
    assert asked(settings, PEOPLE) == [("7",), ("8",)]

    report = erase(settings, CHAIN, "7")
    assert report.left == ()
    assert report.records > 0
    assert checked(open_lake(settings), [settings.folder], ann) == []
    assert asked(settings, PEOPLE) == [("8",)]
    assert asked(settings, "SELECT DISTINCT passport FROM all_silver_consents") == [("8",)]
    (ben, others) = asked(settings, HELD)
    assert ben == (BEN, "20")
    assert others[1] == "30"
    assert others[0] != ANN
    assert asked(settings, "SELECT count(*) FROM silver_transactions") == [(4,)]
    assert ("7",) not in asked(settings, "SELECT subject FROM all_silver_acts")

    kept = digest_of(settings)
    run(settings, STAGES, until_idle=True)  # Nothing is read twice: tables and graph know their places.
    assert digest_of(settings) == kept
    again = [block(9, ANN, [created(7, ANN), moved(NOBODY, BEN, 1), moved(ANN, BEN, 5)])]
    told(settings, again)
    assert asked(settings, PEOPLE) == [("8",)]
    assert asked(settings, HELD)[-1] == (others[0], "25") or asked(settings, HELD)[0] == (others[0], "25")
    assert ann.names.isdisjoint(str(asked(settings, "SELECT * FROM bronze_events")).lower().split("'"))
    assert not [name for name in checked(open_lake(settings), [settings.folder], ann) if "log" not in name]
    with pytest.raises(ErasureError, match="knows no passport"):
        erase(settings, CHAIN, "7")


def digest_of(settings: EngineSettings) -> str:
    return digest(open_graph(settings))


def test_an_erasure_waits_for_no_stage_and_no_kafka(settings: EngineSettings) -> None:
    """ERA-004."""
    with alone(settings.folder, shared=True), pytest.raises(ErasureError, match="a stage is at work"):
        erase(settings, CHAIN, "7")
    with alone(settings.folder), pytest.raises(ErasureError, match="an erasure is at work"):
        run(settings, ["clean"], stop=threading.Event(), until_idle=True)
    done = CliRunner().invoke(command, ["99", "--yes", "--folder", str(settings.folder)])
    assert done.exit_code == 1
    assert "knows no passport 99 of chain 1962" in done.output
    done = CliRunner().invoke(command, ["7", "--yes", "--folder", str(settings.folder)])
    assert done.exit_code == 0, done.output
    assert "no file holds a name any more" in done.output
