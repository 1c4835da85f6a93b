"""Bringing a network's contracts to L1, and computing again whether what stands there is them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from trex.chain.genesis import genesis_roots
from trex.rpc.endpoint import Endpoint
from trex.settlement.contracts import contract
from trex.settlement.deployment import (
    FACTORY,
    GAME_TYPE,
    L2_BRIDGE,
    L2_MESSAGE_PASSER,
    L2_MESSENGER,
    L2_NFT_BRIDGE,
    Accounts,
    Deployment,
    Timing,
    output_root,
    salt_of,
)
from trex.settlement.l1.errors import L1RefusedError, L1UnavailableError
from trex.settlement.l1.header import L1Block, read_block
from trex.settlement.l1.reader import L1Reader
from trex.settlement.l1.sender import Sender
from trex.settlement.l1.transaction import Intent
from trex.settlement.multicall3 import bring_multicall3
from trex.types.network import L1Origin, L1Settlement, Network
from trex.types.network_file import l1_block_storage, read_network
from trex.types.primitives import Address, Gas, Hash32, Wei

L1_BLOCK = "0x4200000000000000000000000000000000000015"
GAS_MARGIN_PERCENT = 20
"""Above the estimate: what is estimated may run in another block."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `verify` looked at."""

    what: str
    expected: str
    actual: str
    ok: bool


