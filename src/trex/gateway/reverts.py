"""Names of the contracts' errors, so that a refusal says why."""

from functools import cache
from importlib import resources

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from trex.rpc.errors import RefusedError
from trex.types.network_file import keccak256


@cache
def _names() -> dict[str, str]:
    listed = resources.files("trex.gateway").joinpath("errors.txt").read_text()
    return {keccak256(line.encode())[:4].hex(): line.partition("(")[0] for line in listed.split()}


def reason_of(error: RefusedError) -> str:
    """Name the error that a call reverted with; `reverted` if it is none of ours."""
    if error.data is None:
        return error.code
    return _names().get(error.data[2:10], error.code)


_FAILED_OP, _FAILED_WITH_REVERT = "220266b6", "65c8fd4d"
"""FailedOp(uint256,string) and FailedOpWithRevert(uint256,string,bytes) of the EntryPoint."""
_CODES = {"AA24": -32507, "AA34": -32507, "AA22": -32503, "AA32": -32503, "AA3": -32501}
"""What ERC-7769 calls refusals of the EntryPoint, by how they begin; the first that fits."""


def operation_reason(error: RefusedError) -> tuple[int, str]:
    """Say why the EntryPoint refuses an operation: code by ERC-7769, and its own words."""
    data = error.data or "0x"
    kinds = {_FAILED_OP: ("uint256", "string"), _FAILED_WITH_REVERT: ("uint256", "string", "bytes")}
    try:
        told = decode(kinds[data[2:10]], bytes.fromhex(data[10:]))
    except (KeyError, ValueError, DecodingError):
        return -32500, f"the EntryPoint refuses it: {reason_of(error)}"
    words = str(told[1])
    code = next((code for start, code in _CODES.items() if words.startswith(start)), -32500)
    inner = _names().get(told[2][:4].hex(), "") if len(told) == 3 else ""
    return code, f"{words}: {inner}" if inner else words
