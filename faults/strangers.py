"""What strangers try at the page, and what must come of it.

Each check is a function of a running page; it returns what happened in a few words, and an
AssertionError says what must never happen.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import struct
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
from asking import API, Page, form, page
from campaign import Tally

from camser.demo.limits import BODY_SECONDS, HEADER_SECONDS, KEPT_UPLOADS, MOST_CONNECTIONS

MEGABYTES = 1
SECRETS = ("/etc/passwd", "/proc/self/environ", "{export}/config.json", "{source}",
           "{folder}/in-use", "../../../../../../etc/passwd", "{folder}/uploads/../in-use",
           "//etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "file:///etc/passwd")  # fmt: skip
NAMES = ("../../evil.wav", "/tmp/evil.wav", "..\\..\\evil.wav", "evil\x00.wav", "e" * 5000 + ".wav",
         "e\r\nX-Evil: 1.wav", "~/.bashrc", "|touch evil", "\udcff.wav", ".htaccess")  # fmt: skip
JUNK = (b"", b"[", b"null", b"[" * 200_000, b'{"data": 1e999}', b'{"data": [NaN]}', b"\xff\xfe",
        b'{"data": ' + b"9" * 5000 + b"}", b'{"audio": {"path": ["a"]}}',
        b'{"data": [{"path": {"path": {}}}, "x"]}', b'{"session_hash": 1, "fn_index": -1}',
        b'{"data": null, "event_id": null}', b'{"audio": null, "threshold": "1e999"}')  # fmt: skip


def wav(seconds: float = 1.0, rate: int = 16000) -> bytes:
    """A recording that no other is equal to."""
    file, size = io.BytesIO(), round(seconds * rate)
    noise = np.random.default_rng(uuid.uuid4().int).normal(0, 0.1, size)
    soundfile.write(file, noise, rate, format="WAV")
    return file.getvalue()


def flac(seconds: float, rate: int = 8000) -> bytes:
    """Silence, which takes next to no room."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(seconds * rate), np.int16), rate, format="FLAC")
    return file.getvalue()


def works(page: Page) -> None:
    """The page still answers others."""
    answer = page.question("a.wav", wav())
    assert answer.startswith("complete"), f"the page no longer answers: {answer}"


# Sizes and lengths ---------------------------------------------------------------------------


def too_big(page: Page) -> str:
    status, _, _ = page.upload("big.wav", bytes(2_000_000))
    assert status == 413, status
    return "413"


def told_twice(page: Page) -> str:
    """Lengths that are missing, lie, or are told in two ways."""
    kind, body = form("a.wav", wav())
    head = f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    chunked = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    for lengths, sent in (
        ("Transfer-Encoding: chunked", chunked),
        (f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked", chunked),
        ("Content-Length: 10\r\nTransfer-Encoding: chunked", chunked),
        ("X-None: 0", body),
        ("Content-Length: -5", body),
        ("Content-Length: 1e3", body),
        (f"Content-Length: {len(body)}\r\nContent-Length: 3", body),
        ("Content-Length: 20", body),
        ("Content-Length: 999999999999999999999", body),
    ):
        answer = page.raw(f"{head}{lengths}\r\n\r\n".encode() + sent, 3)
        status = answer.split(b" ", 2)[1:2]
        cut = lengths == "Content-Length: 20"  # a form that ends too early holds no file
        right = [[b"400"], [b"411"], [b"413"], []] + [[b"200"]] * cut
        assert status in right and not (cut and b"wav" in answer), (lengths, answer[:80])
    return "refused with 400, 411 or 413"


def aborted(page: Page) -> str:
    before = set(page.uploads())
    kind, body = form("a.wav", wav(20))
    head = f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    with socket.create_connection(("127.0.0.1", page.port)) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:300_000])
        time.sleep(0.5)
    time.sleep(0.5)
    assert set(page.uploads()) <= before, page.uploads()
    return "nothing is left of it"


def bomb(page: Page) -> str:
    answer = page.question("bomb.flac", flac(7200))
    assert "lasts 7200 s; allowed" in answer, answer
    data = bytearray(flac(60))
    many = struct.pack(">Q", 96000 << 44 | 7 << 41 | 15 << 36 | 96000 * 3000)
    data[18:26] = many  # STREAMINFO: rate, channels, bits, samples
    answer = page.question("claims.flac", bytes(data))
    assert answer.startswith("error") and "claims.flac" in answer, answer
    return "refused before it is decoded"


