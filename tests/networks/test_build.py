"""scripts/build-networks makes what is committed, and the same for another chain id."""

import importlib.util
import json
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from trex.types.network_file import keccak256, read_network

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "build-networks"
PERMIT2 = "0x000000000022d473030f116ddee9f6b43ac78ba3"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def script() -> ModuleType:
    if not (ROOT / "networks" / "sources" / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--prefix", "networks/sources"], cwd=ROOT, check=True)
    loader = SourceFileLoader("build_networks", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.usefixtures("script")
def test_check_committed_files_are_what_the_sources_make() -> None:
    subprocess.run([sys.executable, SCRIPT, "--check"], cwd=ROOT, check=True, timeout=300)


def test_build_mainnet_chain_id_gives_its_own_immutables(script: ModuleType) -> None:
    source = json.loads((ROOT / "networks" / "sources" / "devnet.json").read_text())
    document = script.build({**source, "chainId": 1628})
    read_network(json.dumps(document))
    devnet = json.loads((ROOT / "networks" / "devnet.json").read_text())
    code = document["alloc"][PERMIT2]["code"]
    assert f"{1628:064x}" in code
    assert f"{1962:064x}" not in code
    sources = json.loads((ROOT / "networks" / "sources" / "predeploys.json").read_text())
    moved = {source["address"]: source["addresses"]["1628"] for source in sources if "addresses" in source}
    differing = {
        address
        for address, account in devnet["alloc"].items()
        if keccak256(bytes.fromhex(account.get("code", "0x")[2:]))
        != keccak256(bytes.fromhex(document["alloc"][moved.get(address, address)].get("code", "0x")[2:]))
    }
    told_of_a_moved_one = {
        source["address"]
        for source in sources
        if {f"@{other['name']}" for other in sources if other["address"] in moved}
        & {value for _, value in source.get("arguments", ()) if isinstance(value, str)}
    }
    assert told_of_a_moved_one
    told_of_l1 = {
        source["address"]
        for source in sources
        if any(str(value).startswith("^") for _, value in source.get("arguments", ()))
    }
    assert len(told_of_l1) == 3
    of_this_chain = {PERMIT2, "0x4337084d9e255ff0702461cf8895ce9e3b5ff108"}
    assert differing == of_this_chain | told_of_a_moved_one | told_of_l1
    assert not set(moved) & set(document["alloc"])


def test_build_wrong_creation_code_is_refused(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = json.loads((ROOT / "networks" / "sources" / "predeploys.json").read_text())
    permit2 = next(source for source in sources if source["name"] == "Permit2")
    permit2["create2"]["creationCode"] += "00"
    (tmp_path / "predeploys.json").write_text(json.dumps(sources))
    (tmp_path / "node_modules").symlink_to(ROOT / "networks" / "sources" / "node_modules")
    network = json.loads((ROOT / "networks" / "sources" / "devnet.json").read_text())
    monkeypatch.setattr(script, "SOURCES", tmp_path)
    with pytest.raises(script.BuildError, match="Permit2: no code at its address"):
        script.build(network)
