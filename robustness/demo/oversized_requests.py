"""What is too much for the page: sizes, lengths, time and numbers of requests."""

from __future__ import annotations

import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

from camser.cli.demo.limits import MAX_CONNECTIONS
from robustness.demo.http_client import API, Page, form
from robustness.demo.sample_audio import flac, wav


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
    left = set(page.uploads()) - before
    assert len(left) <= 1 and sum(path.stat().st_size for path in left) <= 300_000, left
    return "what came of it counts as an upload, and is kept as long"


def bomb(page: Page) -> str:
    answer = page.question("bomb.flac", flac(7200))
    assert "is too long; allowed" in answer, answer
    data = bytearray(flac(60))
    many = struct.pack(">Q", 96000 << 44 | 7 << 41 | 15 << 36 | 96000 * 3000)
    data[18:26] = many  # STREAMINFO: rate, channels, bits, samples
    answer = page.question("claims.flac", bytes(data))
    assert "declares 3000.00 s and holds 60.00 s" in answer, answer
    return "refused while it is decoded; a false length is a warning"


def slow(page: Page) -> str:
    """Heads and bodies that do not come: only a proxy has time limits for them."""
    head = b"POST /gradio_api/call/classify HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    before = page.open_files()
    clients = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(60)]
    for number, client in enumerate(clients):
        client.sendall(head + (b"X-Slow: " if number % 2 else b"Content-Length: 90\r\n\r\n{"))
    page.works()
    for client in clients:
        client.close()
    time.sleep(1)
    assert page.open_files() <= before + 5, page.open_files()
    return "others are answered meanwhile; nothing is left when they close"


def long_head(page: Page) -> str:
    answer = page.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"a" * 500_000, 5)
    assert answer.split(b" ", 2)[1:2] in ([b"400"], [b"431"], []), answer[:80]
    return "refused"


def many_connections(page: Page) -> str:
    before = page.open_files()
    clients = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(450)]
    time.sleep(1)
    assert page.ask("GET", "/config")[0] == 503
    for client in clients:
        client.close()
    time.sleep(1)
    assert page.open_files() <= before + 5, page.open_files()
    page.works()
    return f"others get 503 while more than {MAX_CONNECTIONS} last; all works when they close"


def crowd(page: Page) -> str:
    """More at once than the queue holds; each is answered or told so."""
    data = wav(8)
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: page.question("a.wav", data), range(60)))
    odd = [a for a in answers if not (a.startswith("complete") or "ueue is full" in a)]
    assert not odd, odd[:3]
    page.works()
    return "answered, or told that the queue is full"