def slow_head(page: Page) -> str:
    with socket.create_connection(("127.0.0.1", page.port)) as client:
        client.settimeout(HEADER_SECONDS + 10)
        begun, got = time.monotonic(), b"x"
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        while got and time.monotonic() < begun + HEADER_SECONDS + 8:
            try:
                client.sendall(b"a")
                client.settimeout(1)
                got = client.recv(1)
            except TimeoutError:
                continue
            except OSError:
                got = b""
    assert not got, "it may take as long as it likes"
    return f"dropped after {HEADER_SECONDS} s"


def slow_body(page: Page) -> str:
    head = f"POST {API}/call/classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90\r\n\r\n{{"
    begun = time.monotonic()
    answer = page.raw(head.encode(), BODY_SECONDS + 20)
    assert b" 408 " in answer[:20], answer[:80]
    return f"408 after {round(time.monotonic() - begun, -1):.0f} s"


def long_head(page: Page) -> str:
    answer = page.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"a" * 500_000, 5)
    assert answer.split(b" ", 2)[1:2] in ([b"400"], [b"431"], []), answer[:80]
    return "refused"


def many_connections(page: Page) -> str:
    open_before = len(os.listdir(f"/proc/{page.process.pid}/fd"))
    clients = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(450)]
    time.sleep(1)
    opened = len(os.listdir(f"/proc/{page.process.pid}/fd")) - open_before
    time.sleep(HEADER_SECONDS + 1)
    left = len(os.listdir(f"/proc/{page.process.pid}/fd")) - open_before
    for client in clients:
        client.close()
    assert opened <= 2 * MOST_CONNECTIONS + 5 and left <= 5, (opened, left)
    works(page)
    return f"at most {2 * MOST_CONNECTIONS} are taken, all dropped after {HEADER_SECONDS} s"


def crowd(page: Page) -> str:
    """More at once than the queue holds; each is answered or told so."""
    data = wav(8)
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: page.question("a.wav", data), range(60)))
    odd = [a for a in answers if not (a.startswith("complete") or "ueue is full" in a)]
    assert not odd, odd[:3]
    works(page)
    return "answered, or told that the queue is full"


# Paths ---------------------------------------------------------------------------------------


def names_of_uploads(page: Page) -> str:
    def others() -> set[str]:
        root = page.folder.parent.parent
        return {str(p) for p in root.rglob("*") if page.folder / "uploads" not in p.parents}

    before, content = others(), wav()
    for name in NAMES:
        kind, body = form(name.encode("utf-8", "surrogateescape").decode("latin-1"), content)
        status, _, text = page.ask("POST", f"{API}/upload", body, Content_Type=kind)
        assert status < 500, (name[:20], status)
        for path in json.loads(text) if status == 200 else ():
            real = os.path.realpath(path)
            assert real.startswith(f"{page.folder / 'uploads'}{os.sep}"), (name, path)
    assert others() == before, others() - before
    return "written into the folder of uploads, or refused"


def secrets(page: Page) -> str:
    """Files of the server, by each way that a path could be given."""
    (link := page.folder / "uploads" / "link").symlink_to("/etc/passwd")
    values = {"export": page.export, "source": __file__, "folder": page.folder}
    for secret in (*SECRETS, str(link)):
        path = secret.format(**values)
        for place in (f"{API}/file=", f"{API}/file/", "/static/", "/assets/", "/svelte/", "/file="):
            status, _, text = page.ask("GET", place + path)
            assert status in (400, 403, 404), (place, path, status, text[:80])
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        for route, value in (
            ("call/v2/classify", {"audio": file}),
            ("call/timeline", {"data": [file, None, None, "none"]}),
            ("queue/join", {"fn_index": 0, "session_hash": "x", "data": [file, 0, "none", 1, 1]}),
        ):
            status, _, text = page.post(f"{API}/{route}", value)
            assert status == 400, (route, path, status, text[:80])
    link.unlink()
    return "refused with 400, 403 or 404"


