"""The persona gateway beside a devnet: a process of its own, with example policies for every validator."""

import asyncio
import logging
import secrets
import shutil
from importlib import resources
from pathlib import Path

from trex.chain.dev.accounts import ACCOUNTS
from trex.node.child import Child
from trex.node.devnet_platform import CLIENT, PLATFORM, SECRET, document, serve_platform
from trex.node.devnet_sponsor import sponsorship_of
from trex.rpc.errors import EndpointError
from trex.validators.zktls.verify import PRODUCTION_ATTESTOR

log = logging.getLogger(__name__)

RELAYER, ATTESTORS = 5, (7, 8, 9)
"""Accounts of the devnet that pay for sponsored acts, and that are its validator set."""
CLAIMS = 6
"""Account of the devnet that signs zkTLS claims which its gateway believes beside Reclaim's."""
OWN_KEYS = ("nullifier", "sealing", "issuer")
"""Drawn at the first start and kept."""
EXAMPLES = {"policies": "examples", "tasks": "example_tasks"}
"""Folders of the gateway, and what is in them at first."""
SEASON = """
[[seasons]]
start = 2026-01-01T00:00:00Z
end = 2036-01-01T00:00:00Z
passport_cap = 10000

[seasons.kinds]
"task/once" = 1000
"task/daily" = 3000
"task/weekly" = 2000
"task/streak" = 2000
"task/referral" = 1000
"""
"""The one season of a devnet."""


def start_gateway(
    folder: Path, port: int, chain_id: int, rpc_url: str, l1: tuple[int, str] | None
) -> tuple[str, asyncio.Task[None]]:
    """Start a gateway; return its origin and the task that keeps it running until cancelled.

    Args:
        folder: its database, keys and policies; what is there stays.
        port: of the loopback.
        chain_id: of the devnet.
        rpc_url: of the devnet.
        l1: chain id and URL of its L1; None without one.
    """
    origin = f"http://localhost:{port}"
    write_config(folder, origin, port, chain_id, rpc_url, l1)
    arguments = ["gateway", "run", "--config", str(folder / "gateway.toml")]
    child = Child("gateway", arguments, folder / "gateway.log", port)

    async def run() -> None:
        runner, platform = await serve_platform(origin)
        number = 0
        try:
            number = await sponsorship_of(rpc_url, chain_id, RELAYER)
        except (EndpointError, TimeoutError) as error:
            log.warning("the gateway sponsors no operations: %s", error)
        write_config(folder, origin, port, chain_id, rpc_url, l1, number, platform)
        try:
            await child.run()
        finally:
            await runner.cleanup()

    return origin, asyncio.create_task(run(), name="gateway")


def write_config(
    folder: Path,
    origin: str,
    port: int,
    chain_id: int,
    rpc_url: str,
    l1: tuple[int, str] | None,
    sponsorship: int = 0,
    platform: str = "",
) -> None:
    """Write what the gateway reads; keys, policies and tasks only where they are missing.

    Args:
        folder: where to.
        origin: of the gateway.
        port: of the loopback.
        chain_id: of the devnet.
        rpc_url: of the devnet.
        l1: chain id and URL of its L1; None without one.
        sponsorship: number of the one that pays for operations.
        platform: origin of the devnet's own platform; empty for none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, packaged in EXAMPLES.items():
        if not (folder / name).exists():
            with resources.as_file(resources.files("trex.gateway").joinpath(packaged)) as examples:
                shutil.copytree(examples, folder / name)
    attestors = {f"attestor-{place}": ACCOUNTS[place].key for place in ATTESTORS}
    for name, key in {"relayer": ACCOUNTS[RELAYER].key, **attestors}.items():
        _write_text(folder / f"{name}.key", key.hex())
    for name in OWN_KEYS:
        if not (folder / f"{name}.key").exists():
            _write_text(folder / f"{name}.key", secrets.token_hex(32))
    publishers = ", ".join(f'"{one.address}"' for one in ACCOUNTS)
    listed = ", ".join(f'"{name}.key"' for name in attestors)
    lines = [
        "# Written anew at each start of the devnet; docs/gateway.md has the keys.",
        f'public_url = "{origin}"',
        f"port = {port}",
        f"chain_id = {chain_id}",
        f'rpc_url = "{rpc_url}"',
        *(f'{name} = "{name}"' for name in EXAMPLES),
        f"publishers = [{publishers}]",
        f"sponsorship = {sponsorship}",
        f'trusted_attestors = ["0x{PRODUCTION_ATTESTOR.hex()}", "{ACCOUNTS[CLAIMS].address}"]',
        "",
        "[keys]",
        'relayer = "relayer.key"',
        f"attestors = [{listed}]",
        *(f'{name} = "{name}.key"' for name in OWN_KEYS),
        *SEASON.splitlines(),
    ]
    lines += ["", "[limits]", "requests = [10000, 1000.0]", "costly = [10000, 1000.0]"]
    if platform:
        (folder / f"{PLATFORM}.json").write_text(document(platform))
        _write_text(folder / f"{PLATFORM}.secret", SECRET)
        lines += ["", f"[platforms.{PLATFORM}]", f'client_id = "{CLIENT}"']
        lines += [f'file = "{PLATFORM}.json"', f'secret_file = "{PLATFORM}.secret"']
    for number, url in [(chain_id, rpc_url), *([l1] if l1 else [])]:
        lines += ["", f"[chains.{number}]", f'endpoints = ["{url}"]', "confirmations = 0"]
    (folder / "gateway.toml").write_text("\n".join(lines) + "\n")


def _write_text(file: Path, text: str) -> None:
    file.touch(0o600)
    file.chmod(0o600)
    file.write_text(text)
