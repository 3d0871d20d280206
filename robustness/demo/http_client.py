"""The page as a process of its own, and what clients of every kind send it."""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robustness.demo.sample_audio import wav

COMMAND = Path(sys.executable).parent / "camser"
API = "/gradio_api"
ENDED = 120  # seconds after which a page that is told to end hangs


class Page:
    """A running ``camser demo``.

    Arguments
    ---------
    process : Popen
        The command.
    port : int
        Where it listens.
    folder : Path
        Its temporary folder.
    """

    def __init__(self, process: subprocess.Popen, port: int, folder: Path) -> None:
        self.process, self.port, self.folder = process, port, folder

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            client.request(method, path, body, named)
            answer = client.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            client.close()

    def post(self, path: str, value: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """As ``ask``, with JSON."""
        headers = {"Content_Type": "application/json", **headers}
        return self.ask("POST", path, json.dumps(value).encode(), **headers)

    def upload(self, name: str, content: bytes) -> tuple[int, dict[str, str], bytes]:
        """As ``ask``, with a file."""
        kind, body = form(name, content)
        return self.ask("POST", f"{API}/upload", body, Content_Type=kind)

    def works(self) -> None:
        """It still answers others."""
        answer = self.question("a.wav", wav())
        assert answer.startswith("complete"), f"the page no longer answers: {answer}"

    def question(self, name: str, content: bytes, api_name: str = "classify") -> str:
        """What the page answers to a recording: "complete …" or "error …", with its data."""
        status, _, text = self.upload(name, content)
        if status != 200:
            return f"{status} {text[:200]!r}"
        return self.classify(json.loads(text)[0], api_name)

    def classify(self, path: str, api_name: str = "classify") -> str:
        """As ``question``, of a file that the page is said to have."""
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        status, _, text = self.post(f"{API}/call/v2/{api_name}", {"audio": file})
        if status != 200:
            return f"{status} {text[:200]!r}"
        event = json.loads(text)["event_id"]
        status, _, text = self.ask("GET", f"{API}/call/{api_name}/{event}")
        kind, _, data = text.decode().strip().rpartition("event: ")[2].partition("\ndata: ")
        return f"{kind} {data}" if status == 200 else f"{status} {text[:200]!r}"

    def raw(self, data: bytes, seconds: float = 30) -> bytes:
        """What comes back from bytes as they are, until the server closes or time is up."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as client:
            client.sendall(data)
            got, end = b"", time.monotonic() + seconds
            while time.monotonic() < end:
                if select.select([client], [], [], 0.2)[0]:
                    try:
                        piece = client.recv(65536)
                    except ConnectionResetError:
                        return got
                    if not piece:
                        return got
                    got += piece
            return got

    def open_files(self) -> int:
        """Of the page's process; connections are some."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def uploads(self) -> list[Path]:
        """The files of strangers that are there."""
        return [path for path in (self.folder / "uploads").rglob("*") if path.is_file()]


def form(name: str, content: bytes) -> tuple[str, bytes]:
    """A multipart form with one file: its content type, and its bytes."""
    mark = uuid.uuid4().hex
    head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
    return f"multipart/form-data; boundary={mark}", body


@contextmanager
def page(export: Path, place: Path, *options: str) -> Iterator[Page]:
    """``camser demo`` for as long as the block runs; ``place`` is its working folder."""
    temporary = place / "tmp"
    temporary.mkdir(exist_ok=True)
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [COMMAND, "demo", export, "--device=cpu", "--port=0", *options],
            cwd=place,
            env={**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            line = process.stdout.readline()
            if "http" not in line:
                errors.seek(0)
                raise RuntimeError(f"the page does not start: {line}{errors.read()}")
            folder = max(temporary.glob("camser-demo-*"), key=lambda path: path.stat().st_ctime)
            found = Page(process, int(line.split("/ ")[0].rpartition(":")[2]), folder)
            yield found
            errors.seek(0)
            found.said = errors.read()
        finally:
            process.terminate()
            process.wait(ENDED)
            process.stdout.close()
