"""The page's web server: uvicorn with a bounded number of connections, and time limits."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from camser.cli.demo.limits import HEADER_SECONDS, MAX_CONNECTIONS

KEEP_ALIVE = 5  # seconds that a connection may be idle between two requests
LEAVING = 1  # seconds for answers to finish when the server ends
STARTING = 30  # seconds


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1, which alone waits forever for the rest of a request's head."""

    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Accept a connection, or drop it if there are too many even for refusals."""
        super().connection_made(transport)
        if len(self.connections) > 2 * MAX_CONNECTIONS:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Continue reading."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """While no request is being answered, the next one has ``HEADER_SECONDS`` to come."""
        if self.cycle and not self.cycle.response_complete:
            self._unwatch()
        elif self.deadline is None:
            self.deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _unwatch(self) -> None:
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None

    def _give_up(self) -> None:
        self.deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


@contextmanager
def listening(app: Callable, host: str, port: int) -> Iterator[str]:
    """Serve an ASGI application within a block, in a thread; yields its address.

    Arguments
    ---------
    app : callable
        The application.
    host : str
        An address of this machine; "0.0.0.0" for all of them.
    port : int
        0 for any that is free.

    Raises
    ------
    OSError
        If nothing can listen there, or the application does not start.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise OSError(
            f"nothing can listen at {host}, port {port} ({error}); give another --port or --host"
        ) from error
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_level="critical",  # a line for each refusal would fill a disk
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=LEAVING,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    with listener:
        thread.start()
        _wait(server, thread)
        try:
            yield _address(host, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(LEAVING + 10)


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + STARTING
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise OSError("the page's server does not start; try `camser doctor`")
        time.sleep(0.01)


def _address(host: str, port: int) -> str:
    named = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{named}:{port}/"
