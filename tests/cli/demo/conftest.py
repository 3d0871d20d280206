"""What the demo's tests share: one server, a client of it, and what this process asked for."""

import os
import sys

import pytest

from camser.cli.demo.app import serving
from camser.cli.demo.examples import write_clips
from camser.cli.demo.limits import Limits
from camser.inference import EmotionClassifier
from camser.inference.export_config import read_config
from tests.helpers.tiny_export import write_export

LIMITS = Limits(megabytes=1, seconds=20, waiting=2)
HERE = {"127.0.0.1", "127.0.0.2", "localhost", "::1", "0.0.0.0", "None"}
GUEST = os.path.join("gradio_client", "client.py")
reached = set()  # the hosts that this process asked for, but for Gradio's client, which is a guest


@sys.addaudithook
def _record(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    frame = sys._getframe()
    while frame:
        if frame.f_code.co_filename.endswith(GUEST):
            return
        frame = frame.f_back
    reached.add(str(host))


@pytest.fixture(scope="package")
def export(tmp_path_factory):
    return write_export(tmp_path_factory.mktemp("exports") / "export")


@pytest.fixture(scope="package")
def classifier(export):
    return EmotionClassifier.from_pretrained(export, device="cpu")


@pytest.fixture(scope="package")
def address(classifier, export):
    """A server's, which at no time asks for anything outside this machine."""
    pytest.importorskip("gradio_client")
    reached.clear()
    with serving(classifier, read_config(export), LIMITS, port=0) as address:
        yield address.rstrip("/")
    assert reached <= HERE


@pytest.fixture(scope="package")
def client(address):
    gradio_client = pytest.importorskip("gradio_client")
    with pytest.MonkeyPatch.context() as patch:  # the server is up already, and had no such help
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        return gradio_client.Client(address, verbose=False, analytics_enabled=False)


@pytest.fixture(scope="package")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="package")
def clip(clips):
    """Twelve seconds, the longest of the examples."""
    return clips["Changing"]
