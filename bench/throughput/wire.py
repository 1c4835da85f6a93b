"""HTTP and JSON-RPC over one kept connection, as little code as answers the purpose.

The driver shares its machine with the server under load: requests are bytes made beforehand, and an
answer is read without being parsed unless somebody asks for its content.
"""

from __future__ import annotations

import json
import socket
from typing import Any

TIMEOUT_S = 60.0


def request(body: bytes) -> bytes:
    """Return an HTTP request that carries a JSON body."""
    head = (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    return head % len(body) + body


def call(method: str, *params: object, call_id: int = 1) -> dict[str, object]:
    """Return one JSON-RPC call."""
    return {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}


class Connection:
    """One connection of HTTP/1.1, kept open."""

    def __init__(self, port: int) -> None:
        """Connect to a port of the loopback."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def exchange(self, prepared: bytes) -> bytes:
        """Send a prepared request and return the body of its answer.

        Raises:
            OSError: the server hung up, or answered with another status than 200.
        """
        self._socket.sendall(prepared)
        head = self._until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise OSError(f"unexpected answer: {head[:200]!r}")
        fields = head.lower()
        if b"transfer-encoding: chunked" in fields:
            return self._chunks()
        start = fields.index(b"content-length:") + len(b"content-length:")
        return self._exactly(int(fields[start : fields.index(b"\r\n", start)]))

    def rpc(self, method: str, *params: object) -> Any:
        """Call a method and return its result.

        Raises:
            RuntimeError: the server answered with an error.
        """
        answer = json.loads(self.exchange(request(json.dumps(call(method, *params)).encode())))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._until(b"\r\n").strip(), 16):
            parts.append(self._exactly(size + 2)[:-2])
        self._until(b"\r\n")
        return b"".join(parts)

    def _until(self, mark: bytes) -> bytes:
        while (at := self._rest.find(mark)) < 0:
            self._rest += self._receive()
        found, self._rest = self._rest[: at + len(mark)], self._rest[at + len(mark) :]
        return found

    def _exactly(self, size: int) -> bytes:
        parts, held = [self._rest], len(self._rest)
        while held < size:
            parts.append(self._receive())
            held += len(parts[-1])
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]

    def _receive(self) -> bytes:
        part = self._socket.recv(1 << 18)
        if not part:
            raise OSError("the server closed the connection")
        return part
