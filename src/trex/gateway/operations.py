"""Operations of passports' accounts (ERC-4337): the relayer carries, a sponsorship pays (GTW-090)."""

from dataclasses import dataclass, replace
from typing import Any

from trex.gateway import audit, outbox
from trex.gateway.errors import Fault, GatewayError
from trex.gateway.outbox import JobKind
from trex.gateway.relayer import TIP_WEI
from trex.gateway.reverts import reason_of
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.passport.contracts import Method
from trex.passport.keys import Key, KeyKind
from trex.rpc.errors import RefusedError
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32

ENTRY_POINT = Address(bytes.fromhex("4337084d9e255ff0702461cf8895ce9e3b5ff108"))
"""EntryPoint v0.8, at its address everywhere."""
PAYMASTER = Address(bytes.fromhex("547265780000000000000000000000000000000f"))
"""PersonaPaymaster of that EntryPoint (PTS-080)."""
PACKED = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
"""ABI type of a packed operation."""
HANDLE_OPS = Method("handleOps", (f"{PACKED}[]", "address"))
GET_NONCE = Method("getNonce", ("address", "uint192"), ("uint256",))
GET_HASH = Method("getUserOpHash", (PACKED,), ("bytes32",))
VERIFICATION_GAS, PAYMASTER_GAS, POST_OP_GAS = 200_000, 200_000, 80_000
"""What accounts' and the paymaster's own code may take."""
MAX_CALL_GAS = 5_000_000
"""Most gas that an operation's own call may ask for."""
AROUND_GAS = 60_000
"""A transaction's own gas and what the EntryPoint takes beside the operation; calldata comes on top."""
DELEGATION_GAS = 37_500
"""What an authorization adds (EIP-7702: 25,000 for the account, 12,500 for the tuple)."""
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Authorization:
    """An account's own word that it runs as some contract (EIP-7702)."""

    chain_id: int
    delegate: Address
    nonce: int
    y_parity: int
    r: int
    s: int

    def tuple(self) -> dict[str, Any]:
        """As transactions carry it."""
        return {
            "chainId": self.chain_id,
            "address": f"0x{self.delegate.hex()}",
            "nonce": self.nonce,
            "yParity": self.y_parity,
            "r": hex(self.r),
            "s": hex(self.s),
        }


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as this gateway prepares it."""

    sender: Address
    """The account: a key of a passport."""
    nonce: int
    """Of the account at the EntryPoint."""
    call_data: bytes
    """What the account does."""
    call_gas: int
    """For that, at most."""
    pre_gas: int
    """What the relayer is paid for bringing it."""
    max_fee_wei: int
    """For a unit of gas, in all."""
    day: int
    """Since 1970: the operation counts in it alone (PTS-081)."""
    sponsorship: int
    """Who pays."""
    signature: bytes = b""
    """Of the account."""

    def packed(self) -> tuple[Any, ...]:
        """As the EntryPoint takes it."""
        limits = VERIFICATION_GAS.to_bytes(16) + self.call_gas.to_bytes(16)
        fees = TIP_WEI.to_bytes(16) + self.max_fee_wei.to_bytes(16)
        paid = PAYMASTER + PAYMASTER_GAS.to_bytes(16) + POST_OP_GAS.to_bytes(16)
        paid += self.sponsorship.to_bytes(32) + self.day.to_bytes(4)
        sender = f"0x{self.sender.hex()}"
        return sender, self.nonce, b"", self.call_data, limits, self.pre_gas, fees, paid, self.signature


def account_of(key: Key) -> Address:
    """Return the account that operates.

    Raises:
        GatewayError: the key is none of EVM.
    """
    if key.kind is not KeyKind.EVM:
        raise GatewayError(Fault.FORBIDDEN, "operations are of accounts of EVM: sign in with one")
    return key.address


async def prepare(
    gateway: Gateway, who: Key, call_data: bytes, call_gas: int, delegating: bool
) -> tuple[Operation, Hash32]:
    """Fill an operation in; return it with the hash that the account signs.

    Args:
        gateway: that pays and carries.
        who: is signed in; the account.
        call_data: what the account does.
        call_gas: for that, at most.
        delegating: whether an authorization comes with it.

    Raises:
        GatewayError: nobody sponsors operations here.
    """
    if not gateway.settings.sponsorship:
        raise GatewayError(Fault.NOT_FOUND, "this gateway sponsors no operations")
    sender = account_of(who)
    head = await gateway.client.rpc.call("eth_getBlockByNumber", "latest", False)
    (nonce,) = await gateway.client.ask((ENTRY_POINT, GET_NONCE, (f"0x{sender.hex()}", 0)))
    operation = Operation(
        sender=sender,
        nonce=nonce,
        call_data=call_data,
        call_gas=min(call_gas, MAX_CALL_GAS),
        pre_gas=pre_gas(call_data, delegating),
        max_fee_wei=2 * int(head["baseFeePerGas"], 16) + TIP_WEI,
        day=int(head["timestamp"], 16) // DAY_S,
        sponsorship=gateway.settings.sponsorship,
    )
    (hash_,) = await gateway.client.ask((ENTRY_POINT, GET_HASH, (operation.packed(),)))
    return operation, Hash32(hash_)


def pre_gas(call_data: bytes, delegating: bool) -> int:
    """What bringing an operation costs the relayer beside what the EntryPoint counts, with a margin."""
    return AROUND_GAS + 16 * (len(call_data) + 900) + (DELEGATION_GAS if delegating else 0)


async def submit(
    gateway: Gateway, who: Key, operation: Operation, authorization: Authorization | None
) -> int:
    """Queue a signed operation, if the EntryPoint would take it now; return its job.

    Raises:
        GatewayError: it is another's, underpaid, or refused; or the day's budget is used up.
    """
    floor = replace(operation, pre_gas=pre_gas(operation.call_data, authorization is not None))
    head = await gateway.client.rpc.call("eth_getBlockByNumber", "latest", False)
    if operation.sender != account_of(who) or operation.sponsorship != gateway.settings.sponsorship:
        raise GatewayError(Fault.FORBIDDEN, "prepare it here, with the account that is signed in")
    cheap = operation.max_fee_wei < int(head["baseFeePerGas"], 16) + TIP_WEI
    if operation.pre_gas < floor.pre_gas or cheap or operation.call_gas > MAX_CALL_GAS:
        raise GatewayError(Fault.CONFLICT, "it would not pay for itself: prepare it anew")
    relayer = f"0x{gateway.relayer.account.hex()}"
    data = HANDLE_OPS.call([operation.packed()], relayer)
    request = {"from": relayer, "to": f"0x{ENTRY_POINT.hex()}", "data": f"0x{data.hex()}"}
    sender = f"0x{operation.sender.hex()}"
    overrides: dict[str, Any] = {}
    if authorization is not None:
        nonce = int(await gateway.client.rpc.call("eth_getTransactionCount", sender, "pending"), 16)
        at = gateway.settings.contracts.chain_id
        if authorization.chain_id not in (0, at) or authorization.nonce != nonce:
            raise GatewayError(Fault.EXPIRED, f"the authorization is for another chain or nonce than {nonce}")
        overrides = {sender: {"code": f"0xef0100{authorization.delegate.hex()}"}}
    try:
        await gateway.client.rpc.call("eth_call", request, "latest", overrides)
    except RefusedError as error:
        raise GatewayError(Fault.REFUSED, f"the EntryPoint refuses it: {reason_of(error)}") from error
    payload: dict[str, Any] = {"to": ENTRY_POINT.hex(), "data": data.hex()}
    if authorization is not None:
        gas = VERIFICATION_GAS + PAYMASTER_GAS + POST_OP_GAS + operation.call_gas + 2 * operation.pre_gas
        payload |= {"authorization": authorization.tuple(), "gas": gas}
    passport, _ = await gateway.client.passport_of(who)
    async with gateway.database.transaction() as tx:
        await outbox.spend(tx, f"act {who.id.hex()}", gateway.settings.acts_a_day, gateway.now_s)
        number = await outbox.enqueue(
            tx,
            JobKind.RELAY,
            payload,
            passport=passport,
            owner=who.id,
            now_s=gateway.now_s,
            once=f"relay {keccak256(data).hex()}",
        )
        subject = f"passport {passport}"
        await audit.record(tx, gateway.now_s, key_name(who), "operation", subject, f"job {number}")
    gateway.relayer.wake()
    return number
