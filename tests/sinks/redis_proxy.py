"""What may lie between a sink and its Redis: answers that are lost, late or never come."""

from __future__ import annotations

import contextlib
import socket
import threading
from enum import Enum
from urllib.parse import urlsplit


class Way(Enum):
    """How the proxy treats answers; requests always pass."""

    OPEN = "open"
    # The write is applied, then the connection breaks instead of the answer.
    CUT = "cut"
    # The write is applied, its answer waits for better days.
    HANGING = "hanging"
    SLOW = "slow"


class Proxy:
    """A port before a Redis; `way` may change at any moment."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._target = (place.hostname, place.port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._changed = threading.Condition()
        self._way = Way.OPEN
        self._is_over = False
        # Answers to writes that did not pass as they should.
        self.hindered = 0
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def way(self) -> Way:
        return self._way

    @way.setter
    def way(self, way: Way) -> None:
        with self._changed:
            self._way = way
            self._changed.notify_all()

    def stop(self) -> None:
        self._is_over = True
        self.way = Way.OPEN
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._is_over:
                client, _ = self._server.accept()
                try:
                    server = socket.create_connection(self._target)
                except OSError:
                    client.close()
                    continue
                pair = _Pair(client, server)
                threading.Thread(target=self._requests, args=(pair,), daemon=True).start()
                threading.Thread(target=self._answers, args=(pair,), daemon=True).start()

    def _requests(self, pair: _Pair) -> None:
        with pair:
            while chunk := pair.client.recv(65_536):
                pair.has_written |= b"EVALSHA" in chunk
                pair.server.sendall(chunk)

    def _answers(self, pair: _Pair) -> None:
        with pair:
            while chunk := pair.server.recv(65_536):
                if pair.has_written and self._way is not Way.OPEN:
                    self.hindered += 1
                    if self._way is Way.CUT:
                        return
                    self._wait()
                pair.client.sendall(chunk)

    def _wait(self) -> None:
        with self._changed:
            if self._way is Way.HANGING:
                self._changed.wait_for(lambda: self._way is not Way.HANGING)
            else:
                self._changed.wait_for(lambda: self._way is not Way.SLOW, timeout=0.1)


class _Pair:
    """Two connections that end together."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.has_written = False

    def __enter__(self) -> None:
        """Use both."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        for connection in (self.client, self.server):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        return kind is not None and issubclass(kind, OSError)
