"""Starting the page: where it listens, what it may read, and what is left when it ends."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from camser.demo.clips import write_clips
from camser.demo.guard import Guard
from camser.demo.limits import Limits
from camser.demo.page import build_page, import_gradio
from camser.demo.style import CSS, theme
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
) -> Iterator[str]:
    """Serve the page within a block; gives its address.

    Uploads lie in a folder of their own, which is gone afterwards.

    Arguments
    ---------
    classifier : EmotionClassifier
        The model at work.
    config : mapping
        Its export's ``config.json``.
    limits : Limits, optional
        What may be asked for.
    host : str
        Where to listen; "0.0.0.0" for everybody who can reach this machine.
    port : int
        Likewise.
    open_browser : bool
        Whether a browser is opened.

    Raises
    ------
    ValueError
        If Gradio is not installed.
    OSError
        If the port is taken.
    """
    gr = import_gradio()
    from starlette.middleware import Middleware

    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="camser-demo-") as folder:
        uploads = Path(folder).resolve() / "uploads"
        uploads.mkdir()
        with _environment(GRADIO_TEMP_DIR=str(uploads), GRADIO_ALLOWED_PATHS=""):
            clips = write_clips(Path(folder) / "clips")
            page = build_page(classifier, config, limits, clips)
            guard = Middleware(Guard, limits=limits, folder=uploads)
            try:
                _, address, _ = page.launch(
                    server_name=host,
                    server_port=port,
                    inbrowser=open_browser,
                    max_file_size=limits.bytes,
                    css=CSS,
                    theme=theme(gr),
                    app_kwargs={"middleware": [guard], "docs_url": None, "redoc_url": None},
                    **_closed(),
                )
            except OSError as error:
                raise OSError(
                    f"nothing can listen at {host}, port {port}; give another --port or --host"
                ) from error
            try:
                yield address
            finally:
                page.close(verbose=False)


def _closed() -> dict[str, Any]:
    """Whatever else Gradio could do, switched off, also where its variables say otherwise."""
    return {
        "prevent_thread_lock": True,
        "quiet": True,
        "inline": False,
        "share": False,
        "show_error": False,
        "allowed_paths": [],
        "footer_links": ["api"],
        "run_history": False,
        "enable_monitoring": False,
        "mcp_server": False,
        "ssr_mode": False,
        "pwa": False,
        "state_session_capacity": 100,
    }


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Environment variables for as long as the block runs."""
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
) -> None:
    """Serve an export until the process is told to end.

    Arguments
    ---------
    folder : str
        An export's, or a hub id.
    limits, host, port, open_browser
        As for ``serving``.
    device : str, optional
        As for ``EmotionClassifier.from_pretrained``.
    """
    import_gradio()  # before anything expensive
    from camser.inference.folder import read_config
    from camser.inference.hub import find

    place = find(folder)
    config = read_config(place)
    # The page shows frame weights, which only PyTorch gives.
    classifier = EmotionClassifier.from_pretrained(place, device=device, engine="torch")
    # So that the folder of uploads goes when a container is stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with serving(classifier, config, limits, host, port, open_browser) as address:
        print(f"camser demo: {address} (end it with Ctrl+C)", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("camser demo: ended")
