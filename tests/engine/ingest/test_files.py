"""Real blocks, receipts and logs of Ethereum's mainnet: every transfer in them is found."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rlp
from eth_account import Account

from trex.engine.ingest.files import import_files
from trex.engine.pipeline.stage import DEAD
from trex.engine.run import NAMES, EngineSettings, open_lake, open_log, run

MAINNET = Path(__file__).parents[3] / "vectors" / "engine" / "mainnet.jsonl.gz"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
SINGLE = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
SEVERAL = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"
WRAPPED = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.open(MAINNET)]


def logs_told() -> list[dict[str, Any]]:
    """Every log of the file that is in JSON."""
    found = [one for one in lines() if "topics" in one]
    for one in lines():
        for receipt in one.get("receipts", ()):
            found += receipt["logs"] if isinstance(receipt, dict) else ()
    return found


def word(text: str, at: int) -> int:
    return int(text[2 + 64 * at : 66 + 64 * at], 16)


def expected() -> set[tuple[Any, ...]]:
    """Transfers of tokens by the standards' own words: (block, log, asset, from, to, token, amount)."""
    found = set()
    for log in logs_told():
        topics, data = log["topics"], log["data"]
        where = (log["blockHash"], int(log["logIndex"], 16), log["address"])
        signature = topics[0] if topics else ""
        if signature == TRANSFER and len(topics) == 3:
            ends = ["0x" + topic[26:] for topic in topics[1:]]
            found.add((*where, *ends, None, str(word(data, 0))))
        elif signature == TRANSFER and len(topics) == 4:
            ends = ["0x" + topic[26:] for topic in topics[1:3]]
            found.add((*where, *ends, str(int(topics[3], 16)), "1"))
        elif signature == TRANSFER:
            ends = [f"0x{word(data, at):040x}" for at in (0, 1)]
            found.add((*where, *ends, str(word(data, 2)), "1"))
        elif signature == SINGLE:
            ends = ["0x" + topic[26:] for topic in topics[2:]]
            found.add((*where, *ends, str(word(data, 0)), str(word(data, 1))))
        elif signature == SEVERAL:
            ends = ["0x" + topic[26:] for topic in topics[2:]]
            ids, amounts = word(data, 0) // 32, word(data, 1) // 32
            for at in range(word(data, ids)):
                one = (str(word(data, ids + 1 + at)), str(word(data, amounts + 1 + at)))
                found.add((*where, *ends, *one))
        elif log["address"] == WRAPPED and signature[:10] == "0xe1fffcc4":
            found.add((*where, "0x" + "0" * 40, "0x" + topics[1][26:], None, str(word(data, 0))))
        elif log["address"] == WRAPPED and signature[:10] == "0x7fcf532c":
            found.add((*where, "0x" + topics[1][26:], "0x" + "0" * 40, None, str(word(data, 0))))
    return found


def brought(settings: EngineSettings) -> list[dict[str, Any]]:
    run(settings, [name for name in NAMES if name not in ("ingest", "features")], until_idle=True)
    rows: list[dict[str, Any]] = (
        open_lake(settings).session().table("silver_transfers").to_pyarrow().to_pylist()
    )
    return rows


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    columns = ["block_hash", "log_index", "asset", "sender", "recipient", "token_id", "amount"]
    return tuple(row[column] for column in columns)


def imported(folder: Path, *files: Path) -> tuple[EngineSettings, Any]:
    settings = EngineSettings(folder)
    log = open_log(settings)
    try:
        return settings, import_files(files, "evm:1", 1, log)
    finally:
        log.close()


def test_every_transfer_of_mainnet_logs_is_found_once(tmp_path: Path) -> None:
    """FCT-001: ERC-20, ERC-721, CryptoKitties, ERC-1155 single and in batches, wrapped ether; no other."""
    settings, done = imported(tmp_path, MAINNET)
    assert done.dead == 0
    rows = [row for row in brought(settings) if row["kind"] != "native" and row["block_number"] != 4662649]
    truth = expected()
    assert len(truth) == 53
    assert {key(row) for row in rows} == truth
    assert len(rows) == len(truth)
    events = open_lake(settings).session().table("bronze_events")
    count = events.filter((events.kind == "evm.log") & (events.block_number != 4662649)).count()
    assert count.to_pyarrow().as_py() == len(logs_told())


