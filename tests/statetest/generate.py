"""Random state tests: every fork, transaction type and corner that roots depend on, from a seed.

Outcomes are left open (`hash` zero); `oracle.py` has geth fill them in.
"""

import random
from typing import Any, TypeAlias

from eth_account import Account
from tests.statetest.program import (
    COINBASES,
    CONTRACTS,
    EMPTY,
    EMPTY_LOGS,
    KEY,
    OTHER,
    OTHER_KEY,
    SENDER,
    Program,
    created,
)

FORKS = (
    "Frontier",
    "Homestead",
    "EIP150",
    "EIP158",
    "Byzantium",
    "Constantinople",
    "ConstantinopleFix",
    "Istanbul",
    "Berlin",
    "London",
    "Paris",
    "Shanghai",
    "Cancun",
    "Prague",
    "Osaka",
)

Json: TypeAlias = dict[str, Any]


def account(
    balance: int = 0, nonce: int = 0, code: bytes = b"", storage: dict[int, int] | None = None
) -> Json:
    """An account as the format has it."""
    return {
        "balance": hex(balance),
        "nonce": hex(nonce),
        "code": "0x" + code.hex(),
        "storage": {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in (storage or {}).items()},
    }


def before(rng: random.Random, fork: int) -> dict[str, Json]:
    """Accounts before the transaction."""
    pre: dict[str, Json] = {SENDER: account(rng.choice((10**18, 2**200)), nonce=rng.choice((0, 0, 1, 7)))}
    for i, address in enumerate(CONTRACTS):
        program = Program(rng)
        program.statements(rng.randrange(1, 9))
        slots = {
            rng.randrange(6): rng.choice((0, 1, 2, rng.getrandbits(256))) for _ in range(rng.randrange(4))
        }
        pre[address] = account(rng.choice((0, 1, 10**6)), rng.choice((0, 1)), bytes(program.code), slots)
        if i == 4 and fork >= FORKS.index("Prague") and rng.random() < 0.5:
            pre[address] = account(7, 1, bytes.fromhex("ef0100" + rng.choice(CONTRACTS[:3])[2:]), slots)
    if rng.random() < 0.6:
        pre[EMPTY] = account()
    if rng.random() < 0.3:
        pre[f"0x{rng.choice((1, 2, 3, 4, 9, 17)):040x}"] = account(rng.choice((0, 1)))
    if rng.random() < 0.4:
        # What a creation may collide with: balance, storage, nonce or code.
        target = created(rng.choice((SENDER, CONTRACTS[0], CONTRACTS[1])), rng.randrange(3))
        pre[target] = account(
            rng.choice((0, 10)),
            rng.choice((0, 0, 0, 1)),
            rng.choice((b"", b"", b"\x00")),
            rng.choice(({}, {0: 1}, {1: 5})),
        )
    if rng.random() < 0.03:
        # A sender that does not exist: it may send for nothing.
        del pre[SENDER]
    if rng.random() < 0.5:
        pre[OTHER] = account(rng.choice((0, 5)), rng.choice((0, 1)))
    return pre


def authorizations(rng: random.Random, pre: dict[str, Json]) -> list[Json]:
    """Authorizations of EIP-7702, some of them without effect."""
    out: list[Json] = []
    for _ in range(rng.randrange(1, 4)):
        key, who = rng.choice(((KEY, SENDER), (OTHER_KEY, OTHER), (OTHER_KEY, OTHER)))
        nonce = int(str(pre.get(who, account())["nonce"]), 16) + rng.choice((0, 0, 0, 1, 1, 2))
        address = rng.choice((*CONTRACTS[:3], "0x" + "00" * 20, f"0x{2:040x}", OTHER))
        signed = Account.sign_authorization(
            {"chainId": rng.choice((0, 1, 1, 1, 2)), "address": address, "nonce": nonce}, key
        )
        parity, s = signed.y_parity, signed.s
        if rng.random() < 0.1:
            parity, s = 1 - parity, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - s
        out.append(
            {
                "chainId": hex(signed.chain_id),
                "address": address,
                "nonce": hex(nonce),
                "v": hex(parity),
                "yParity": hex(parity),
                "r": hex(signed.r),
                "s": hex(s),
                "signer": who,
            }
        )
    return out


