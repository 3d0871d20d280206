"""The page's web server: Gradio behind Starlette's and our own checks, with uvicorn's limits."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

import camser
from camser.cli.demo.limits import MAX_CONNECTIONS, Limits
from camser.cli.demo.middleware import HEALTH, RequestFilter
from camser.cli.demo.style import CSS, theme

STARTING = 30  # seconds
LEAVING = 1  # seconds for answers to finish when the server ends


def application(
    page: gr.Blocks, limits: Limits, uploads: Path, names: Sequence[str], labels: Sequence[str]
) -> FastAPI:
    """The web application of a page. Gradio's other features are off, even if environment variables
    enable them.

    Arguments
    ---------
    page : gradio.Blocks
        The page.
    limits : Limits
        Limits of requests.
    uploads : Path
        Where Gradio stores uploads; clients may read nothing else.
    names : sequence of str
        Host names that a request may be sent to; "*" for any. Without them, a page of another site
        can reach this one: it points a host name of its own to this machine (DNS rebinding).
    labels : sequence of str
        The model's emotions, which ``/health`` answers.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(BaseHTTPMiddleware, dispatch=RequestFilter(limits, uploads))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)
    state = {"status": "ok", "camser": camser.__version__, "labels": list(labels)}
    app.get(HEALTH)(lambda: state)
    page.state_session_capacity = 100
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        max_file_size=limits.bytes,
        css=CSS,
        theme=theme(),
        app_kwargs={"docs_url": None, "redoc_url": None},
        show_error=False,
        allowed_paths=[],
        footer_links=["api"],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
    )


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
        If nothing can listen there, or the application does not start within ``STARTING`` seconds.
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
        http="h11",
        ws="none",
        log_level="critical",  # a line for each refusal would fill a disk
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=LEAVING,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    with listener:
        thread.start()
        try:
            _wait(server, thread)
            named = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)
            named = f"[{named}]" if ":" in named else named
            yield f"http://{named}:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(LEAVING + 10)


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + STARTING
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise OSError("the page's server does not start; try `camser doctor`")
        time.sleep(0.01)
