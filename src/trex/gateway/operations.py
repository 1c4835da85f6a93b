"""Operations of passports' accounts (ERC-4337): the relayer carries, a sponsorship pays (GTW-090 to -093)."""

from dataclasses import dataclass, replace
from typing import Any

import rlp
from sqlalchemy import Select, select

from trex.gateway import outbox
from trex.gateway.calls import DELEGATION_GAS, code_of
from trex.gateway.errors import GatewayError
from trex.gateway.outbox import JobKind, JobState
from trex.gateway.relayer import TIP_WEI
from trex.gateway.reverts import operation_reason, reason_of
from trex.gateway.service import Gateway
from trex.gateway.sign_in import key_name
from trex.gateway.store.schema import jobs
from trex.passport.contracts import Method
from trex.passport.keys import Key, evm_key
from trex.rpc.errors import RefusedError
from trex.types.evm import SignatureError, recover_digest_signer
from trex.types.network_file import keccak256
from trex.types.primitives import Address, Hash32
from trex.web import audit

ENTRY_POINT = Address(bytes.fromhex("4337084d9e255ff0702461cf8895ce9e3b5ff108"))
"""EntryPoint v0.8, at its address everywhere."""
PAYMASTER = Address(bytes.fromhex("547265780000000000000000000000000000000f"))
"""PersonaPaymaster of that EntryPoint (PTS-080)."""
GAS_PRICES = Address(bytes.fromhex("420000000000000000000000000000000000000f"))
"""GasPriceOracle."""
PACKED = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
"""ABI type of a packed operation."""
HANDLE_OPS = Method("handleOps", (f"{PACKED}[]", "address"))
GET_HASH = Method("getUserOpHash", (PACKED,), ("bytes32",))
L1_FEE = Method("getL1FeeUpperBound", ("uint256",), ("uint256",))
COUNT_OF = Method("countOf", ("uint256",), ("uint256",))
SPENT_ON = Method("spentOn", ("uint256", "uint32"), ("uint256",))
SPENT_BY = Method("spentBy", ("uint256", "uint256", "uint32"), ("uint256",))
BUNDLER_OF = Method("bundlerOf", ("uint256",), ("address",))
SPONSORSHIP_OF = Method("sponsorshipOf", ("uint256",), ("(address,bool,uint128,uint128,uint128,uint128)",))
DELEGATED = bytes.fromhex("7702")
"""Stands in place of a factory: the account is one by EIP-7702."""
VERIFICATION_GAS, PAYMASTER_GAS, POST_OP_GAS = 200_000, 200_000, 80_000
"""What accounts' and the paymaster's own code may take, as estimates name it."""
MAX_CALL_GAS, MAX_OTHER_GAS = 5_000_000, 1_000_000
"""Most gas that an operation's own call may ask for, and any other part."""
INTRINSIC_GAS = 21_000
AROUND_GAS = 60_000
"""A transaction's own gas and what the EntryPoint takes beside the operation; calldata comes on top."""
DAY_S = 86_400
DONE = keccak256(b"UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)")
"""The EntryPoint's event of an operation."""
OPERATION = "operation "
"""How names of operations' jobs begin."""


