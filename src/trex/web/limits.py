"""How much one client may ask for (GTW-005, GTW-006)."""

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

MAX_CLIENTS = 100_000
"""Clients remembered; the one longest silent is forgotten first."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket."""

    burst: int
    """Requests at once."""
    per_s: float
    """Requests a second in the long run."""


class Limiter:
    """Counts requests by name."""

    def __init__(self, rate: Rate) -> None:
        """Start with full buckets."""
        self.rate = rate
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now_s: float) -> float:
        """Take one; return 0 if there was one, else the seconds until there is."""
        left, at = self._left.pop(name, (float(self.rate.burst), now_s))
        left = min(self.rate.burst, left + (now_s - at) * self.rate.per_s)
        enough = left >= 1
        self._left[name] = (left - 1 if enough else left, now_s)
        if len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if enough else (1 - left) / self.rate.per_s


def client_name(peer: str, forwarded: Sequence[str], trusted: Sequence[str]) -> str:
    """Name who asks: the peer, or whom a trusted proxy names; of IPv6 the network of 64 bits.

    Args:
        peer: address of the connection.
        forwarded: `X-Forwarded-For`, from left to right.
        trusted: addresses of the operator's own proxies; nobody else's word counts.
    """
    name = peer
    for hop in reversed([one.strip() for header in forwarded for one in header.split(",")]):
        if name not in trusted:
            break
        name = hop
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)
