"""What a service answers when it does not do what was asked (GTW-003)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """Stable names of refusals; the value is the `code` that clients see."""

    MALFORMED = "malformed"
    NOT_SIGNED_IN = "not_signed_in"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    TOO_MANY = "too_many_requests"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    TOO_COSTLY = "too_costly"
    UNAVAILABLE = "unavailable"


STATUS = {
    Fault.MALFORMED: 422,
    Fault.NOT_SIGNED_IN: 401,
    Fault.FORBIDDEN: 403,
    Fault.NOT_FOUND: 404,
    Fault.CONFLICT: 409,
    Fault.TOO_LARGE: 413,
    Fault.TOO_SLOW: 408,
    Fault.TOO_MANY: 429,
    Fault.BAD_SIGNATURE: 403,
    Fault.EXPIRED: 403,
    Fault.REFUSED: 409,
    Fault.UNDECIDED: 409,
    Fault.TOO_COSTLY: 422,
    Fault.UNAVAILABLE: 503,
}
"""HTTP status of each."""


class RefusalError(Exception):
    """A refusal, with what a client may do about it."""

    def __init__(
        self,
        fault: Fault,
        detail: str,
        *,
        retry_after_s: int | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Make an error.

        Args:
            fault: stable name.
            detail: for people; never a secret, never what a stranger should not know.
            retry_after_s: when asking again may help.
            more: further members of the answer, JSON values: where in a text the fault is, what would do.
        """
        super().__init__(f"{fault}: {detail}")
        self.fault, self.detail, self.retry_after_s = fault, detail, retry_after_s
        self.more = dict(more or {})
