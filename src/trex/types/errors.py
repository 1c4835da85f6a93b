"""Errors that the Rust core raises. Defined here, raised there (`pyo3::import_exception!`)."""


class RpcError(Exception):
    """A JSON-RPC answer that is an error: the caller's request, not a fault of the node."""

    __slots__ = ("code", "data", "message")

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        """Make an error.

        Args:
            code: of JSON-RPC, as geth's.
            message: as geth's.
            data: what JSON-RPC sends beside the message: revert data as 0x-prefixed hex, where there is any.
        """
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        """Return the message with its code."""
        return f"{self.message} ({self.code})"


class CoreError(Exception):
    """The core could not do its work."""

    __slots__ = ("code", "message")

    def __init__(self, code: str, message: str) -> None:
        """Make an error.

        Args:
            code: stable name. Of the store: `store_locked`, `store_corrupt`, `store_disk_full`, `store_io`,
                `store_wrong_network`, `store_wrong_format`, `store_pruned`, `store_unknown_block`,
                `store_misuse`; what stopped writing is what every later write answers. Of the rest:
                `pool_journal`, `bad_network`, `bad_block`, `bad_file` (of blocks), `bad_heads`, `io`,
                `closed`, `internal` (a panic), `stopped` (production, after one of these).
            message: what happened, with expected and actual.
        """
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        """Return the message with its code."""
        return f"{self.message} [{self.code}]"
