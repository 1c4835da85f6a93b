"""What comes of judging besides a signature: a refusal, or not now."""


class Refusal(Exception):  # noqa: N818 - an outcome that travels as one
    """A member does not sign this; says why."""

    def __init__(self, code: str, detail: str) -> None:
        """Name what is wrong.

        Args:
            code: stable name.
            detail: for the operators.
        """
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class UndecidedError(Exception):
    """What a member would see cannot be seen now, or its operator has not decided; it may later."""
