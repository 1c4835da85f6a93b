"""One JSON-RPC endpoint of L1."""

from trex.rpc.endpoint import Endpoint

__all__ = ["Endpoint"]
