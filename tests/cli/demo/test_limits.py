"""What the page holds by itself: uploads, connections, samples."""

import asyncio
import os
import socket
import types

import numpy as np
import pytest
import soundfile

pytest.importorskip("gradio")

from camser.cli.demo import analysis, server
from camser.cli.demo.limits import Limits, RequestRefused
from camser.cli.demo.middleware import MIN_BYTES, stored_bytes
from tests.helpers.demo_client import application, port_of


def test_what_gradio_leaves_of_uploads_is_removed(tmp_path):
    """A whole upload in a folder of its own is Gradio's to delete."""
    whole, old, new = tmp_path / "whole/a.wav", tmp_path / "old", tmp_path / "new"
    for path, size in ((whole, 100_000), (old, 1), (new, 1)):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
    (tmp_path / "empty").mkdir()
    for path in (whole, old):
        os.utime(path, (0, 0))
    assert stored_bytes(tmp_path, 3600) == 100_000 + MIN_BYTES
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "new"}


def test_connections_are_bounded_and_come_back(monkeypatch):
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    with server.listening(application, "127.0.0.1", 0) as address:
        port = port_of(address)

        def status():
            with socket.create_connection(("127.0.0.1", port), 20) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return client.recv(99).split()[1]

        clients = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(4)]
        assert status() == b"503"
        for client in clients:
            client.close()
        assert status() == b"200"


def test_a_server_that_does_not_start_is_an_error(monkeypatch):
    monkeypatch.setattr(server, "STARTING", 0.1)

    async def slow(scope, receive, send):
        await asyncio.sleep(1)

    expected = pytest.raises(OSError, match="the page's server does not start")
    with expected, server.listening(slow, "127.0.0.1", 0):
        pass


def test_more_samples_than_can_be_decoded_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "many.flac"
    soundfile.write(path, np.zeros((9000, 8), np.int16), 8000)
    monkeypatch.setattr(analysis, "MAX_VALUES", 70_000)
    model = types.SimpleNamespace(window_seconds=1.0)
    message = r"^many.flac has more than 70000 samples in all channels"
    with pytest.raises(RequestRefused, match=message):
        analysis.DemoModel(model, Limits(megabytes=1)).classify(str(path))
