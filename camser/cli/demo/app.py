"""Starting the page, and the folder of its uploads."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from camser.cli.demo.examples import write_clips
from camser.cli.demo.limits import Limits
from camser.inference import EmotionClassifier

HOST, PORT = "127.0.0.1", 7860
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
UPLOADS = "GRADIO_TEMP_DIR"


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

    Uploads are stored in a temporary folder, which is removed afterwards.

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
    require_gradio()
    from camser.cli.demo.page import build_page
    from camser.cli.demo.server import application, listening

    limits = limits or Limits()
    with _temporary_folder() as folder:
        page = build_page(classifier, config, limits, write_clips(folder / "examples"))
        names = _names(host, public_names)
        app = application(page, limits, folder / "uploads", names, classifier.labels)
        try:
            with listening(app, host, port) as address:
                if open_browser:
                    webbrowser.open(address)
                yield address
        finally:
            page.close(verbose=False)


def require_gradio() -> None:
    """Raise a ValueError unless Gradio is installed."""
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise ValueError(f'the demo needs Gradio ({error}); pip install "camser[demo]"') from error


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that is removed after the block; meanwhile Gradio's uploads go into it."""
    before = os.environ.get(UPLOADS)
    with tempfile.TemporaryDirectory(prefix="camser-demo-") as name:
        folder = Path(name).resolve()
        (folder / "uploads").mkdir()
        os.environ[UPLOADS] = str(folder / "uploads")
        try:
            yield folder
        finally:
            del os.environ[UPLOADS]
            if before is not None:
                os.environ[UPLOADS] = before


def _names(host: str, public_names: Sequence[str]) -> tuple[str, ...]:
    """The allowed host names: any, if the page is not for this machine alone.

    Example
    -------
    >>> _names("127.0.0.1", ["Example.org"])
    ('localhost', '127.0.0.1', '[::1]', 'example.org')
    >>> _names("0.0.0.0", [])
    ('*',)
    """
    if public_names or host in ("localhost", "127.0.0.1", "::1"):
        # Starlette for Python 3.10 compares them with the case of the letters.
        return (*LOOPBACK, *map(str.lower, public_names))
    return ("*",)


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
    require_gradio()  # before anything expensive
    from matplotlib import rcdefaults

    from camser.inference.export_config import read_config
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
