"""Connections of urllib3 on which an answer must be there in whole within its time. I/O.

A socket's timeout counts from byte to byte: a server that sends one a second would be waited for without an end.
"""

import http.client
import io
import socket
import time
from typing import Any

import urllib3
import urllib3.connection

SENDING = 300.0  # seconds for a body, of which a thin line takes longer than for a connection


class _Limited(io.RawIOBase):
    """What a socket receives, until its timeout has passed once for everything."""

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
        self.timeout = SENDING  # so far that of connecting
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
