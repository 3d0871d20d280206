"""The guard before Gradio, by itself: what it lets pass, and what it answers to the rest."""

import asyncio
import json
import os

import pytest

pytest.importorskip("gradio")

from camser.cli.demo import request_body
from camser.cli.demo.limits import Limits
from camser.cli.demo.middleware import RequestFilter
from camser.cli.demo.uploads import Uploads
from tests.helpers.demo_client import application

LIMITS = Limits(megabytes=1)


@pytest.fixture
def ask(tmp_path):
    """Ask a guarded application; returns the status, the headers and the body of its answer."""
    held = Uploads(tmp_path.resolve(), 3600)

    def run(path, body=None, names=None, pieces=None, ended=False, **headers):
        sent = []
        pieces = [body] if pieces is None else pieces
        messages = [
            {"type": "http.request", "body": p or b"", "more_body": ended or n < len(pieces) - 1}
            for n, p in enumerate(pieces)
        ]

        async def receive():
            if messages:
                return messages.pop(0)
            if ended:
                return {"type": "http.disconnect"}
            await asyncio.sleep(60)

        async def send(message):
            sent.append(message)

        found = {"host": "127.0.0.1", **headers}
        if body is not None:
            found.setdefault("content_length", str(len(body)))
        scope = {
            "type": "http",
            "path": path,
            "method": "GET" if body is None else "POST",
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in found.items() if v],
        }
        asyncio.run(RequestFilter(application, LIMITS, held, names)(scope, receive, send))
        if not sent:
            return None
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]

    run.uploads = held
    return run


def form(*contents, mark="----a", end="--"):
    """A form with these files, and its type."""
    head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    parts = b"".join(head.encode() + content + b"\r\n" for content in contents)
    return parts + f"--{mark}{end}\r\n".encode(), f"multipart/form-data; boundary={mark}"


CALL = "/gradio_api/call/classify"
UPLOAD = "/gradio_api/upload"


@pytest.mark.parametrize("body", [b'{"data": [0]}', b'{"data": ["' + b"x" * 300_000 + b'"]}'])
def test_a_body_is_passed_on_as_it_came(ask, body):
    pieces = [body[:5], body[5:]]
    assert ask(CALL, body, pieces=pieces)[::2] == (200, body)
    big, kind = form(os.urandom(900_000))
    pieces = [big[:1], big[1:800_000], big[800_000:]]
    assert ask(UPLOAD, big, pieces=pieces, content_type=kind)[::2] == (200, big)
    assert ask.uploads.bytes == 0


def test_other_sites_are_refused(ask):
    own = {"names": ("localhost", "127.0.0.1", "::1")}
    for host in ("localhost:7860", "127.0.0.1", "[::1]:7860", "LOCALHOST"):
        assert ask("/", host=host, **own)[0] == 200
    for host in ("evil.example", "evil.example:7860", "", "127.0.0.1.evil.example", "[", "a@b"):
        status, _, text = ask("/", host=host, **own)
        assert status == 403 and b"--allowed-host" in text
    assert ask("/", host="evil.example")[0] == 200  # where everybody may come by any name
    for origin in ("http://evil.example", "null", "http://127.0.0.1:99", "http://"):
        assert ask("/", origin=origin)[0] == 403
    assert ask("/", host="127.0.0.1:7860", origin="http://127.0.0.1:7860")[0] == 200
    behind = {"host": "10.0.0.1", "x_forwarded_host": "example.org"}
    assert ask("/", origin="https://example.org", **behind)[0] == 200


def test_every_answer_says_how_browsers_treat_it(ask):
    for answer in (ask("/"), ask("/nothing")):
        assert answer[1][b"x-content-type-options"] == b"nosniff"
        assert answer[1][b"content-security-policy"] == b"frame-ancestors 'self'"


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"null", b"[1]", b'{"data": 1}', b'{"data": [1e999]}', b'{"data": [NaN]}',
     b'{"session_hash": 1}', b"[" * 100_000, b'{"data": [{"path": "/etc/passwd"}]}',
     b'{"audio": {"a": [{"path": "x"}]}}'],
)  # fmt: skip
def test_what_is_no_question_never_reaches_gradio(ask, body):
    assert ask(CALL, body)[0] == 400


