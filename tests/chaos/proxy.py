"""A TCP proxy that misbehaves on command: cuts, delays, half-closes, refuses."""

import contextlib
import selectors
import socket
import threading


class Proxy:
    """Listens on a port of 127.0.0.1 and passes everything on to another, until told otherwise."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closing = threading.Event()
        self.passed = 0  # bytes
        self.accepted = 0  # connections
        self.refused = 0
        self.delay = 0.0  # seconds before anything is passed on
        self.refusing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Reset all connections; returns how many there were."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        return len(pairs)

    def half_close(self) -> None:
        """Say "no more" to the clients and go on listening to them, as a broken middlebox does."""
        for client, _ in self._pairs:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """The end."""
        self._closing.set()
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                self.refused += 1
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=2)
            except OSError:
                client.close()
                continue
            pair = (client, server)
            self._pairs.append(pair)
            self.accepted += 1
            threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        open_ways = {client: server, server: client}
        # Not select(2), which takes no number of a descriptor over 1023.
        with contextlib.suppress(OSError, ValueError), selectors.DefaultSelector() as selector:
            for way in open_ways:
                selector.register(way, selectors.EVENT_READ, way)
            while open_ways and all(way.fileno() >= 0 for way in open_ways):
                for key, _ in selector.select(1.0):
                    one: socket.socket = key.data
                    data = one.recv(1 << 16)
                    if self.delay:
                        self._closing.wait(self.delay)
                    self.passed += len(data)
                    if data:
                        open_ways[one].sendall(data)
                    else:
                        with contextlib.suppress(OSError):
                            open_ways[one].shutdown(socket.SHUT_WR)
                        selector.unregister(one)
                        del open_ways[one]
        client.close()
        server.close()
