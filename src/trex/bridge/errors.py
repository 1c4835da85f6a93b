"""What may go wrong when something is moved between layers."""


class BridgeError(Exception):
    """It cannot be done; `code` is stable, the message is for people.

    Codes: `reverted` (a contract refuses, or would), `not_found` (no such transaction, token or claim),
    `not_ready` (a time has to pass, `seconds` if it is known), `disagrees` (this chain's node and L1
    contradict each other), `bad_request`.
    """

    def __init__(self, code: str, message: str, seconds: int | None = None) -> None:
        """Make an error.

        Args:
            code: stable name.
            message: what happened.
            seconds: how long to wait, as far as is known.
        """
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.seconds = seconds

    def __str__(self) -> str:
        """Return the message."""
        return self.message
