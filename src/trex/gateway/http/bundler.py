"""JSON-RPC of operations: ERC-7769 (bundlers) and ERC-7677 (paymasters), as wallets speak it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from trex.gateway import carried, operations
from trex.gateway.errors import GatewayError
from trex.gateway.http.access import TheGateway, costly
from trex.gateway.http.acts import AddressText
from trex.gateway.http.models import Body, Hash, HexBytes
from trex.gateway.operations import (
    DELEGATED,
    ENTRY_POINT,
    PAYMASTER,
    PAYMASTER_GAS,
    POST_OP_GAS,
    Authorization,
    Operation,
    OperationError,
)
from trex.gateway.service import Gateway
from trex.gateway.sign_in import SITE_NAME
from trex.rpc.errors import UnavailableError
from trex.types.evm import checksum_address, read_address
from trex.types.primitives import Hash32

router = APIRouter(prefix="/v1", tags=["operations"])

Quantity = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{1,64}$")]
"""A number as JSON-RPC writes it."""
Gas = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{1,15}$")]
"""A number that fits where gas and fees stand."""
_HASH = TypeAdapter(Hash)
_UNKNOWN_METHOD, _BAD_REQUEST, _LIMITED, _UNAVAILABLE = -32601, -32600, -32005, -32603


class AuthorizationBody(Body):
    """An authorization by EIP-7702, signed by the account."""

    model_config = ConfigDict(extra="ignore")

    chain_id: Gas
    address: AddressText
    nonce: Gas
    y_parity: Annotated[str, StringConstraints(pattern=r"^0x0{0,63}[01]$")]
    r: Quantity
    s: Quantity

    def word(self) -> Authorization:
        """As the packages inside know it."""
        signed = (int(self.y_parity, 16), int(self.r, 16), int(self.s, 16))
        delegate = read_address(self.address.lower())
        return Authorization(int(self.chain_id, 16), delegate, int(self.nonce, 16), *signed)


class OperationBody(Body):
    """An operation of EntryPoint v0.8; what is not known yet may be left out where it is asked for."""

    model_config = ConfigDict(extra="ignore")

    sender: AddressText
    nonce: Quantity
    factory: Annotated[str, StringConstraints(pattern=r"^0x7702(0{36})?$")] | None = None
    """Accounts are deployed, or delegated by EIP-7702."""
    factory_data: Annotated[str, StringConstraints(pattern=r"^0x$")] | None = None
    call_data: HexBytes
    call_gas_limit: Gas = "0x0"
    verification_gas_limit: Gas = "0x0"
    pre_verification_gas: Gas = "0x0"
    max_fee_per_gas: Gas = "0x0"
    max_priority_fee_per_gas: Gas = "0x0"
    paymaster: AddressText | None = None
    paymaster_verification_gas_limit: Gas = "0x0"
    paymaster_post_op_gas_limit: Gas = "0x0"
    paymaster_data: HexBytes = "0x"
    signature: HexBytes = "0x"
    eip7702_auth: AuthorizationBody | None = None

    def operation(self) -> Operation:
        """As the packages inside know it."""
        return Operation(
            sender=read_address(self.sender.lower()),
            nonce=int(self.nonce, 16),
            init_code=DELEGATED if self.factory else b"",
            call_data=bytes.fromhex(self.call_data[2:]),
            verification_gas=int(self.verification_gas_limit, 16),
            call_gas=int(self.call_gas_limit, 16),
            pre_gas=int(self.pre_verification_gas, 16),
            tip_wei=int(self.max_priority_fee_per_gas, 16),
            max_fee_wei=int(self.max_fee_per_gas, 16),
            paymaster=None if self.paymaster is None else read_address(self.paymaster.lower()),
            paymaster_gas=int(self.paymaster_verification_gas_limit, 16),
            post_op_gas=int(self.paymaster_post_op_gas_limit, 16),
            paymaster_data=bytes.fromhex(self.paymaster_data[2:]),
            signature=bytes.fromhex(self.signature[2:]),
        )

    def word(self) -> Authorization | None:
        """The authorization that comes with it."""
        return None if self.eip7702_auth is None else self.eip7702_auth.word()


@router.post("/bundler")
async def bundler(request: Request, gateway: TheGateway) -> Response:
    """Answer one JSON-RPC request of ERC-7769 or ERC-7677; what asks chains or writes to them is costly."""
    number: Any = None
    try:
        asked = orjson.loads(await request.body())
        number, method, params = asked.get("id"), asked["method"], asked.get("params") or []
        if not isinstance(method, str) or not isinstance(params, list):
            raise TypeError
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return _answer(number, error=(_BAD_REQUEST, "not a JSON-RPC request", None))
    answer = METHODS.get(method)
    if answer is None:
        return _answer(number, error=(_UNKNOWN_METHOD, "there is no such method here", None))
    try:
        if method in COSTLY:
            costly(request, gateway)
        return _answer(number, await answer(gateway, params))
    except OperationError as error:
        return _answer(number, error=(error.code, error.message, error.data))
    except GatewayError as error:
        return _answer(number, error=(_LIMITED, error.detail, None))
    except UnavailableError:
        return _answer(number, error=(_UNAVAILABLE, "the chain does not answer", None))
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(str(part)[:40] for part in one['loc'])}: {one['type']}" for one in error.errors()[:5]
        )
        return _answer(number, error=(OperationError.MALFORMED, said, None))


def _answer(number: Any, result: Any = None, error: tuple[int, str, str | None] | None = None) -> Response:
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": number}
    if error is None:
        body["result"] = result
    else:
        code, message, data = error
        body["error"] = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return Response(orjson.dumps(body), media_type="application/json")


def _read(gateway: Gateway, params: list[Any], least: int) -> OperationBody:
    """Read operation, EntryPoint and, of paymasters, chain.

    Raises:
        OperationError: of another EntryPoint or chain.
    """
    if len(params) < least:
        raise OperationError(OperationError.MALFORMED, f"{least} parameters")
    if str(params[1]).lower() != f"0x{ENTRY_POINT.hex()}":
        raise OperationError(OperationError.MALFORMED, f"the EntryPoint is 0x{ENTRY_POINT.hex()} (v0.8)")
    chain = gateway.settings.contracts.chain_id
    if least > 2 and params[2] != hex(chain):
        raise OperationError(OperationError.MALFORMED, f"the chain is {hex(chain)}")
    return OperationBody.model_validate(params[0])


async def _chain_id(gateway: Gateway, params: list[Any]) -> str:
    return hex(gateway.settings.contracts.chain_id)


async def _entry_points(gateway: Gateway, params: list[Any]) -> list[str]:
    return [checksum_address(ENTRY_POINT)]


async def _paymaster(gateway: Gateway, params: list[Any]) -> dict[str, str]:
    """Return what has the sponsorship pay: contract and data, nothing that is secret (ERC-7677)."""
    asked = _read(gateway, params, 3).operation()
    data = await operations.paymaster_data(gateway, asked)
    return {"paymaster": checksum_address(PAYMASTER), "paymasterData": f"0x{data.hex()}"}


async def _stub(gateway: Gateway, params: list[Any]) -> dict[str, Any]:
    return await _paymaster(gateway, params) | {
        "paymasterVerificationGasLimit": hex(PAYMASTER_GAS),
        "paymasterPostOpGasLimit": hex(POST_OP_GAS),
        "sponsor": {"name": SITE_NAME},
    }


async def _estimate(gateway: Gateway, params: list[Any]) -> dict[str, str]:
    asked = _read(gateway, params, 2)
    found = await operations.estimate(gateway, asked.operation(), asked.word())
    told = {
        "preVerificationGas": hex(found.pre_gas),
        "verificationGasLimit": hex(found.verification_gas),
        "callGasLimit": hex(found.call_gas),
    }
    if found.paymaster is not None:
        told["paymasterVerificationGasLimit"] = hex(found.paymaster_gas)
        told["paymasterPostOpGasLimit"] = hex(found.post_op_gas)
    return told


async def _send(gateway: Gateway, params: list[Any]) -> str:
    asked = _read(gateway, params, 2)
    hash_ = await operations.submit(gateway, asked.operation(), asked.word())
    return f"0x{hash_.hex()}"


def _hash(params: list[Any]) -> Hash32:
    if not params:
        raise OperationError(OperationError.MALFORMED, "1 parameter")
    return Hash32(bytes.fromhex(_HASH.validate_python(params[0])[2:]))


async def _receipt(gateway: Gateway, params: list[Any]) -> dict[str, Any] | None:
    return await carried.receipt(gateway, _hash(params))


async def _by_hash(gateway: Gateway, params: list[Any]) -> dict[str, Any] | None:
    return await carried.by_hash(gateway, _hash(params))


METHODS: dict[str, Callable[[Gateway, list[Any]], Awaitable[Any]]] = {
    "eth_chainId": _chain_id,
    "eth_supportedEntryPoints": _entry_points,
    "eth_estimateUserOperationGas": _estimate,
    "eth_sendUserOperation": _send,
    "eth_getUserOperationReceipt": _receipt,
    "eth_getUserOperationByHash": _by_hash,
    "pm_getPaymasterStubData": _stub,
    "pm_getPaymasterData": _paymaster,
}
"""What is answered."""
COSTLY = frozenset(
    {
        "eth_estimateUserOperationGas",
        "eth_sendUserOperation",
        "pm_getPaymasterStubData",
        "pm_getPaymasterData",
    }
)
"""What counts as such (GTW-005); waiting for a receipt does not."""
