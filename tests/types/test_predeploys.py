"""Code in the network files that depends on the chain knows the right one; the rest is Ethereum's."""

import json
from pathlib import Path

import pytest
from eth_abi.abi import encode

from trex.types.network import Network
from trex.types.network_file import keccak256, read_network
from trex.types.primitives import Address

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = {
    path.stem: read_network(path.read_bytes())
    for path in (ROOT / "networks").glob("*.json")
    if path.stem != "schema"
}
SOURCES = json.loads((ROOT / "networks" / "sources" / "predeploys.json").read_text())
PERMIT2 = "0x000000000022d473030f116ddee9f6b43ac78ba3"
ENTRY_POINT_V08 = "0x4337084d9e255ff0702461cf8895ce9e3b5ff108"


@pytest.fixture(params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> Network:
    return NETWORKS[request.param]


def code(network: Network, address: str) -> bytes:
    """Runtime code at an address of genesis."""
    return network.alloc[Address(bytes.fromhex(address[2:]))].code


def test_permit2_has_the_domain_of_this_chain(network: Network) -> None:
    domain = b"EIP712Domain(string name,uint256 chainId,address verifyingContract)"
    types = ["bytes32", "bytes32", "uint256", "address"]
    separator = keccak256(
        encode(types, [keccak256(domain), keccak256(b"Permit2"), network.chain_id, PERMIT2])
    )
    assert bytes(separator) in code(network, PERMIT2)
    assert network.chain_id.to_bytes(32, "big") in code(network, PERMIT2)


def test_entry_point_v08_has_the_domain_of_this_chain(network: Network) -> None:
    domain = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    types = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    values = [keccak256(domain), keccak256(b"ERC4337"), keccak256(b"1"), network.chain_id, ENTRY_POINT_V08]
    assert bytes(keccak256(encode(types, values))) in code(network, ENTRY_POINT_V08)


def test_entry_points_know_their_sender_creators(network: Network) -> None:
    for source in SOURCES:
        for creator in source.get("creates", {}).values():
            assert bytes.fromhex(creator[2:]) in code(network, source["address"])
            assert code(network, creator)


def test_code_that_no_chain_changes_has_its_hash_on_ethereum(network: Network) -> None:
    known = {source["address"]: source["codeHash"] for source in SOURCES if "codeHash" in source}
    assert len(known) == 20
    for address, code_hash in known.items():
        assert f"0x{keccak256(code(network, address)).hex()}" == code_hash


def test_every_source_is_there(network: Network) -> None:
    for source in SOURCES:
        assert code(network, source["address"]), source["name"]
