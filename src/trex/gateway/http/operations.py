"""Routes of sponsored operations (ERC-4337, EIP-7702)."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from trex.gateway import operations
from trex.gateway.http.access import Costly, SignedIn, TheGateway
from trex.gateway.http.acts import AddressText, JobBody, job
from trex.gateway.http.models import Body, Hash, HexBytes
from trex.gateway.operations import MAX_CALL_GAS, Authorization, Operation
from trex.types.evm import read_address

router = APIRouter(prefix="/v1", tags=["operations"])

Whole = Annotated[str, Field(pattern=r"^0x(0|[1-9a-f][0-9a-f]{0,63})$")]
"""A number as JSON-RPC writes it."""


class OperationAsked(Body):
    """What the account that is signed in is to do."""

    call_data: HexBytes
    call_gas_limit: Annotated[int, Field(ge=0, le=MAX_CALL_GAS)] = 500_000
    delegating: bool = False
    """Whether an authorization (EIP-7702) comes with it."""


class OperationBody(Body):
    """An operation, filled in; the rest of its fields are the gateway's."""

    sender: AddressText
    nonce: Whole
    call_data: HexBytes
    call_gas_limit: Annotated[int, Field(ge=0, le=MAX_CALL_GAS)]
    pre_verification_gas: Annotated[int, Field(ge=0, lt=2**32)]
    max_fee_per_gas: Annotated[int, Field(ge=0, lt=2**63)]
    day: Annotated[int, Field(ge=0, lt=2**32)]
    sponsorship: Annotated[int, Field(ge=1, lt=2**63)]


class PreparedOperation(Body):
    """What is to be signed."""

    operation: OperationBody
    hash: Hash
    """The account signs it: EntryPoint v0.8's hash of the operation."""


class AuthorizationBody(Body):
    """An authorization by EIP-7702, signed by the account."""

    chain_id: Annotated[int, Field(ge=0, lt=2**53)]
    address: AddressText
    nonce: Annotated[int, Field(ge=0, lt=2**53)]
    y_parity: Annotated[int, Field(ge=0, le=1)]
    r: Whole
    s: Whole


class SignedOperation(Body):
    """A signed operation."""

    operation: OperationBody
    signature: HexBytes
    authorization: AuthorizationBody | None = None


@router.post("/operations/prepare", dependencies=[Costly])
async def prepare(body: OperationAsked, session: SignedIn, gateway: TheGateway) -> PreparedOperation:
    """Fill in an operation of the account that is signed in: nonce, fees, and who pays."""
    data = bytes.fromhex(body.call_data[2:])
    found, hash_ = await operations.prepare(gateway, session.key, data, body.call_gas_limit, body.delegating)
    told = OperationBody(
        sender=f"0x{found.sender.hex()}",
        nonce=hex(found.nonce),
        call_data=f"0x{found.call_data.hex()}",
        call_gas_limit=found.call_gas,
        pre_verification_gas=found.pre_gas,
        max_fee_per_gas=found.max_fee_wei,
        day=found.day,
        sponsorship=found.sponsorship,
    )
    return PreparedOperation(operation=told, hash=f"0x{hash_.hex()}")


@router.post("/operations", status_code=202, dependencies=[Costly])
async def submit(body: SignedOperation, session: SignedIn, gateway: TheGateway) -> JobBody:
    """Bring a signed operation to the EntryPoint; the account that is signed in pays nothing."""
    asked, word = body.operation, body.authorization
    operation = Operation(
        read_address(asked.sender.lower()),
        int(asked.nonce, 16),
        bytes.fromhex(asked.call_data[2:]),
        asked.call_gas_limit,
        asked.pre_verification_gas,
        asked.max_fee_per_gas,
        asked.day,
        asked.sponsorship,
        bytes.fromhex(body.signature[2:]),
    )
    given = None
    if word is not None:
        delegate = read_address(word.address.lower())
        signed = (word.y_parity, int(word.r, 16), int(word.s, 16))
        given = Authorization(word.chain_id, delegate, word.nonce, *signed)
    return await job(await operations.submit(gateway, session.key, operation, given), session, gateway)
