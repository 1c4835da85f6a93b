"""web3.py as an application sets it up: a provider, the devnet's accounts as local signers."""

import json
from typing import Any, cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from tests.e2e.network import HERE, MNEMONIC, ROOT, Network
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError
from web3.middleware import SignAndSendRawMiddlewareBuilder
from web3.types import TxParams, TxReceipt

Account.enable_unaudited_hdwallet_features()
ACCOUNTS: list[LocalAccount] = [
    Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}") for index in range(4)
]
OPENZEPPELIN = ROOT / "node_modules" / "@openzeppelin" / "contracts" / "build" / "contracts"
ENOUGH_GAS = 1_000_000


class Session:
    """A scenario's connection, and what it has seen."""

    def __init__(self, network: Network) -> None:
        self.web3 = Web3(Web3.HTTPProvider(network.url))
        for account in ACCOUNTS:
            self.web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
        self.web3.eth.default_account = ACCOUNTS[0].address
        self.seen: list[Any] = []

    def record(self, label: str, value: Any) -> None:
        """Keep a value that any two networks must agree on."""
        self.seen.append([label, json.loads(Web3.to_json(value))])

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.web3.provider.make_request("evm_increaseTime", [seconds])  # type: ignore[arg-type]
        self.web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]

    def now(self) -> int:
        """Return the newest block's time."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def receipt(self, digest: Any) -> TxReceipt:
        """Wait for a transaction."""
        return self.web3.eth.wait_for_transaction_receipt(digest, timeout=300, poll_latency=0.05)

    def deploy(self, artifact: str, *arguments: Any) -> Contract:
        """Deploy a contract: `Tokens.sol/Coin` of forge's, or a name among OpenZeppelin's builds."""
        folder = HERE / "foundry" / "out" if "/" in artifact else OPENZEPPELIN
        document = json.loads((folder / f"{artifact}.json").read_text())
        code = document["bytecode"]
        factory = self.web3.eth.contract(
            abi=document["abi"], bytecode=code if isinstance(code, str) else code["object"]
        )
        receipt = self.receipt(factory.constructor(*arguments).transact())
        self.record(f"deployed {artifact}", [receipt["status"], receipt["contractAddress"]])
        return self.at(receipt["contractAddress"], document["abi"])

    def at(self, address: Any, abi: Any) -> Contract:
        """Return the contract that is at an address."""
        return cast("Contract", self.web3.eth.contract(address=address, abi=abi))

    def write(self, call: ContractFunction, by: int = 0, **more: Any) -> TxReceipt:
        """Call, then send; keep what was returned and the status."""
        given: TxParams = {"from": ACCOUNTS[by].address, **more}  # type: ignore[typeddict-item]
        result = call.call(given)
        receipt = self.receipt(call.transact(given))
        self.record(call.fn_name, [receipt["status"], receipt["gasUsed"], result])
        return receipt

    def read(self, call: ContractFunction) -> Any:
        """Call a view function and keep what it returned."""
        result = call.call()
        self.record(call.fn_name, result)
        return result

    def refused(self, call: ContractFunction, by: int = 0) -> None:
        """Keep the error of a call and of its gas estimate; then send it all the same."""
        given: TxParams = {"from": ACCOUNTS[by].address}
        for attempt in (call.call, call.estimate_gas):
            try:
                attempt(given)
            except ContractLogicError as error:
                self.record(f"{call.fn_name} refused", [type(error).__name__, error.message, error.data])
            else:
                raise AssertionError(f"{call.fn_name} should have failed")
        receipt = self.receipt(call.transact({**given, "gas": ENOUGH_GAS}))
        self.record(f"{call.fn_name} failed", [receipt["status"], receipt["gasUsed"]])
