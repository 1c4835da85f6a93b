"""What may go wrong with an endpoint, classed by what the caller must do: ask again, or stop."""

from collections.abc import Sequence


class EndpointError(Exception):
    """Something about an endpoint; `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        """Make an error.

        Args:
            code: stable name, snake_case.
            message: what happened, with expected and actual.
        """
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        """Return the message with its code."""
        return f"{self.message} [{self.code}]"


class UnavailableError(EndpointError):
    """Ask again later.

    Codes: `unreachable`, `timeout`, `overloaded`, `no_quorum`, `not_found`, `bad_answer`.
    """


class NoQuorumError(UnavailableError):
    """Too few answer, or too few say the same. Code: `no_quorum`."""

    def __init__(self, message: str, failures: Sequence[EndpointError] = ()) -> None:
        """Make an error.

        Args:
            message: how many answered, or said the same.
            failures: of those that did not answer.
        """
        super().__init__("no_quorum", message)
        self.failures = tuple(failures)


class RefusedError(EndpointError):
    """Stop: the request is at fault. Codes: `refused`, `reverted`, `too_large`, `wrong_chain`."""

    def __init__(self, code: str, message: str, *, rpc_code: int = 0, data: str | None = None) -> None:
        """Make an error.

        Args:
            code: stable name.
            message: the endpoint's own.
            rpc_code: of JSON-RPC.
            data: what JSON-RPC sends beside the message, revert data as 0x-prefixed hex.
        """
        super().__init__(code, message)
        self.rpc_code = rpc_code
        self.data = data
