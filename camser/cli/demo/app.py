"""Starting the page: its address, the files that it may read, and the cleanup."""

from __future__ import annotations

import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from camser.cli.demo.examples import write_clips
from camser.cli.demo.limits import Limits
from camser.cli.demo.middleware import LOOPBACK, RequestFilter
from camser.cli.demo.page import build_page, import_gradio
from camser.cli.demo.style import CSS, theme
from camser.cli.demo.uploads import Uploads, temporary_folder
from camser.inference import EmotionClassifier

HOST, PORT = "127.0.0.1", 7860


@contextmanager
def serving(
    classifier: EmotionClassifier,
    config: Mapping[str, Any],
    limits: Limits | None = None,
    host: str = HOST,
    port: int = PORT,
    open_browser: bool = False,
    public_names: Sequence[str] = (),
) -> Iterator[str]:
    """Serve the page within a block; yields its address.

    Uploads are stored in a folder of their own, which is removed afterwards.

    Arguments
    ---------
    classifier : EmotionClassifier
        The model.
    config : mapping
        The ``config.json`` of its model folder.
    limits : Limits, optional
        Limits of requests.
    host : str
        The address to listen at; "0.0.0.0" is open to other machines.
    port : int
        The port to listen at.
    open_browser : bool
        Whether a browser is opened.
    public_names : sequence of str
        Host names of the page behind a proxy, for example "emotions.example.org".

    Raises
    ------
    ValueError
        If Gradio is not installed.
    OSError
        If the port is taken.
    """
    import_gradio()
    from camser.cli.demo.server import listening

    limits = limits or Limits()
    with temporary_folder() as folder:
        uploads = Uploads(folder / "uploads", limits.kept_seconds)
        uploads.folder.mkdir()
        with (
            _environment(GRADIO_TEMP_DIR=str(uploads.folder)),
            uploads.delete_expired_while_running(),
        ):
            page = build_page(classifier, config, limits, write_clips(folder / "clips"))
            guard = RequestFilter(
                _application(page, limits), limits, uploads, _names(host, public_names)
            )
            try:
                with listening(guard, host, port) as address:
                    if open_browser:
                        webbrowser.open(address)
                    yield address
            finally:
                page.close(verbose=False)


def _names(host: str, public_names: Sequence[str]) -> tuple[str, ...] | None:
    """The allowed host names; None allows any, if the page is not for this machine alone.

    Example
    -------
    >>> _names("127.0.0.1", ["example.org"])
    ('localhost', '127.0.0.1', '::1', 'example.org')
    >>> _names("0.0.0.0", []) is None
    True
    """
    if host in LOOPBACK or public_names:
        return (*LOOPBACK, *(name.lower() for name in public_names))
    return None


def _application(page: Any, limits: Limits) -> Callable:
    """Gradio's application for a page. Its other features are off, even if environment variables
    enable them."""
    gr = import_gradio()
    from fastapi import FastAPI

    page.state_session_capacity = 100
    return gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        page,
        path="/",
        max_file_size=limits.bytes,
        css=CSS,
        theme=theme(gr),
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
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables while the block runs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run(
    folder: str,
    limits: Limits,
    host: str = HOST,
    port: int = PORT,
    open_browser: bool = False,
    device: str | None = None,
    public_names: Sequence[str] = (),
) -> None:
    """Serve a model folder until the process is stopped.

    Arguments
    ---------
    folder : str
        A model folder, or a hub id.
    limits, host, port, open_browser, public_names
        As for ``serving``.
    device : str, optional
        As for ``EmotionClassifier.from_pretrained``.
    """
    import_gradio()  # before anything expensive
    from matplotlib import rcdefaults

    from camser.inference.export_folder import read_config
    from camser.inference.hub import locate_model

    model_folder = locate_model(folder)
    config = read_config(model_folder)
    # The page shows attention weights, which only PyTorch returns.
    classifier = EmotionClassifier.from_pretrained(model_folder, device=device, engine="torch")
    rcdefaults()  # a matplotlibrc of the working folder may be somebody else's
    # So that the folder of uploads is also removed when a container is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with serving(classifier, config, limits, host, port, open_browser, public_names) as address:
        print(f"camser demo: {address} (end it with Ctrl+C)", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("camser demo: ended")