class OperationError(Exception):
    """An operation that is not carried, with the code that ERC-7769 gives it."""

    REJECTED, PAYMASTER, EXPIRED, SIGNATURE = -32500, -32501, -32503, -32507
    MALFORMED, REVERTED = -32602, -32521

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        """Make an error.

        Args:
            code: one of those above.
            message: for people.
            data: what a call reverted with, as hex.
        """
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


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

    def signer(self) -> Address:
        """Whose word it is.

        Raises:
            SignatureError: nobody's: such an authorization is skipped without a word when it arrives.
        """
        message = b"\x05" + rlp.encode([self.chain_id, bytes(self.delegate), self.nonce])
        raw = self.r.to_bytes(32) + self.s.to_bytes(32) + bytes([27 + self.y_parity])
        return recover_digest_signer(keccak256(message), raw)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation; gas in units, fees in wei for a unit."""

    sender: Address
    """The account: a key of a passport."""
    nonce: int
    """Of the account at the EntryPoint."""
    init_code: bytes
    """`DELEGATED` for an account by EIP-7702, or empty."""
    call_data: bytes
    """What the account does."""
    verification_gas: int
    call_gas: int
    pre_gas: int
    """What the relayer is paid for bringing it."""
    tip_wei: int
    max_fee_wei: int
    paymaster: Address | None
    """Who pays; None for the account itself."""
    paymaster_gas: int
    post_op_gas: int
    paymaster_data: bytes
    """Number of the sponsorship, and the day."""
    signature: bytes
    """Of the account."""

    def packed(self) -> tuple[Any, ...]:
        """As the EntryPoint takes it."""
        limits = self.verification_gas.to_bytes(16) + self.call_gas.to_bytes(16)
        fees = self.tip_wei.to_bytes(16) + self.max_fee_wei.to_bytes(16)
        paid = b""
        if self.paymaster is not None:
            paid = self.paymaster + self.paymaster_gas.to_bytes(16) + self.post_op_gas.to_bytes(16)
            paid += self.paymaster_data
        sender = f"0x{self.sender.hex()}"
        first = (sender, self.nonce, self.init_code, self.call_data, limits, self.pre_gas)
        return *first, fees, paid, self.signature

    @property
    def max_cost_wei(self) -> int:
        """Most that it can cost who pays for it."""
        gas = self.verification_gas + self.call_gas + self.pre_gas + self.paymaster_gas + self.post_op_gas
        return gas * self.max_fee_wei


def unpacked(told: tuple[Any, ...]) -> Operation:
    """Read an operation as the EntryPoint takes it."""
    sender, nonce, init_code, call_data, limits, pre_gas, fees, paid, signature = told
    return Operation(
        sender=Address(bytes.fromhex(sender[2:])),
        nonce=nonce,
        init_code=init_code,
        call_data=call_data,
        verification_gas=int.from_bytes(limits[:16]),
        call_gas=int.from_bytes(limits[16:]),
        pre_gas=pre_gas,
        tip_wei=int.from_bytes(fees[:16]),
        max_fee_wei=int.from_bytes(fees[16:]),
        paymaster=Address(paid[:20]) if paid else None,
        paymaster_gas=int.from_bytes(paid[20:36]),
        post_op_gas=int.from_bytes(paid[36:52]),
        paymaster_data=paid[52:],
        signature=signature,
    )


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block, as far as operations are concerned."""

    price_wei: int
    """What a unit of gas costs the relayer."""
    day: int
    """Since 1970: an operation counts in it alone (PTS-081)."""


