"""What is too much for the page: sizes, lengths, time and numbers of requests."""

from __future__ import annotations

import os
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

from camser.cli.demo.limits import BODY_SECONDS, HEADER_SECONDS, MAX_CONNECTIONS
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
    assert opened <= 2 * MAX_CONNECTIONS + 5 and left <= 5, (opened, left)
    page.works()
    return f"at most {2 * MAX_CONNECTIONS} are taken, all dropped after {HEADER_SECONDS} s"


def crowd(page: Page) -> str:
    """More at once than the queue holds; each is answered or told so."""
    data = wav(8)
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: page.question("a.wav", data), range(60)))
    odd = [a for a in answers if not (a.startswith("complete") or "ueue is full" in a)]
    assert not odd, odd[:3]
    page.works()
    return "answered, or told that the queue is full"
