"""Members of a devnet's validator set as processes of their own."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.node.conftest import Devnet

from trex.chain.dev.accounts import ACCOUNTS
from trex.gateway.settings import MemberAddress
from trex.types.primitives import Address

TREX = (sys.executable, "-c", "from trex.node.cli import main; main()")


class MemberProcess:
    """One member; killed and started again it has the same folder and port."""

    def __init__(self, folder: Path, account: int, devnet: Devnet, gateway: Address, more: str = "") -> None:
        folder.mkdir()
        self.folder, self.port = folder, 0
        self.address = Address(bytes.fromhex(ACCOUNTS[account].address[2:]))
        (folder / "member.key").touch(0o600)
        (folder / "member.key").write_text(ACCOUNTS[account].key.hex())
        self._config = (
            f'rpc_url = "{devnet.url}"\nkey = "member.key"\ngateways = ["0x{gateway.hex()}"]\n{more}\n'
            f'[chains.1962]\nendpoints = ["{devnet.url}"]\n'
        )
        self.start()

    def start(self) -> None:
        file = self.folder / "attestor.toml"
        file.write_text(f"port = {self.port}\n{self._config}")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*TREX, "attestor", "run", "--config", str(file)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        assert self.process.stdout is not None
        found = re.search(r"http://\S+:(\d+)", self.process.stdout.readline())
        assert found is not None, self.log()
        self.url, self.port = found[0], int(found[1])

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(180)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    @property
    def at(self) -> MemberAddress:
        return MemberAddress(self.address, self.url)


@contextlib.contextmanager
def members_at(
    folder: Path, devnet: Devnet, gateway: Address, more: str = ""
) -> Iterator[list[MemberProcess]]:
    """All of the devnet's validator set, ascending."""
    with contextlib.ExitStack() as stack:
        found = []
        for account in (7, 8, 9):
            one = MemberProcess(folder / f"member-{account}", account, devnet, gateway, more)
            stack.callback(one.kill)
            found.append(one)
        yield sorted(found, key=lambda one: one.address)
