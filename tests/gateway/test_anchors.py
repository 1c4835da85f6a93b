"""The audit log's head on the chain: lines that are changed, or gone, from the end too, are missed."""

import asyncio
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner
from tests.gateway.conftest import KEYS, Served, serving, settings_for
from tests.gateway.people import evm_person
from tests.gateway.test_run import plain_config
from tests.node.conftest import Devnet

from trex.chain.dev.accounts import ACCOUNTS
from trex.gateway.anchors import Anchor, anchors_of
from trex.gateway.keys import Secret
from trex.gateway.store.database import Database
from trex.node.cli import main
from trex.web.audit import head, record
from trex.web.database import audit


async def until_anchored(served: Served, line: int) -> list[Anchor]:
    """Wait until that line, or a later one, stands on the chain."""
    for _ in range(6_000):
        found = await anchors_of(served.gateway.client, served.gateway.relayer.account)
        if found and found[0].line >= line:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"line {line} is not on the chain")


async def test_tail_of_the_audit_log_that_is_cut_off_is_missed(
    devnet: Devnet, database_url: str, tmp_path: Path
) -> None:
    """GTW-030, GTW-034: by anchors on the chain; one that a thief adds afterwards hides nothing."""
    relayer = Secret(ACCOUNTS[3 if database_url.startswith("sqlite") else 4].key)  # one database, one account
    settings = settings_for(devnet, database_url, anchor_s=1)
    async with serving(settings, keys=replace(KEYS, relayer=relayer)) as served:
        for _ in range(3):
            await evm_person(served).sign_in()
        anchored = await until_anchored(served, 3)
        assert await until_anchored(served, 3) == anchored, "nothing new, no new anchor"
        config = tmp_path / "gateway.toml"
        written = plain_config(tmp_path, devnet, f'database = "{database_url}"')
        (tmp_path / "relayer.key").write_text(relayer.reveal().hex())
        config.write_text(written)

    async def told() -> tuple[int, str]:
        words = ["gateway", "audit", "--config", str(config)]
        result = await asyncio.to_thread(CliRunner().invoke, main, words)
        return result.exit_code, result.output

    # The gateway has ended: nothing is anchored any more.
    database = Database(database_url)
    await database.open(devnet.call("eth_getBlockByNumber", "0x0", False)["hash"])
    try:
        code, words = await told()
        assert (code, words) == (0, "3 lines, each hashed onto the one before; line 3 stands on the chain\n")
        async with database.transaction() as tx:
            rows = (await tx.execute(audit.select().order_by(audit.c.number))).all()
            await tx.execute(audit.delete().where(audit.c.number == 3))
        code, words = await told()
        assert (code, "line 3 stands on the chain" in words, "a tail was cut off" in words) == (1, True, True)
        async with database.transaction() as tx:  # a line in its place, hashed onto line 2 as it should be
            await record(tx, rows[2].at_s, "a thief", "signed_in", "nobody", "ok")
            number = (await head(tx) or (0, b""))[0]
        code, words = await told()
        # PostgreSQL never gives a number twice.
        fault = "as another" if number == 3 else "a tail was cut off"
        assert (code, "line 3 stands on the chain" in words, fault in words) == (1, True, True)
        async with database.transaction() as tx:
            await tx.execute(audit.delete().where(audit.c.number >= 3))
            await tx.execute(audit.insert().values(**rows[2]._mapping))
        assert (await told())[0] == 0
        async with database.transaction() as tx:
            await tx.execute(audit.delete().where(audit.c.number == 2))
        code, words = await told()
        assert (code, "line 3 was changed, or one before it is gone" in words) == (1, True)
    finally:
        await database.close()
