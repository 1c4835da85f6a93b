"""What may go wrong with L1, classed by what the caller must do: retry, reset, or stop."""


class L1Error(Exception):
    """Something about L1; `code` is stable, the message is for people."""

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


class L1UnavailableError(L1Error):
    """Retry later. Codes: `unreachable`, `timeout`, `overloaded`, `no_quorum`, `not_found`, `bad_answer`."""


class L1ReorgedError(L1Error):
    """Reset to an older block: what was read is no part of the chain any more. Code: `reorged`."""


class L1RefusedError(L1Error):
    """Stop: the request is at fault. Codes: `refused`, `wrong_chain`, `reverted`."""

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
