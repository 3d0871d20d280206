"""What strangers may not do with the demo, and how much of it they may have."""

import inspect
import json
import os
import socket
import sys
import threading
import time

import pytest

from camser import cli
from camser.cli.demo.app import serving
from camser.cli.demo.limits import Limits
from camser.cli.demo.middleware import MAX_JSON
from camser.inference.export_config import read_config
from tests.cli.demo.conftest import HERE, reached
from tests.helpers.demo_client import ask, fetch, file_data, gradio_client, port_of, post, upload


def test_no_path_of_the_server_is_read(address, client, export):
    _, text = upload(address, "b.wav", b"b")
    uploads = os.path.dirname(os.path.dirname(json.loads(text)[0]))
    before = sorted(os.listdir(uploads))
    odd = ("", "\0", "\ud800", "a" * 9000)
    for path in ("/etc/passwd", f"{export}/config.json", f"{uploads}/../../x", uploads, *odd):
        for given in (file_data(path), {"path": path}, [{"a": file_data(path)}]):
            status, text = post(f"{address}/gradio_api/call/v2/classify", {"audio": given})
            assert status == 400 and json.loads(text)["error"].startswith(
                "The request cannot be read"
            )
    for path in ("/etc/passwd", f"{export}/config.json", f"{uploads}/../../x"):
        status, text = fetch(f"{address}/gradio_api/file={path}")
        assert status in (403, 404) and "root:" not in text and "model_type" not in text
    with pytest.raises(gradio_client.exceptions.AppError) as caught:
        client.predict("/etc/passwd", api_name="/classify")
    assert "root:" not in str(caught.value)
    assert sorted(os.listdir(uploads)) == before  # nothing is copied to where it can be read


def test_nothing_is_fetched_for_a_stranger(address):
    link = file_data("https://example.org/a.wav")
    for route, value in (
        ("call/classify", {"data": [link, 0]}),
        ("queue/join", {"fn_index": 0, "session_hash": "x", "data": [0, 0, 0, 0, link]}),
    ):
        assert post(f"{address}/gradio_api/{route}", value)[0] == 400
    for route in ("file=https://example.org/a.wav", "proxy=https://example.org/a.wav"):
        assert fetch(f"{address}/gradio_api/{route}")[0] == 404
    assert "example.org" not in reached


def test_gradios_other_doors_are_shut(address):
    for route in ("component_server", "process_recording", "run-history/connect", "vibe-edit"):
        assert post(f"{address}/gradio_api/{route}", {})[0] == 404
    for route in (
        "gradio_api/deep_link?session_hash=x",
        "gradio_api/runs",
        "docs",
        "redoc",
        "monitoring",
    ):
        assert fetch(f"{address}/{route}")[0] == 404
    assert post(f"{address}/gradio_api/run/classify", {"data": [None, 0]})[0] == 404  # no queue


def test_uploads_and_requests_are_limited_in_size(address):
    status, text = upload(address, "big.wav", bytes(2_000_000))
    assert status == 413 and "allowed: 1000000" in text
    assert upload(address, "just.wav", bytes(1_050_000))[0] == 413  # by Gradio's own count
    status, text = post(f"{address}/gradio_api/call/classify", {"data": ["x" * MAX_JSON]})
    assert status == 413


def test_it_listens_on_loopback_alone_by_default(address):
    assert inspect.signature(serving).parameters["host"].default == "127.0.0.1"
    parsed = cli._parser().parse_args(["demo", "x"])
    assert (parsed.host, parsed.max_upload_mb, parsed.max_audio_seconds) == ("127.0.0.1", 50, 3600)
    if sys.platform == "linux":  # where all of 127.0.0.0/8 is this machine
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port_of(address)), 2):
            pass


def test_one_at_a_time_and_a_bounded_queue(client, classifier, clip, monkeypatch):
    own, lock = classifier.classify, threading.Lock()
    begun, go = threading.Event(), threading.Event()

    def slow(*given, **named):
        begun.set()
        with lock:  # one that is held already would be a second computation at once
            assert go.wait(60)
            return own(*given, **named)

    monkeypatch.setattr(classifier, "classify", slow)
    file = gradio_client.handle_file(clip)
    jobs = [client.submit(file, api_name="/classify")]
    assert begun.wait(60)  # so that it runs, and the others wait
    jobs += [client.submit(file, api_name=name) for name in ("/classify", "/timeline")]
    time.sleep(3)  # no call says when the server has them
    with pytest.raises(Exception, match=r"(?i)queue is full"):
        ask(client, clip)
    assert not any(job.done() for job in jobs)
    go.set()
    assert [len(job.result(timeout=60)) for job in jobs] == [6, 6, 8]


def test_uploads_are_deleted(classifier, export):
    before = dict(os.environ)
    limits = Limits(kept_seconds=1)
    with serving(classifier, read_config(export), limits, port=0) as address:
        _, text = upload(address.rstrip("/"), "a.wav", b"something")
        path = json.loads(text)[0]
        deadline = time.monotonic() + 60
        while os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not os.path.exists(path)
        _, text = upload(address.rstrip("/"), "b.wav", b"something else")
    assert not os.path.exists(os.path.dirname(os.path.dirname(path)))  # whatever is left
    assert dict(os.environ) == before


def test_nothing_outside_this_machine_was_asked_for(address):
    """Last: by the server, by then started and used."""
    assert "127.0.0.1" in reached
    assert reached <= HERE
