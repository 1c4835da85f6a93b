"""Parameters of development methods, as different tools send them."""

from typing import Any

from trex.chain.rpc.messages import INVALID_PARAMS
from trex.types.errors import RpcError


def argument(params: list[Any], at: int) -> Any:
    """Return a parameter that must be there."""
    if at >= len(params) or params[at] is None:
        raise RpcError(INVALID_PARAMS, f"missing value for required argument {at}")
    return params[at]


def quantity(value: Any, at: int, *, bits: int = 256) -> int:
    """Read a number that is not negative: a JSON number, hex or decimal text."""
    if type(value) is int or (type(value) is float and value.is_integer()):
        number = int(value)
    elif type(value) is str:
        try:
            number = int(value, 16 if value.lower().startswith("0x") else 10)
        except ValueError:
            raise RpcError(INVALID_PARAMS, f"invalid argument {at}: expected a number") from None
    else:
        raise RpcError(INVALID_PARAMS, f"invalid argument {at}: expected a number")
    if not 0 <= number < 1 << bits:
        raise RpcError(INVALID_PARAMS, f"invalid argument {at}: expected a number of at most {bits} bits")
    return number


def number_at(params: list[Any], at: int, default: int | None = None, *, bits: int = 256) -> int:
    """Return the number at a place of the parameters, or the default where there is none."""
    if default is not None and (at >= len(params) or params[at] is None):
        return default
    return quantity(argument(params, at), at, bits=bits)


def data_at(params: list[Any], at: int, length: int | None = None) -> str:
    """Return bytes at a place of the parameters as 0x-prefixed lower-case hex."""
    value = argument(params, at)
    if type(value) is not str or not value.lower().startswith("0x"):
        raise RpcError(INVALID_PARAMS, f"invalid argument {at}: expected 0x-prefixed hex")
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError:
        raise RpcError(INVALID_PARAMS, f"invalid argument {at}: expected 0x-prefixed hex") from None
    if length is not None and len(raw) != length:
        raise RpcError(INVALID_PARAMS, f"invalid argument {at}: expected {length} bytes, got {len(raw)}")
    return "0x" + raw.hex()


def address_at(params: list[Any], at: int) -> str:
    """Return an address, lower case."""
    return data_at(params, at, 20)


def word_at(params: list[Any], at: int) -> str:
    """Return a 32-byte word given as a number or as hex of any length up to that."""
    value = argument(params, at)
    return f"0x{quantity(value, at):064x}"


def bool_at(params: list[Any], at: int) -> bool:
    """Return a truth value."""
    value = argument(params, at)
    if type(value) is not bool:
        raise RpcError(INVALID_PARAMS, f"invalid argument {at}: expected a boolean")
    return value


def object_at(params: list[Any], at: int) -> dict[str, Any]:
    """Return an object."""
    value = argument(params, at)
    if type(value) is not dict:
        raise RpcError(INVALID_PARAMS, f"invalid argument {at}: expected an object")
    return value
