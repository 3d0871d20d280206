"""What the page holds by itself: uploads for a time, connections, samples, one lock."""

import os
import socket
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("gradio")

from camser.cli.demo import analysis, server, uploads
from camser.cli.demo.limits import Limits, RequestRefused
from camser.cli.demo.uploads import Uploads, temporary_folder
from tests.helpers.demo_client import application

LIMITS = Limits(megabytes=1)


def test_uploads_expire_whoever_left_them(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.wav").write_bytes(b"a")
    (tmp_path / "half").write_bytes(b"a")
    with Uploads(tmp_path, 0.5).delete_expired_while_running():
        assert (tmp_path / "half").exists()
        deadline = time.monotonic() + 30
        while list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_page_left_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        "import os, sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from camser.cli.demo.uploads import temporary_folder\n"
        "with temporary_folder() as f: print(f, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    left, foreign = Path(done.stdout.strip()), tmp_path / "camser-demo-other"
    foreign.mkdir()  # it has no lock: not ours to remove
    assert left.is_dir()
    with temporary_folder() as first:
        assert left.is_dir()  # it could be starting still
        for folder in (left, foreign, first):
            os.utime(folder, (0, 0))
        with temporary_folder() as second:
            assert not left.exists() and foreign.is_dir() and first.is_dir() and second.is_dir()
    assert not first.exists() and not second.exists()


@pytest.fixture
def port(monkeypatch):
    monkeypatch.setattr(server, "HEADER_SECONDS", 1)
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    with server.listening(application, "127.0.0.1", 0) as address:
        yield int(address.rsplit(":", 1)[1].strip("/"))


def test_a_head_that_dawdles_is_dropped(port):
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    for before in (b"", request + b"\r\n"):  # at once, and after an answered request
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            client.sendall(before)
            if before:
                assert client.recv(9999).startswith(b"HTTP/1.1 200")
            client.sendall(request)
            begun = time.monotonic()
            while client.recv(9999):
                pass
            assert time.monotonic() - begun < 15


def test_connections_are_bounded_and_come_back(port):
    clients = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(12)]
    dropped = 0
    for client in clients:
        client.settimeout(0.2)
        try:
            dropped += client.recv(1) == b""
        except TimeoutError:
            continue
        except ConnectionResetError:
            dropped += 1
    assert dropped >= 4
    time.sleep(2)
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.recv(99).startswith(b"HTTP/1.1 200")
    for client in clients:
        client.close()


def test_more_samples_than_can_be_decoded_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "many.flac"
    soundfile.write(path, np.zeros((9000, 8), np.int16), 8000)
    monkeypatch.setattr(analysis, "MAX_VALUES", 70_000)
    model = types.SimpleNamespace(segment_samples=16000)
    with pytest.raises(RequestRefused, match="9000 samples in 8 channels; allowed: 70000 in all"):
        analysis.DemoModel(model, LIMITS).classify(str(path))


def test_a_lock_is_taken_once(tmp_path):
    with open(tmp_path / "lock", "w") as one, open(tmp_path / "lock", "w") as other:
        assert uploads._take(one) and not uploads._take(other)
