"""What may go wrong with L1, classed by what the caller must do: retry, reset, or stop."""

from trex.rpc.errors import EndpointError, RefusedError, UnavailableError

L1Error = EndpointError
"""Something about L1; `code` is stable, the message is for people."""
L1UnavailableError = UnavailableError
"""Retry later. Codes: `unreachable`, `timeout`, `overloaded`, `no_quorum`, `not_found`, `bad_answer`."""
L1RefusedError = RefusedError
"""Stop: the request is at fault. Codes: `refused`, `reverted`, `too_large`, `wrong_chain`."""


class L1ReorgedError(L1Error):
    """Reset to an older block: what was read is no part of the chain any more. Code: `reorged`."""