def test_a_file_is_an_upload_or_not_there(ask, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"a")
    (tmp_path / "link").symlink_to("/etc/passwd")
    good = json.dumps({"data": [{"path": str(tmp_path / "a.wav")}]}).encode()
    assert ask(CALL, good)[0] == 200
    assert ask(f"/gradio_api/file={tmp_path}/a.wav")[0] == 200
    odd = ("http://a.example/b", "\0", "\ud800", f"{tmp_path}/\0", "a" * 9000)
    for path in ("/etc/passwd", f"{tmp_path}/link", f"{tmp_path}/../x", *odd):
        assert ask(f"/gradio_api/file={path}")[0] == 404
        assert ask(CALL, json.dumps({"data": [{"path": path}]}).encode())[0] == 400


def test_nothing_is_asked_by_a_path_around_the_routes(ask):
    for path in ("/x", "//gradio_api/info", "/static/../x"):
        assert ask(path)[0] == (200 if path.startswith("/static/") else 404)
    for route in ("upload", "call/classify", "info", "queue/join"):
        assert ask(f"/gradio_api/{route}")[0] == 200
        assert ask(f"/x/gradio_api/{route}")[0] == 404
        assert ask(f"/static/gradio_api/{route}", b"{}")[0] != 413
        assert ask(f"/gradio_api/{route}x")[0] == (200 if "/join" in route else 404)
    big = b"[" + b" " * 1_500_000
    assert ask("/static/gradio_api/upload", big)[0] == 413  # no more than any question


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"content_length": ""}, 411),
        ({"content_length": "-1"}, 411),
        ({"content_length": "1e3"}, 411),
        ({"transfer_encoding": "chunked"}, 411),
        ({"content_length": "9" * 30}, 413),
    ],
)
def test_lengths_that_are_missing_or_lie(ask, headers, status):
    assert ask(UPLOAD, b"abc", **headers)[0] == status


@pytest.mark.parametrize("size", [0, request_body.PIECE - 60, request_body.PIECE, 200_000])
def test_an_upload_is_one_file(ask, size):
    one, kind = form(bytes(size))
    assert ask(UPLOAD, one, content_type=kind)[0] == 200
    for charset in ("; charset=utf-8", ";charset=UTF-8"):
        assert ask(UPLOAD, one, content_type=f"{kind}{charset}")[0] == 200
    assert ask(UPLOAD, one, content_type=kind.replace("----a", '"----a"'))[0] == 200
    for contents in ((), (bytes(size), b""), [b"a"] * 1000):
        assert ask(UPLOAD, form(*contents)[0], content_type=kind)[0] == 400
    for other in ("", "text/plain", f"{kind}; boundary=b", f"{kind}*", 'a; boundary="-"-a"'):
        assert ask(UPLOAD, one, content_type=other)[0] == 400
    assert ask(UPLOAD, form(b"", end="")[0], content_type=kind)[0] == 200  # Gradio's to judge
    assert ask(UPLOAD, one[:-9], content_type=kind)[0] == 400


def test_a_body_that_breaks_off_or_dawdles_leaves_nothing(ask, monkeypatch):
    assert ask(UPLOAD, b"a" * 400_000, pieces=[b"a" * 300_000], ended=True) is None
    assert not list(ask.uploads.folder.iterdir()) and ask.uploads.arriving == 0
    monkeypatch.setattr(request_body, "BODY_SECONDS", 0.2)
    assert ask(UPLOAD, b"abc", pieces=[], content_length="3")[0] == 408


def test_uploads_are_bounded_together(ask):
    for number in range(21):
        (ask.uploads.folder / str(number)).write_bytes(bytes(1_000_000))
    status, _, text = ask(UPLOAD, b"abc")
    assert status == 507 and b"try again" in text
    for number in range(400):  # small ones take room too, and time to be found
        (ask.uploads.folder / str(number)).write_bytes(b"a")
    assert ask(UPLOAD, b"abc")[0] == 507
