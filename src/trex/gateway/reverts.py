"""Names of the contracts' errors, so that a refusal says why."""

from functools import cache
from importlib import resources

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
