"""urllib3 connections whose read timeout limits the whole answer. I/O.

The timeout of a socket applies to each read: a server that sends one byte per second would never time out.
"""

import http.client
import io
import socket
import time
from typing import Any

import urllib3
import urllib3.connection

SENDING = 300.0  # seconds to send a body, which takes longer than connecting on a slow link


class _Limited(io.RawIOBase):
    """The bytes from a socket, with one deadline, the timeout of the socket, for all reads together."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._end = time.monotonic() + (sock.gettimeout() or SENDING)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(_Limited(self.fp.detach(), sock))


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response

    def request(self, *args: Any, **more: Any) -> None:
        if self.sock is None:
            self.connect()
        self.timeout = SENDING  # until here the connect timeout
        super().request(*args, **more)


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response

    def request(self, *args: Any, **more: Any) -> None:
        self.timeout = SENDING
        super().request(*args, **more)


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


POOLS: dict[str, type[urllib3.HTTPConnectionPool]] = {"http": _Pool, "https": _TlsPool}
"""For `pool_classes_by_scheme` of a pool manager."""