def fetching(page: Page) -> str:
    """Addresses in the place of files; this process listens whether any is fetched."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.wav"
        _, _, text = page.upload("a.wav", wav())
        good = json.loads(text)[0]
        for file in (
            {"path": url},
            {"path": good, "url": url},
            {"url": url},
            {"path": "", "url": url},
        ):
            file = {**file, "meta": {"_type": "gradio.FileData"}}
            status, _, _ = page.post(f"{API}/call/v2/classify", {"audio": file})
            assert status < 500, status
        for route in ("file=", "proxy="):
            status, _, _ = page.ask("GET", f"{API}/{route}{url}")
            assert status in (400, 403, 404), status
        try:
            listener.accept()
        except TimeoutError:
            return "nothing is fetched"
    raise AssertionError("the page fetched it")


# Browsers ------------------------------------------------------------------------------------


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
            assert status == 403, (headers, method, path, status)
            allowed = answered.get("access-control-allow-origin")
            assert allowed is None, allowed
    status, headers, _ = page.ask("GET", "/", Origin=f"http://{own}")
    assert status == 200 and "set-cookie" not in headers, status
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    return "403, and no cookie is ever set"


def active_content(page: Page) -> str:
    """An upload that is a page or a picture with a script, shown from this address."""
    for name in ("a.html", "a.svg", "a.xhtml", "a.wav.html"):
        _, _, text = page.upload(name, b"<svg xmlns='x'><script>alert(1)</script></svg>")
        status, headers, _ = page.ask("GET", f"{API}/file={json.loads(text)[0]}")
        kind = headers.get("content-disposition", "")
        assert status == 200 and kind.startswith("attachment"), (name, status, headers)
        assert headers["x-content-type-options"] == "nosniff"
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
            status, _, text = page.ask(
                "POST", f"{API}/{route}", body, Content_Type="application/json"
            )
            assert b"Traceback" not in text, (route, body[:40])
            assert status != 500, (route, body[:40], text[:200])
    return "answered without a traceback, no 500"


def broken_sound(page: Page) -> str:
    whole = wav()
    for number, content in enumerate((b"", b"RIFF", whole[:50], b"no sound" * 99, whole[:9000])):
        answer = page.question(f"broken{number}.wav", content)
        assert answer.startswith("error") and f"broken{number}.wav" in answer, answer
        assert "Traceback" not in answer and str(page.folder) not in answer, answer
    return "named as it was uploaded"


CHECKS: dict[str, Callable[[Page], str]] = {
    "an upload that is too large": too_big,
    "lengths that are missing or lie": told_twice,
    "an upload that breaks off": aborted,
    "hours of silence in a small FLAC": bomb,
    "a request's head, a byte a second": slow_head,
    "a request's body that does not come": slow_body,
    "a request's head without end": long_head,
    "450 idle connections": many_connections,
    "60 clients at once": crowd,
    "names of uploads with paths in them": names_of_uploads,
    "files of the server": secrets,
    "addresses in the place of files": fetching,
    "pages of other sites": other_sites,
    "uploads with scripts": active_content,
    "other methods, routes, websockets": odd_requests,
    "JSON that is none, or not what is asked": junk,
    "broken recordings": broken_sound,
}


def visit(export: Path, root: Path, number: int, seed: int, tally: Tally) -> None:
    """Try everything at a page, ``number`` times, and see what is left when it ends."""
    place = root / "page"
    place.mkdir(exist_ok=True)
    with page(export, place, f"--max-megabytes={MEGABYTES}") as shown:
        shown.export = export
        for _ in range(number):
            for name, check in CHECKS.items():
                try:
                    tally.add(f"page: {name}", check(shown))
                    works(shown)
                except (AssertionError, OSError, KeyError, ValueError) as error:
                    tally.lose(f"page: {name}", "another answer", repr(error))
    said = shown.said
    quiet = not any(name in said for name in ("big.wav", "bomb.flac", "broken"))
    _note(tally, "page: its log", "names no recording", quiet, said[-3000:])
    for _ in range(number):
        _ends(export, place, tally)


def _ends(export: Path, place: Path, tally: Tally) -> None:
    """A page that is told to end, one that is killed, and the next one."""
    for sent, after in ((signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGKILL, True)):
        with page(export, place, f"--max-megabytes={MEGABYTES}") as shown:
            statuses = [
                shown.upload("a.wav", os.urandom(990_000))[0] for _ in range(KEPT_UPLOADS + 2)
            ]
            shown.process.send_signal(sent)
            code = shown.process.wait(30)
        name = f"page: {signal.Signals(sent).name}"
        how = f"{statuses} {code}"
        _note(tally, "page: uploads without end", "507", statuses[-1] == 507, how)
        if after:
            os.utime(shown.folder, (0, 0))  # its lock is free, and it is no longer starting
            with page(export, place):
                _note(
                    tally, name, "the next start removes its files", not shown.folder.exists(), how
                )
        else:
            _note(tally, name, "nothing is left", not shown.folder.exists(), how)


def _note(tally: Tally, name: str, happened: str, right: bool, how: str) -> None:
    if right:
        tally.add(name, happened)
    else:
        tally.lose(name, f"not: {happened}", how)
