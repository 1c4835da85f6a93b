"""What the gateway answers when it does not do what was asked (GTW-003)."""

from trex.web.errors import Fault, RefusalError

__all__ = ["Fault", "GatewayError"]


class GatewayError(RefusalError):
    """A refusal of the gateway."""
