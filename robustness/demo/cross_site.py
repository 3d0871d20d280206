"""What other sites, and clients that are no browser, ask the page for."""

from __future__ import annotations

import json

from robustness.demo.http_client import API, Page
from robustness.demo.sample_audio import wav

JUNK = (b"", b"[", b"null", b"[" * 200_000, b'{"data": 1e999}', b'{"data": [NaN]}', b"\xff\xfe",
        b'{"data": ' + b"9" * 5000 + b"}", b'{"audio": {"path": ["a"]}}',
        b'{"data": [{"path": {"path": {}}}, "x"]}', b'{"session_hash": 1, "fn_index": -1}',
        b'{"data": null, "event_id": null}', b'{"audio": null, "threshold": "1e999"}')  # fmt: skip


def other_sites(page: Page) -> str:
    own = f"127.0.0.1:{page.port}"
    for headers in (
        {"Host": "evil.example"}, {"Host": f"evil.example:{page.port}"}, {"Host": ""},
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"},
        {"Origin": f"http://{own}.evil.example"}, {"Host": f"{own}@evil.example"},
    ):  # fmt: skip
        for method, path in (("GET", "/"), ("GET", "/config"), ("POST", f"{API}/call/classify")):
            body = b'{"data": [null, 0]}' if method == "POST" else None
            status, answered, _ = page.ask(method, path, body, **headers)
            assert status in (400, 403), (headers, method, path, status)
            allowed = answered.get("access-control-allow-origin")
            assert allowed is None, allowed
    status, headers, _ = page.ask("GET", "/", Origin=f"http://{own}")
    assert status == 200 and "set-cookie" not in headers, status
    return "400 or 403, and no cookie is ever set"


def active_content(page: Page) -> str:
    """An upload that is a page or a picture with a script, shown from this address."""
    for name in ("a.html", "a.svg", "a.xhtml", "a.wav.html"):
        _, _, text = page.upload(name, b"<svg xmlns='x'><script>alert(1)</script></svg>")
        status, headers, _ = page.ask("GET", f"{API}/file={json.loads(text)[0]}")
        kind = headers.get("content-disposition", "")
        assert status == 200 and kind.startswith("attachment"), (name, status, headers)
    return "downloaded, never shown"


def odd_requests(page: Page) -> str:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "EVIL"):
        assert page.ask(method, "/")[0] in (400, 405), method
    upgrade = (
        b"GET /gradio_api/queue/data HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert b" 101 " not in page.raw(upgrade, 2)[:20]
    for path in (
        "/login",
        "/token",
        "/user",
        f"{API}/dev/reload",
        "/monitoring",
        f"{API}/vibe-code",
    ):
        assert page.ask("GET", path)[0] == 404, path
    return "refused with 4xx"


def junk(page: Page) -> str:
    routes = ("call/v2/classify", "call/timeline", "queue/join", "cancel", "reset")
    for route in routes:
        for body in JUNK:
            _, _, text = page.ask("POST", f"{API}/{route}", body, Content_Type="application/json")
            assert b"Traceback" not in text, (route, body[:40])
    return "answered without a traceback"


def broken_sound(page: Page) -> str:
    whole = wav()
    for number, content in enumerate((b"", b"RIFF", whole[:40], b"no sound" * 99, b"<html>")):
        answer = page.question(f"broken{number}.wav", content)
        assert answer.startswith("error") and f"broken{number}.wav" in answer, answer
        assert "Traceback" not in answer and str(page.folder) not in answer, answer
    return "named as it was uploaded"