def test_a_block_as_rlp_tells_the_same_as_other_implementations_read(tmp_path: Path) -> None:
    settings, _ = imported(tmp_path, MAINNET)
    brought(settings)
    (block,) = (one for one in lines() if "rlp" in one)
    (receipts,) = (one["receipts"] for one in lines() if one.get("number") == 4662649 and "rlp" not in one)
    transactions = rlp.decode(bytes.fromhex(block["rlp"][2:]))[1]
    session = open_lake(settings).session()
    found = session.con.sql(
        "select hash, sender, recipient, value, status, fee from silver_transactions "
        "where block_number = 4662649 order by transaction_index"
    ).fetchall()
    assert len(found) == len(transactions) == len(receipts) == 126
    before = 0
    for raw, receipt, row in zip(transactions, receipts, found, strict=True):
        status, used, _, _ = rlp.decode(bytes.fromhex(receipt[2:]))
        assert row[1] == Account.recover_transaction(rlp.encode(raw)).lower()
        assert row[2] == ("0x" + raw[3].hex() if raw[3] else None)
        assert int(row[3]) == int.from_bytes(raw[4])
        assert row[4] == int.from_bytes(status)
        spent = int.from_bytes(used) - before
        assert int(row[5]) == spent * int.from_bytes(raw[1])
        before += spent
    told = session.con.sql(
        "select count(*) from bronze_events where block_number = 4662649 and kind = 'evm.log'"
    )
    logs = sum(len(rlp.decode(bytes.fromhex(receipt[2:]))[3]) for receipt in receipts)
    assert told.fetchall() == [(logs,)]


def test_files_are_read_once_and_joined_by_block(tmp_path: Path) -> None:
    """ING-005: the same files again, cut in two or as Parquet, add nothing to what is found."""
    settings, first = imported(tmp_path / "engine", MAINNET)
    before = brought(settings)
    assert imported(tmp_path / "engine", MAINNET)[1] == first
    told = [log for log in lines() if "topics" in log]
    columns = ("address", "topics", "data", "blockHash", "transactionHash")
    numbers = ("blockNumber", "logIndex", "transactionIndex")
    table = pa.table(
        {name: [log[name] for log in told] for name in columns}
        | {name: [int(log[name], 16) for log in told] for name in numbers}
    )
    pq.write_table(table, tmp_path / "logs.parquet")
    _, again = imported(tmp_path / "engine", tmp_path / "logs.parquet")
    assert again.dead == 0
    after = brought(settings)
    assert sorted(map(str, map(key, after))) == sorted(map(str, map(key, before)))


def test_what_cannot_be_read_is_kept_with_its_reason(tmp_path: Path) -> None:
    """EVT-006: bad lines, bad objects and a log of no shape stand in the dead letters; the rest is read."""
    good = next(log for log in lines() if log.get("topics", [""])[:1] == [TRANSFER])
    bad: list[Any] = [
        {**good, "logIndex": "0x1000", "topics": [TRANSFER], "data": "0x00"},
        {**good, "logIndex": "0x1001", "address": "0x12"},
        {**good, "logIndex": "0x1002", "topics": ["0x'); DROP TABLE x"]},
        {**good, "logIndex": "many"},
        {"hello": 1},
        [1],
        {"number": 7, "rlp": "0xc0"},
        {"number": 8, "receipts": ["0xc0"]},
    ]
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join([json.dumps(one) for one in (good, *bad)] + ["{not json"]))
    settings, done = imported(tmp_path, path)
    assert done.dead == 5
    assert [key(row)[1] for row in brought(settings)] == [int(good["logIndex"], 16)]
    log = open_log(settings)
    records = [record for part, _ in enumerate(log.extents(DEAD)) for record in log.read(DEAD, part, 0, 100)]
    log.close()
    reasons = [json.loads(record.value)["reason"] for record in records]
    assert len(reasons) == len(bad) + 1
    assert all(reasons)


@pytest.mark.parametrize("cut", [1, 100, 20_000])
def test_a_file_that_ends_within_a_block_says_so(tmp_path: Path, cut: int) -> None:
    (block,) = (one for one in lines() if "rlp" in one)
    raw = bytes.fromhex(block["rlp"][2:])
    path = tmp_path / "export.rlp"
    path.write_bytes(raw + raw[:-cut])
    _, done = imported(tmp_path, path)
    assert (done.blocks, done.dead) == (1, 1)