async def head(gateway: Gateway) -> Head:
    """Ask for the newest block."""
    block = await gateway.client.rpc.call("eth_getBlockByNumber", "latest", False)
    return Head(int(block["baseFeePerGas"], 16) + TIP_WEI, int(block["timestamp"], 16) // DAY_S)


async def paymaster_data(gateway: Gateway, operation: Operation) -> bytes:
    """Return what has the sponsorship pay for an operation, if it would (GTW-092).

    Raises:
        OperationError: it would not: no passport, or a budget is used up.
    """
    number, now = _sponsorship(gateway), await head(gateway)
    contracts, key = gateway.settings.contracts, evm_key(operation.sender)
    passport, _ = await gateway.client.passport_of(key)
    if not passport:
        raise OperationError(OperationError.PAYMASTER, "sponsored are accounts of passports: make one first")
    (
        count,
        (_, is_open, per_operation, per_passport, per_day, balance),
        spent,
        mine,
        bundler,
    ) = await gateway.client.ask(
        (contracts.nullifiers, COUNT_OF, (passport,)),
        (PAYMASTER, SPONSORSHIP_OF, (number,)),
        (PAYMASTER, SPENT_ON, (number, now.day)),
        (PAYMASTER, SPENT_BY, (number, passport, now.day)),
        (PAYMASTER, BUNDLER_OF, (number,)),
    )
    cost = operation.max_cost_wei
    refusals = {
        "the sponsorship is closed": not is_open,
        "the sponsorship has another bundler than this gateway": int(bundler, 16)
        not in (0, int.from_bytes(gateway.relayer.account)),
        "sponsored are passports with an account or badge of a human behind them": not count,
        f"it could cost {cost} wei, more than the {per_operation} of one operation": cost > per_operation,
        "the passport's budget of the day is used up": mine + cost > per_passport,
        "the day's budget is used up": spent + cost > per_day,
        "the sponsorship is empty": cost > balance,
    }
    for why, is_so in refusals.items():
        if is_so:
            raise OperationError(OperationError.PAYMASTER, why)
    return number.to_bytes(32) + now.day.to_bytes(4)


def _sponsorship(gateway: Gateway) -> int:
    if not gateway.settings.sponsorship:
        raise OperationError(OperationError.PAYMASTER, "this gateway sponsors no operations")
    return gateway.settings.sponsorship


async def pre_gas(gateway: Gateway, operation: Operation, is_delegating: bool, price_wei: int) -> int:
    """What bringing an operation costs the relayer beside what the EntryPoint counts: L1's fee included."""
    length = len(HANDLE_OPS.call([operation.packed()], f"0x{bytes(20).hex()}"))
    (l1_fee_wei,) = await gateway.client.ask(
        (GAS_PRICES, L1_FEE, (length + (200 if is_delegating else 100),))
    )
    delegation = DELEGATION_GAS if is_delegating else 0
    return AROUND_GAS + 16 * length + delegation + -(-int(l1_fee_wei) // price_wei)


async def estimate(gateway: Gateway, operation: Operation, word: Authorization | None) -> Operation:
    """Fill in what an operation needs of gas.

    Raises:
        OperationError: its call reverts.
    """
    call = {"from": f"0x{ENTRY_POINT.hex()}", "to": f"0x{operation.sender.hex()}"}
    call["data"] = f"0x{operation.call_data.hex()}"
    try:
        found = await gateway.client.rpc.call("eth_estimateGas", call, "latest", _overrides(operation, word))
    except RefusedError as error:
        message = f"execution reverted: {reason_of(error)}"
        raise OperationError(OperationError.REVERTED, message, error.data) from error
    needed = int(found, 16) - INTRINSIC_GAS
    filled = replace(
        operation,
        call_gas=min(MAX_CALL_GAS, needed + needed // 10),
        verification_gas=VERIFICATION_GAS,
        paymaster_gas=operation.paymaster_gas or (PAYMASTER_GAS if operation.paymaster else 0),
        post_op_gas=operation.post_op_gas or (POST_OP_GAS if operation.paymaster else 0),
    )
    now = await head(gateway)
    least = await pre_gas(gateway, filled, word is not None, now.price_wei)
    return replace(filled, pre_gas=least + least // 4)  # L1's fee moves


def _overrides(operation: Operation, word: Authorization | None) -> dict[str, Any]:
    return {} if word is None else {f"0x{operation.sender.hex()}": {"code": code_of(word.delegate)}}


async def hash_of(gateway: Gateway, operation: Operation, word: Authorization | None) -> Hash32:
    """What the account signs, and what the operation is known by."""
    asked = {"to": f"0x{ENTRY_POINT.hex()}", "data": f"0x{GET_HASH.call(operation.packed()).hex()}"}
    try:
        found = await gateway.client.rpc.call("eth_call", asked, "latest", _overrides(operation, word))
    except RefusedError as error:
        raise OperationError(OperationError.MALFORMED, "the account is not delegated (EIP-7702)") from error
    return Hash32(bytes.fromhex(found[2:]))


async def submit(gateway: Gateway, operation: Operation, word: Authorization | None) -> Hash32:
    """Queue a signed operation, if the EntryPoint would take it now; return its hash.

    Raises:
        OperationError: it is not sponsored here, underpaid, or refused; or another one is on its way.
    """
    now, key = await head(gateway), evm_key(operation.sender)
    await _check_terms(gateway, operation, word, now)
    if word is not None:
        await _check_authorization(gateway, operation, word)
    relayer = f"0x{gateway.relayer.account.hex()}"
    data = HANDLE_OPS.call([operation.packed()], relayer)
    request = {"from": relayer, "to": f"0x{ENTRY_POINT.hex()}", "data": f"0x{data.hex()}"}
    hash_ = await hash_of(gateway, operation, word)
    if await _is_known(gateway, hash_):
        return hash_
    try:
        await gateway.client.rpc.call("eth_call", request, "latest", _overrides(operation, word))
    except RefusedError as error:
        code, message = operation_reason(error)
        raise OperationError(code, message, error.data) from error
    payload: dict[str, Any] = {"to": ENTRY_POINT.hex(), "data": data.hex()}
    if word is not None:
        payload |= {"authorization": word.tuple(), "authority": operation.sender.hex()}
    passport, _ = await gateway.client.passport_of(key)
    over = await _over(gateway, key)
    async with gateway.database.transaction() as tx:
        if set((await tx.execute(_under_way(key))).scalars()) - over:
            message = "another operation of this account is on its way"
            raise OperationError(OperationError.REJECTED, message)
        try:
            await outbox.spend(tx, f"act {key.id.hex()}", gateway.settings.acts_a_day, gateway.now_s)
        except GatewayError as error:
            raise OperationError(OperationError.REJECTED, error.detail) from error
        number = await outbox.enqueue(
            tx,
            JobKind.RELAY,
            payload,
            passport=passport,
            owner=key.id,
            now_s=gateway.now_s,
            once=once_of(hash_),
        )
        subject = f"passport {passport}"
        await audit.record(tx, gateway.now_s, key_name(key), "operation", subject, f"job {number}")
    gateway.relayer.wake()
    return hash_


async def _is_known(gateway: Gateway, hash_: Hash32) -> bool:
    """Whether an operation was taken before: sent twice, it is carried once.

    Raises:
        OperationError: it was given up.
    """
    async with gateway.database.transaction() as tx:
        asked = select(jobs.c.state, jobs.c.error).where(jobs.c.once == once_of(hash_))
        found = (await tx.execute(asked)).one_or_none()
    if found is not None and found.state == JobState.FAILED.value:
        raise OperationError(OperationError.REJECTED, f"it was tried and failed: {found.error}")
    return found is not None


def _under_way(key: Key) -> Select[Any]:
    """Names of an account's operations that wait or are sent."""
    mine = (jobs.c.owner == key.id) & jobs.c.once.startswith(OPERATION)
    return select(jobs.c.once).where(mine, jobs.c.state.in_((JobState.QUEUED.value, JobState.SENT.value)))


async def _over(gateway: Gateway, key: Key) -> set[str]:
    """Operations that are in a block, though the relayer may not have looked yet."""
    async with gateway.database.transaction() as tx:
        names = (await tx.execute(_under_way(key))).scalars().all()
    hashes = [Hash32(bytes.fromhex(name.removeprefix(OPERATION))) for name in names]
    return {once_of(one) for one in hashes if await event_of(gateway, one) is not None}


async def event_of(gateway: Gateway, hash_: Hash32) -> dict[str, Any] | None:
    """The EntryPoint's event of an operation; None until it is in a block."""
    query = {
        "address": f"0x{ENTRY_POINT.hex()}",
        "topics": [f"0x{DONE.hex()}", f"0x{hash_.hex()}"],
        "fromBlock": "0x0",
        "toBlock": "latest",
    }
    found = await gateway.client.rpc.call("eth_getLogs", query)
    return dict(found[-1]) if found else None


def once_of(hash_: Hash32) -> str:
    """Name of an operation's job."""
    return f"{OPERATION}{hash_.hex()}"


async def _check_terms(gateway: Gateway, operation: Operation, word: Authorization | None, now: Head) -> None:
    """GTW-091: sponsored here, within bounds, and worth the relayer's while."""
    number = _sponsorship(gateway)
    if operation.paymaster != PAYMASTER or operation.paymaster_data[:32] != number.to_bytes(32):
        message = "this gateway carries what its sponsorship pays for: ask pm_getPaymasterData"
        raise OperationError(OperationError.MALFORMED, message)
    others = (operation.verification_gas, operation.paymaster_gas, operation.post_op_gas)
    if operation.call_gas > MAX_CALL_GAS or max(others) > MAX_OTHER_GAS:
        message = f"at most {MAX_CALL_GAS} gas for the call, {MAX_OTHER_GAS} for each other part"
        raise OperationError(OperationError.MALFORMED, message)
    if operation.tip_wei < TIP_WEI or operation.max_fee_wei < now.price_wei:
        message = f"it would not pay for itself: maxFeePerGas of {now.price_wei}, of it {TIP_WEI} as priority"
        raise OperationError(OperationError.MALFORMED, message)
    least = await pre_gas(gateway, operation, word is not None, now.price_wei)
    if operation.pre_gas < least:
        message = f"it would not pay for itself: preVerificationGas is {least}"
        raise OperationError(OperationError.MALFORMED, message)


async def _check_authorization(gateway: Gateway, operation: Operation, word: Authorization) -> None:
    """GTW-091: one that would be skipped when it arrives leaves the relayer with the bill."""
    sender = f"0x{operation.sender.hex()}"
    nonce = int(await gateway.client.rpc.call("eth_getTransactionCount", sender, "pending"), 16)
    if word.chain_id not in (0, gateway.settings.contracts.chain_id) or word.nonce != nonce:
        message = f"the authorization is for another chain or nonce than {nonce}"
        raise OperationError(OperationError.MALFORMED, message)
    try:
        is_own = word.signer() == operation.sender
    except SignatureError:
        is_own = False
    if not is_own:
        raise OperationError(OperationError.SIGNATURE, "the authorization is not signed by the account")