async def with_origin(reader: L1Reader, document: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return a network file's document whose genesis starts from an L1 block.

    The genesis time becomes that block's when it is earlier (NET-016).

    Raises:
        L1UnavailableError: nobody has the block.
    """
    block = await reader.block(number)
    answer, blob_base_fee_wei = await _described(reader, block)
    network = read_network(json.dumps(document))
    origin = L1Origin(
        number=block.number,
        hash=block.hash,
        timestamp=block.timestamp,
        base_fee_wei=block.base_fee_wei,
        blob_base_fee_wei=blob_base_fee_wei,
        prev_randao=_word(answer["mixHash"]),
        parent_beacon_block_root=_word(answer["parentBeaconBlockRoot"]),
    )
    storage = l1_block_storage(origin, network.parameters)
    alloc = {**document["alloc"], L1_BLOCK: dict(document["alloc"][L1_BLOCK])}
    alloc[L1_BLOCK]["storage"] = {_hex(slot): _hex(value) for slot, value in sorted(storage.items())}
    genesis = {
        **document["genesis"],
        "timestamp": max(network.genesis.timestamp, origin.timestamp),
        "l1Origin": {
            "number": origin.number,
            "hash": _hex(origin.hash),
            "timestamp": origin.timestamp,
            "baseFeeWei": hex(origin.base_fee_wei),
            "blobBaseFeeWei": hex(origin.blob_base_fee_wei),
            "prevRandao": _hex(origin.prev_randao),
            "parentBeaconBlockRoot": _hex(origin.parent_beacon_block_root),
        },
    }
    rest = {key: value for key, value in document.items() if key != "l1"}
    return {**rest, "genesis": genesis, "alloc": alloc}


def plan(
    document: Mapping[str, Any],
    accounts: Accounts,
    timing: Timing,
    extra: Mapping[str, int] | None = None,
) -> Deployment:
    """Return what a network's contracts are to be, from its document without `l1`.

    Raises:
        ValueError: genesis speaks to other contracts on L1 than this operator's will be.
    """
    text = json.dumps(document).encode()
    network = read_network(text)
    deployment = Deployment(
        salt=salt_of(network.name, network.chain_id),
        accounts=accounts,
        timing=timing,
        genesis_origin=network.genesis.l1_origin.number,
        genesis_output=_genesis_output(text),
        extra=dict(extra or {}),
    )
    _check_genesis(network, deployment)
    return deployment


def planned_of(network: Network, text: bytes) -> Deployment:
    """Return what the contracts of a network must be, from its file with `l1`.

    Raises:
        ValueError: the section lacks a part or a number.
    """
    if network.l1 is None:
        raise ValueError("the network file has no section l1")
    accounts, numbers = network.l1.accounts, dict(network.l1.parameters)
    try:
        if numbers.pop("gameType") != GAME_TYPE:
            raise ValueError(f"game type: this program knows {GAME_TYPE} (PTL-050)")
        deployment = Deployment(
            salt=salt_of(network.name, network.chain_id),
            accounts=Accounts(
                operator=accounts["operator"],
                sequencer=accounts["sequencer"],
                proposer=accounts["proposer"],
                disputer=accounts["disputer"],
                governor=accounts["governor"],
            ),
            timing=Timing(
                max_origin_lag_l1_blocks=numbers.pop("maxOriginLagL1Blocks"),
                silence_s=numbers.pop("silenceS"),
                dispute_window_s=numbers.pop("disputeWindowS"),
                finality_delay_s=numbers.pop("finalityDelayS"),
                proof_maturity_s=numbers.pop("proofMaturityS"),
                timelock_delay_s=numbers.pop("timelockDelayS"),
            ),
            genesis_origin=network.genesis.l1_origin.number,
            genesis_output=_genesis_output(text),
            extra=numbers,
        )
    except KeyError as error:
        raise ValueError(f"the section l1 lacks {error}") from error
    _check_genesis(network, deployment)
    return deployment


async def deploy(sender: Sender, deployment: Deployment, *, say: Say = lambda _: None) -> L1Settlement:
    """Create what is not there yet, in order; may be run again after any interruption.

    Args:
        sender: of the operator.
        deployment: what is to stand there.
        say: told each step.

    Returns:
        The section `l1` of the network file.

    Raises:
        ValueError: the sender is not the operator, or a number breaks a rule.
        L1RefusedError: `no_factory`: L1 lacks the deterministic deployer; `failed`: a creation failed;
            `reverted`: it would.
    """
    reader = sender.reader
    deployment.timing.check()
    if sender.address != deployment.accounts.operator:
        raise ValueError(f"the key is {_hex(sender.address)}'s, not the operator's")
    await reader.check_chain()
    if not await code_of(reader, FACTORY):
        raise L1RefusedError("no_factory", f"L1 has no code at {_hex(FACTORY)}, the deterministic deployer")
    if await bring_multicall3(sender):
        say("Multicall3, which clients read through")
    if not await code_of(reader, deployment.deployer):
        say(f"deployer at {_hex(deployment.deployer)}")
        await _send(sender, FACTORY, deployment.salt + deployment.deployer_init_code)
    planned = deployment.planned()
    while (place := await _next_place(reader, deployment.deployer)) <= len(planned):
        one = planned[place - 1]
        say(f"{one.name} at {_hex(one.address)}")
        create = contract("Deployer").call("create", place, one.init_code)
        await _send(sender, deployment.deployer, create)
    codes = {one.name: await code_of(reader, one.address) for one in planned}
    codes["deployer"] = await code_of(reader, deployment.deployer)
    return L1Settlement(
        chain_id=reader.chain_id,
        contracts={"deployer": deployment.deployer, **{one.name: one.address for one in planned}},
        code_hashes={name: Hash32(keccak(code)) for name, code in codes.items()},
        accounts=deployment.accounts.named(),
        parameters=deployment.parameters(),
    )


def section(settlement: L1Settlement) -> dict[str, Any]:
    """Return the section `l1` as the network file has it."""
    return {
        "chainId": settlement.chain_id,
        "contracts": {name: _hex(value) for name, value in sorted(settlement.contracts.items())},
        "codeHashes": {name: _hex(value) for name, value in sorted(settlement.code_hashes.items())},
        "accounts": {name: _hex(value) for name, value in sorted(settlement.accounts.items())},
        "parameters": dict(sorted(settlement.parameters.items())),
    }


async def verify(reader: L1Reader, network: Network, text: bytes) -> list[Finding]:
    """Compute again what stands on L1 for a network, and compare (PTL-083).

    Raises:
        ValueError: the network file has no complete section `l1`.
        L1RefusedError: `wrong_chain`.
    """
    deployment = planned_of(network, text)
    settlement = network.l1
    assert settlement is not None
    await reader.check_chain()
    block = (await reader.heads()).latest
    origin = await reader.block(network.genesis.l1_origin.number)
    found = [_compare("genesis.l1Origin.hash", network.genesis.l1_origin.hash, origin.hash)]
    planned = [("deployer", deployment.deployer, contract("Deployer"))]
    planned += [(one.name, one.address, one.contract) for one in deployment.planned()]
    for name, address, kind in planned:
        found.append(_compare(f"{name} address", address, settlement.contracts.get(name, Address(b""))))
        code = await reader.code(address, block)
        found.append(
            _compare(f"{name} code hash", settlement.code_hashes.get(name, b""), bytes(keccak(code)))
        )
        same = kind.matches(code)
        found.append(Finding(f"{name} code", kind.name, kind.name if same else "another contract", same))
    if not all(finding.ok for finding in found):
        return found  # what else is there to ask, when the contracts are others
    operator = _hex(deployment.accounts.operator)
    found.append(await _read(reader, block, "deployer", "OPERATOR", deployment, operator))
    delay_s, exit_s = deployment.timing.timelock_delay_s, deployment.timing.exit_s
    what = "timelock delay, longer than an exit"  # PTL-071
    found.append(Finding(what, f"more than {exit_s}", str(delay_s), delay_s > exit_s))
    for name, answers in deployment.getters().items():
        for function, expected in answers.items():
            found.append(await _read(reader, block, name, function, deployment, expected))
    return found + await _changeable(reader, block, deployment)


async def code_of(reader: L1Reader, address: Address) -> bytes:
    """Return the code at an address at the newest block."""
    return await reader.code(address, (await reader.heads()).latest)


async def _changeable(reader: L1Reader, block: L1Block, deployment: Deployment) -> list[Finding]:
    """What the timelock, or the sequencer, may have changed since: told, never wrong."""
    at = {name: _hex(deployment.address(name)) for name in ("sequencerSet", "outputClaims")}
    told = []
    for name, function, arguments, first in (
        ("inbox", "sequencerSet", (), at["sequencerSet"]),
        ("sequencerSet", "sequencer", (), _hex(deployment.accounts.sequencer)),
        ("anchorStateRegistry", "respectedGameType", (), GAME_TYPE),
        ("disputeGameFactory", "gameImpls", (GAME_TYPE,), at["outputClaims"]),
        ("timelock", "getMinDelay", (), deployment.timing.timelock_delay_s),
    ):
        one = await _read(reader, block, name, function, deployment, first, *arguments)
        told.append(Finding(f"{one.what} (may change)", one.expected, one.actual, True))
    return told


async def _read(
    reader: L1Reader,
    block: L1Block,
    name: str,
    function: str,
    deployment: Deployment,
    expected: object,
    *arguments: object,
) -> Finding:
    kind = {one.name: one.contract for one in deployment.planned()} | {"deployer": contract("Deployer")}
    address = deployment.deployer if name == "deployer" else deployment.address(name)
    answer = await reader.call(address, kind[name].call(function, *arguments), block)
    (value,) = kind[name].result(function, answer)
    return _compare(f"{name}.{function}", expected, value)


async def _next_place(reader: L1Reader, deployer: Address) -> int:
    kind = contract("Deployer")
    answer = await reader.call(deployer, kind.call("next"), (await reader.heads()).latest)
    (place,) = kind.result("next", answer)
    return int(place)


async def _send(sender: Sender, to: Address, data: bytes) -> None:
    """Send one transaction with the gas that it is estimated to take; overtaken, the caller looks again."""
    request = {"from": _hex(sender.address), "to": _hex(to), "data": _hex(data)}
    estimate = int(str(await sender.reader.first(lambda one: one.call("eth_estimateGas", request))), 16)
    gas = Gas(min(estimate + estimate * GAS_MARGIN_PERCENT // 100, 1 << 24))
    included = await sender.send(Intent(to, data, gas))
    if included is not None and not included.succeeded:
        raise L1RefusedError("failed", f"transaction 0x{included.hash.hex()} failed")


async def _described(reader: L1Reader, block: L1Block) -> tuple[dict[str, Any], Wei]:
    """Return the block, which its hash proves, and its blob base fee by a majority's word."""

    async def describe(endpoint: Endpoint) -> dict[str, Any]:
        answer: dict[str, Any] | None = await endpoint.call("eth_getBlockByHash", _hex(block.hash), False)
        if answer is None or read_block(answer).hash != block.hash:
            raise L1UnavailableError("bad_answer", f"{endpoint.name}: not block {_hex(block.hash)}")
        return answer

    async def blob_base_fee(endpoint: Endpoint) -> Wei:
        history = await endpoint.call("eth_feeHistory", "0x1", hex(block.number), [])
        return Wei(int(history["baseFeePerBlobGas"][0], 16))

    answer = await reader.retries.run(lambda: reader.first(describe))
    return answer, await reader.retries.run(lambda: reader.agreed(blob_base_fee))


def _check_genesis(network: Network, deployment: Deployment) -> None:
    """L2's ends of the bridges know L1's by immutables in their code (PTL-082)."""
    for predeploy, name in (
        (L2_MESSAGE_PASSER, "portal"),
        (L2_MESSENGER, "l1CrossDomainMessenger"),
        (L2_MESSENGER, "portal"),
        (L2_BRIDGE, "l1StandardBridge"),
        (L2_NFT_BRIDGE, "l1ERC721Bridge"),
    ):
        account = network.alloc.get(Address(bytes.fromhex(predeploy[2:])))
        if account is None or account.code.find(deployment.address(name)) < 0:
            raise ValueError(
                f"{predeploy} in genesis does not know {name} at {_hex(deployment.address(name))}: "
                f"genesis was made for another operator than {_hex(deployment.accounts.operator)}"
            )


def _genesis_output(text: bytes) -> Hash32:
    document = json.loads(text)
    document.pop("l1", None)  # genesis does not depend on it (NET-043)
    roots = genesis_roots(json.dumps(document).encode())
    return output_root(roots.state_root, roots.message_passer_root, roots.hash)


def _compare(what: str, expected: object, actual: object) -> Finding:
    left, right = (_hex(each) if isinstance(each, bytes) else str(each) for each in (expected, actual))
    return Finding(what, left, right, left == right)


def _word(text: str) -> Hash32:
    return Hash32(bytes.fromhex(text[2:]))


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