def transaction(rng: random.Random, fork: int, pre: dict[str, Json]) -> Json:
    """A transaction, of a type the fork knows, refused now and then."""
    base_fee = 10
    kinds = [0, 0]
    kinds += [1, 1] * (fork >= FORKS.index("Berlin")) + [2, 2] * (fork >= FORKS.index("London"))
    kinds += [3, 3] * (fork >= FORKS.index("Cancun")) + [4, 4, 4] * (fork >= FORKS.index("Prague"))
    kind = rng.choice(kinds)
    is_creation = rng.random() < 0.2
    data = rng.randbytes(rng.choice((0, 0, 4, 64, 1000)))
    if is_creation:
        program = Program(rng)
        program.create()
        program.statements(rng.randrange(4))
        program.end()
        data = bytes(program.code)
        if rng.random() < 0.05:
            data = data.ljust(rng.choice((49152, 49153)), b"\0")
    gas_limit = rng.choice((21_000, 30_000, 60_000, 100_000, 400_000, 1_000_000, 5_000_000, 2**24))
    if rng.random() < 0.03:
        gas_limit = rng.choice((20_999, 2**24 + 1, 2**26 + 1))
    price = rng.choice(
        (base_fee, base_fee, base_fee + 1, 1000, base_fee - 1 if rng.random() < 0.2 else base_fee)
    )
    if fork < FORKS.index("London") and (SENDER not in pre or rng.random() < 0.3):
        price = 0
    nonce = int(str(pre.get(SENDER, account())["nonce"]), 16)
    if rng.random() < 0.02:
        nonce += 1
    tx: Json = {
        "data": ["0x" + data.hex()],
        "gasLimit": [hex(gas_limit)],
        "value": [hex(rng.choice((0, 0, 0, 1, 10**6, 2**201 if rng.random() < 0.05 else 3)))],
        "to": ""
        if is_creation
        else rng.choice(
            (*CONTRACTS, *CONTRACTS, OTHER, SENDER, EMPTY, f"0x{rng.randrange(20):040x}", f"0x{0x100:040x}")
        ),
        "nonce": hex(nonce),
        "secretKey": KEY,
        "sender": SENDER,
    }
    if kind >= 2:
        tx |= {"maxFeePerGas": hex(price), "maxPriorityFeePerGas": hex(rng.choice((0, 1, 5)))}
    else:
        tx |= {"gasPrice": hex(price)}
    if kind == 1 or (kind > 1 and rng.random() < 0.4):
        tx["accessLists"] = [
            [
                {
                    "address": rng.choice((*CONTRACTS, OTHER, COINBASES[0])),
                    "storageKeys": [f"0x{rng.randrange(6):064x}" for _ in range(rng.randrange(3))],
                }
                for _ in range(rng.randrange(4))
            ]
        ]
    if kind == 3:
        version = "01" if rng.random() < 0.97 else "02"
        tx |= {
            "maxFeePerBlobGas": hex(rng.choice((1, 1, 100, 10**12))),
            "blobVersionedHashes": [
                "0x" + version + rng.randbytes(31).hex() for _ in range(rng.choice((1, 1, 2, 6, 7, 0, 9)))
            ],
        }
    if kind == 4:
        tx["authorizationList"] = [] if rng.random() < 0.03 else authorizations(rng, pre)
    return tx


def wire(tx: Json, fork: int) -> str:
    """The transaction signed, as it goes over the wire."""
    fields: Json = {
        "to": bytes.fromhex(tx["to"][2:]),
        "data": tx["data"][0],
        "gas": tx["gasLimit"][0],
        "value": tx["value"][0],
        "nonce": tx["nonce"],
    }
    for name in (
        "gasPrice",
        "maxFeePerGas",
        "maxPriorityFeePerGas",
        "maxFeePerBlobGas",
        "blobVersionedHashes",
    ):
        if name in tx:
            fields[name] = tx[name]
    kinds = {"authorizationList": 4, "blobVersionedHashes": 3, "maxFeePerGas": 2, "accessLists": 1}
    kind = next((kind for name, kind in kinds.items() if name in tx), 0)
    if kind:
        fields |= {"type": kind, "accessList": tx["accessLists"][0] if "accessLists" in tx else []}
    if kind or fork >= FORKS.index("EIP158"):
        fields["chainId"] = 1
    if kind == 4:
        names = ("chainId", "address", "nonce", "yParity", "r", "s")
        fields["authorizationList"] = [
            {name: one[name] if name == "address" else int(one[name], 16) for name in names}
            for one in tx["authorizationList"]
        ]
    raw: bytes = Account.sign_transaction(fields, KEY).raw_transaction
    return "0x" + bytes(raw).hex()


def generate(seed: int, fork: str) -> Json:
    """One test with one case, of a seed and for a fork."""
    rng = random.Random(f"{seed} {fork}")
    index = FORKS.index(fork)
    pre = before(rng, index)
    env: Json = {
        "currentCoinbase": rng.choice(COINBASES),
        "currentDifficulty": "0x20000",
        "currentRandom": f"0x{0x20000:064x}",
        "currentGasLimit": hex(2**26),
        "currentNumber": hex(rng.choice((1, 100, 300))),
        "currentTimestamp": "0x3e8",
        "currentBaseFee": "0xa",
        "currentExcessBlobGas": hex(rng.choice((0, 0, 2**22, 2**27))),
    }
    case: Json = {"hash": "0x" + "00" * 32, "logs": EMPTY_LOGS, "indexes": {"data": 0, "gas": 0, "value": 0}}
    tx = transaction(rng, index, pre)
    # eth-account does not sign what can only be refused: empty lists, creations by types 3 and 4.
    can_be_signed = [] not in (tx.get("authorizationList"), tx.get("blobVersionedHashes"))
    if rng.random() < 0.3 and can_be_signed and (tx["to"] or "gasPrice" in tx):
        case["txbytes"] = wire(tx, index)
    return {
        "env": {k: v for k, v in env.items() if index >= FORKS.index("Paris") or k != "currentRandom"},
        "pre": pre,
        "transaction": tx,
        "post": {fork: [case]},
    }
