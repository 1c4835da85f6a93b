"""web3.py and OpenZeppelin's contracts against T-Rex and anvil."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from eth_account.messages import encode_typed_data
from tests.e2e.conftest import Scenario
from tests.e2e.network import CHAIN_ID, Network
from tests.e2e.web3_session import ACCOUNTS, Session
from web3 import Web3

ETHER = 10**18
FOREVER = 2**48 - 1
ME, ALICE, BOB, _ = (account.address for account in ACCOUNTS)


def tokens(network: Network) -> dict[str, Any]:
    """ERC-20 with a permit, ERC-721, ERC-1155, ERC-4626."""
    session = Session(network)
    coin = session.deploy("Tokens.sol/Coin", "Coin", "COIN", 1_000 * ETHER)
    call = coin.functions
    for view in (call.name(), call.symbol(), call.decimals(), call.totalSupply(), call.eip712Domain()):
        session.read(view)
    session.write(call.transfer(ALICE, 100 * ETHER))
    session.write(call.approve(BOB, 50 * ETHER))
    session.write(call.transferFrom(ME, BOB, 30 * ETHER), by=2)
    session.refused(call.transferFrom(ME, BOB, 30 * ETHER), by=2)
    session.refused(call.transfer("0x" + "00" * 20, 1))
    message = encode_typed_data(
        domain_data={
            "name": "Coin",
            "version": "1",
            "chainId": CHAIN_ID,
            "verifyingContract": coin.address,
        },
        message_types={
            "Permit": [
                {"name": "owner", "type": "address"},
                {"name": "spender", "type": "address"},
                {"name": "value", "type": "uint256"},
                {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint256"},
            ]
        },
        message_data={"owner": ALICE, "spender": BOB, "value": ETHER, "nonce": 0, "deadline": FOREVER},
    )
    signature = ACCOUNTS[1].sign_message(message)
    parts = (signature.v, signature.r.to_bytes(32), signature.s.to_bytes(32))
    session.write(call.permit(ALICE, BOB, ETHER, FOREVER, *parts), by=2)
    session.refused(call.permit(ALICE, BOB, ETHER, FOREVER, *parts), by=2)
    for event in coin.events.Transfer.get_logs(from_block=0):
        session.record("Transfer", [event["args"], event["logIndex"]])

    picture = session.deploy("Tokens.sol/Picture")
    session.write(picture.functions.mint(ME, 1))
    session.write(picture.functions.approve(ALICE, 1))
    session.write(picture.functions.transferFrom(ME, BOB, 1), by=1)
    session.read(picture.functions.ownerOf(1))
    session.refused(picture.functions.safeTransferFrom(BOB, coin.address, 1), by=2)
    session.refused(picture.functions.ownerOf(2))

    goods = session.deploy("Tokens.sol/Goods")
    session.write(goods.functions.mint(ME, [1, 2, 3], [10, 20, 30]))
    session.write(goods.functions.safeBatchTransferFrom(ME, ALICE, [1, 3], [5, 6], b"for you"))
    session.read(goods.functions.balanceOfBatch([ME, ALICE, ALICE], [1, 1, 3]))
    session.refused(goods.functions.safeTransferFrom(ME, ALICE, 2, 21, b""))

    vault = session.deploy("Tokens.sol/Vault", coin.address)
    session.write(call.approve(vault.address, 2**256 - 1))
    session.write(vault.functions.deposit(10 * ETHER, ME))
    session.write(call.transfer(vault.address, 5 * ETHER))
    for view in (vault.functions.convertToAssets(ETHER), vault.functions.maxWithdraw(ME)):
        session.read(view)
    session.write(vault.functions.mint(ETHER, ALICE))
    session.write(vault.functions.redeem(4 * ETHER, BOB, ME))
    session.refused(vault.functions.withdraw(100 * ETHER, ME, ME))
    return {"seen": session.seen}


def governor(network: Network) -> dict[str, Any]:
    """A proposal from its making over votes and the timelock to its effect."""
    session = Session(network)
    coin = session.deploy("Tokens.sol/Coin", "Vote", "VOTE", 1_000 * ETHER)
    timelock = session.deploy("TimelockController", 3600, [], ["0x" + "00" * 20], ME)
    parliament = session.deploy("Parliament.sol/Parliament", coin.address, timelock.address)
    for role in ("PROPOSER_ROLE", "CANCELLER_ROLE"):
        session.write(
            timelock.functions.grantRole(session.read(timelock.functions[role]()), parliament.address)
        )
    session.write(coin.functions.transfer(ALICE, 300 * ETHER))
    session.write(coin.functions.transfer(timelock.address, 50 * ETHER))
    session.write(coin.functions.delegate(ME))
    session.write(coin.functions.delegate(ALICE), by=1)
    session.wait(10)

    grant = coin.encode_abi("transfer", [BOB, 42 * ETHER])
    proposal = ([coin.address], [0], [grant])
    described = Web3.keccak(text="42 for Bob")
    call = parliament.functions
    receipt = session.write(call.propose(*proposal, "42 for Bob"))
    identity = session.read(call.hashProposal(*proposal, described))
    volatile = {
        "vote start": call.proposalSnapshot(identity).call(),
        "vote end": call.proposalDeadline(identity).call(),
    }
    created = parliament.events.ProposalCreated().process_receipt(receipt)
    session.record("ProposalCreated", created[0]["args"])
    session.read(call.state(identity))
    session.refused(call.castVote(identity, 1))
    session.wait(3601)
    session.write(call.castVote(identity, 1))
    session.write(call.castVoteWithReason(identity, 0, "too much"), by=1)
    session.refused(call.castVote(identity, 1))
    session.read(call.proposalVotes(identity))
    session.wait(24 * 3600)
    session.read(call.state(identity))
    session.write(call.queue(*proposal, described))
    volatile["ready"] = call.proposalEta(identity).call()
    session.wait(3601)
    session.write(call.execute(*proposal, described), by=2)
    session.read(call.state(identity))
    session.read(coin.functions.balanceOf(BOB))
    return {"seen": session.seen, "volatile": volatile}


def proxies(network: Network) -> dict[str, Any]:
    """A UUPS proxy and a transparent one, upgraded by who may, refused to who may not."""
    session = Session(network)
    first, second = session.deploy("Box.sol/Box"), session.deploy("Box.sol/BoxV2")
    start = first.encode_abi("initialize", [ME, 7])

    proxy = session.deploy("ERC1967Proxy", first.address, start)
    box = session.at(proxy.address, second.abi)
    session.read(box.functions.version())
    session.write(box.functions.store(8), by=1)
    session.refused(box.functions.initialize(ALICE, 9))
    session.refused(first.functions.initialize(ALICE, 9))
    session.refused(box.functions.upgradeToAndCall(second.address, b""), by=1)
    session.write(box.functions.upgradeToAndCall(second.address, second.encode_abi("increment", [])))
    session.read(box.functions.version())
    session.read(box.functions.value())

    transparent = session.deploy("TransparentUpgradeableProxy", first.address, ME, start)
    slot = int.from_bytes(Web3.keccak(text="eip1967.proxy.admin")) - 1
    admin = session.web3.eth.get_storage_at(transparent.address, slot)
    session.record("admin", admin)
    abi = session.deploy("ProxyAdmin", ME).abi
    manager = session.at(Web3.to_checksum_address(admin[-20:]), abi)
    session.refused(manager.functions.upgradeAndCall(transparent.address, second.address, b""), by=1)
    session.write(manager.functions.upgradeAndCall(transparent.address, second.address, b""))
    box = session.at(transparent.address, second.abi)
    session.write(box.functions.increment(), by=1)
    session.read(box.functions.value())
    for address in (proxy.address, transparent.address):
        implementation = int.from_bytes(Web3.keccak(text="eip1967.proxy.implementation")) - 1
        session.record("implementation", session.web3.eth.get_storage_at(address, implementation))
    return {"seen": session.seen}


def test_web3_tokens_same_on_anvil(same: Callable[[Scenario], Any], contracts: Path) -> None:
    assert contracts.exists()
    same(tokens)


def test_web3_governor_same_on_anvil(same: Callable[[Scenario], Any], contracts: Path) -> None:
    assert contracts.exists()
    same(governor)


def test_web3_proxies_same_on_anvil(same: Callable[[Scenario], Any], contracts: Path) -> None:
    assert contracts.exists()
    same(proxies)
