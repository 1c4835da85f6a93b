"""cast against T-Rex and anvil."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Scenario, command
from tests.e2e.network import Network, program
from tests.e2e.web3_session import ACCOUNTS

KEYS = [f"0x{bytes(account.key).hex()}" for account in ACCOUNTS]
ME, ALICE, BOB, _ = (account.address for account in ACCOUNTS)
PAID = "0x00000000000000000000000000000000Decafbad"
SAFE = "0x41675C099F32341bf84BFc5382aF534df5C7461a"
MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"


def test_cast_everyday_commands_same_on_anvil(same: Callable[[Scenario], Any], contracts: Path) -> None:
    coin_code = json.loads((contracts / "Tokens.sol" / "Coin.json").read_text())["bytecode"]["object"]

    def run(network: Network) -> dict[str, Any]:
        seen: list[Any] = []

        def cast(*words: str) -> str:
            return command(program("cast"), *words, "--rpc-url", network.url).strip()

        def show(*words: str) -> str:
            printed = cast(*words)
            seen.append([" ".join(words)[:80], printed])
            return printed

        def send(*words: str, key: int = 0) -> Any:
            options = ("--json", "--private-key", KEYS[key], "--rpc-url", network.url)
            receipt = json.loads(command(program("cast"), "send", *options, *words))
            seen.append([words[0], [receipt["status"], receipt["gasUsed"], receipt.get("contractAddress")]])
            return receipt

        for words in (("chain-id",), ("balance", ALICE), ("nonce", ALICE), ("codesize", MULTICALL3)):
            show(*words)
        show("codehash", MULTICALL3)
        send(PAID, "--value", "1ether")
        send(PAID, "--value", "1ether", "--legacy")
        send(PAID, "--value", "3", "--access-list", "[]")
        arguments = command(
            program("cast"), "abi-encode", "f(string,string,uint256)", "Coin", "COIN", "1000"
        ).strip()
        coin = send("--create", coin_code + arguments.removeprefix("0x"))["contractAddress"]
        made = send(coin, "transfer(address,uint256)(bool)", ALICE, "400")
        send(coin, "approve(address,uint256)", BOB, "7", key=1)
        show("call", coin, "balanceOf(address)(uint256)", ALICE)
        show("call", coin, "name()(string)")
        show("call", MULTICALL3, "getEthBalance(address)(uint256)", PAID)
        show("storage", coin, "2")
        show("estimate", ALICE, "--value", "1", "--from", ME)
        show("code", coin)
        show("balance", PAID)
        show("compute-address", ME)
        seen.append(["receipt", cast("receipt", made["transactionHash"], "status")])
        signature = "Transfer(address,address,uint256)"
        for log in json.loads(cast("logs", "--address", coin, signature, "--json", "--from-block", "0")):
            seen.append(["log", [log["topics"], log["data"], log["logIndex"]]])
        proof = json.loads(cast("proof", SAFE, "4"))
        seen.append(["proof", [proof["codeHash"], proof["storageHash"], proof["storageProof"]]])
        seen.append(["tx", json.loads(cast("tx", made["transactionHash"], "--json"))["input"]])
        replayed = cast("run", "--quick", made["transactionHash"])
        seen.append(["run", "Transaction successfully executed" in replayed])
        delegation = send(BOB, "totalSupply()(uint256)", "--auth", coin, key=2)
        seen.append(["type", delegation["type"]])
        show("code", BOB)
        show("rpc", "eth_getTransactionCount", BOB, "latest")
        return {"seen": seen}

    same(run)
