"""A chain without any sequencer: what users do on L1 is all there is, and it is enough."""

from pathlib import Path

from eth_abi.abi import encode
from eth_hash.auto import keccak
from tests.settlement.following import running, synced
from tests.settlement.rollup import rollup, rpc

from trex.chain.limits import ServerLimits
from trex.chain.workers import Workers
from trex.settlement.deployment import output_root
from trex.settlement.rpc import SettlementMethods
from trex.types.primitives import Hash32

MESSAGE_PASSER = bytes.fromhex("4200000000000000000000000000000000000016")
FRIEND = b"\x42" * 20
ETHER = 10**18
DEPOSIT_GAS = 2**24
"""The most that one deposit may ask for (PTL-021)."""
OUTPUT_PARTS = ("stateRoot", "withdrawalsRoot", "hash")


async def test_users_deposit_transact_and_withdraw_without_a_sequencer(tmp_path: Path) -> None:
    """INB-020 to INB-023, DRV-040: deposits carry whole transactions, forced headers bring them in."""
    async with rollup() as system:
        chain = system.open(tmp_path / "v")
        async with running(system.driver(chain, tmp_path / "v")) as driver:
            await system.silence()
            user = bytes.fromhex(system.user.account.address[2:])
            await system.deposit(5 * ETHER, user, value=0)  # minted to the user, and stays
            await system.force()
            await synced(driver, await system.head())
            before = int(rpc(chain, "eth_getBalance", "0x" + user.hex(), "latest"), 16)
            # A transaction of the user's own, paid for on L1: a transfer.
            await system.deposit(0, FRIEND, value=ETHER)
            # And a withdrawal.
            call = keccak(b"initiateWithdrawal(address,uint256,bytes)")[:4] + encode(
                ["address", "uint256", "bytes"], ["0x" + user.hex(), 100_000, b""]
            )
            await system.deposit(0, MESSAGE_PASSER, gas=500_000, data=call, value=2 * ETHER)
            await system.force()
            await synced(driver, await system.head())
            safe = chain.l1_heads()[0]
            assert safe == chain.head().number > 0
            assert int(rpc(chain, "eth_getBalance", "0x" + FRIEND.hex(), "safe"), 16) == ETHER
            after = int(rpc(chain, "eth_getBalance", "0x" + user.hex(), "safe"), 16)
            assert before - after == 3 * ETHER, "deposits cost no gas on L2"
            # The withdrawal is in the output: its slot, by a proof against the root in the header.
            nonce = 1 << 240
            withdrawal = keccak(
                encode(
                    ["uint256", "address", "address", "uint256", "uint256", "bytes"],
                    [nonce, "0x" + user.hex(), "0x" + user.hex(), 2 * ETHER, 100_000, b""],
                )
            )
            slot = "0x" + keccak(withdrawal + bytes(32)).hex()
            proof = rpc(chain, "eth_getProof", "0x" + MESSAGE_PASSER.hex(), [slot], hex(safe))
            assert proof["storageProof"][0]["value"] == "0x1"
            header = rpc(chain, "eth_getHeaderByNumber", hex(safe))
            assert proof["storageHash"] == header["withdrawalsRoot"]
            root = output_root(*(Hash32(bytes.fromhex(header[name][2:])) for name in OUTPUT_PARTS))
            told = SettlementMethods(driver, "verifier", Workers(ServerLimits())).output_at_block(hex(safe))
            assert told["outputRoot"] == "0x" + root.hex()
            # Nobody had to be there: this is the chain that anybody else derives too.
            other = system.open(tmp_path / "o")
            async with running(system.driver(other, tmp_path / "o")) as second:
                await synced(second, await system.head())
            assert rpc(other, "eth_getHeaderByNumber", hex(safe)) == header
            other.close()
        chain.close()


async def test_deposits_that_do_not_fit_one_block_spill_into_the_next(tmp_path: Path) -> None:
    """DRV-031, DRV-040: however full, none is lost, and their order stays."""
    async with rollup() as system:
        chain = system.open(tmp_path / "v")
        for wei in range(1, 5):
            await system.deposit(wei, bytes([wei]) * 20, gas=DEPOSIT_GAS)
        await system.silence()
        await system.force()
        async with running(system.driver(chain, tmp_path / "v")) as driver:
            await synced(driver, await system.head())
        limit = chain.head().gas_limit
        assert chain.head().number >= 4 * DEPOSIT_GAS // limit
        for wei in range(1, 5):
            assert rpc(chain, "eth_getBalance", "0x" + bytes([wei]).hex() * 20, "latest") == hex(wei)
        chain.close()
