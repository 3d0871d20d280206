"""In front of Gradio: only what the page and the API need, and requests of a bounded size.

Gradio by itself would also fetch any public address that somebody names as a file, relay others,
and take any number of files in one upload.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from camser.demo.limits import Limits

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

PREFIX = "/gradio_api/"
PUBLIC = ("classify", "timeline")  # Gradio would answer to the page's own events by name, too
ROUTES = (  # below PREFIX
    *(f"call/{version}{name}" for version in ("", "v2/") for name in PUBLIC),
    "app_id", "cancel", "file=", "heartbeat/", "info", "openapi.json", "queue/", "reset",
    "startup-events", "theme.css", "upload", "upload_progress",
)  # fmt: skip
MOST_JSON = 1_000_000  # bytes; a request names a file, it does not hold one
ENVELOPE = 100_000  # bytes of an upload that are not the file
NOT_UPLOADED = "A file must be one that was sent to /gradio_api/upload, by the path it was answered"
KEPT_UPLOADS = 20  # of the greatest size, together


class Guard:
    """ASGI middleware.

    Arguments
    ---------
    app : callable
        The application behind it.
    limits : Limits
        What an upload may weigh.
    folder : Path
        Where uploads are kept.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], limits: Limits, folder: Path) -> None:
        self.app, self.limits, self.folder = app, limits, folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 404, 400, 411, 413 or 507."""
        if scope["type"] == "http":
            route = scope["path"].partition(PREFIX)[2]
            if PREFIX in scope["path"] and not _known(route):
                return await _answer(send, 404, "There is nothing here")
            if scope["method"] == "POST":
                wrong = self._wrong_size(scope, uploads=route.startswith("upload"))
                if wrong:
                    await _drop(receive)  # a client that is still sending hears no answer
                    return await _answer(send, *wrong)
                if not route.startswith("upload"):
                    body = await _read(receive)
                    if not all(map(self._uploaded, _files(body))):
                        return await _answer(send, 400, NOT_UPLOADED)
                    receive = _again(body, receive)
        return await self.app(scope, receive, send)

    def _wrong_size(self, scope: Scope, uploads: bool) -> tuple[int, str] | None:
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if not lengths:  # the server reads no more than was announced
            return 411, "The request must say its Content-Length"
        most = self.limits.bytes + ENVELOPE if uploads else MOST_JSON
        if int(lengths[0]) > most:
            allowed = self.limits.bytes if uploads else MOST_JSON
            return 413, f"The request has {int(lengths[0])} bytes; allowed: {allowed}"
        if uploads and self._kept() > KEPT_UPLOADS * self.limits.bytes:
            return 507, "There are too many uploads here; try again in an hour"
        return None

    def _kept(self) -> int:
        """Bytes of all uploads; one that is deleted meanwhile counts nothing."""
        total = 0
        for path in self.folder.rglob("*"):
            try:
                total += path.lstat().st_size
            except FileNotFoundError:
                continue
        return total

    def _uploaded(self, path: str) -> bool:
        """Whether a path is one that an upload was answered with."""
        return os.path.realpath(path).startswith(f"{self.folder}{os.sep}")


def _known(route: str) -> bool:
    return route.startswith(ROUTES) and "://" not in route


async def _drop(receive: Receive) -> None:
    """Take a request's body and keep none of it."""
    while (message := await receive()).get("more_body"):
        del message


async def _read(receive: Receive) -> bytes:
    """A request's body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read once more, and then what follows it."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> MutableMapping[str, Any]:
        return messages.pop() if messages else await receive()

    return replay


def _files(body: bytes) -> Iterator[str]:
    """What a JSON text names as files, at any depth."""
    try:
        waiting = [json.loads(body)]
    except (ValueError, RecursionError):
        return  # Gradio refuses it
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "path" in item:
                yield str(item["path"])
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
