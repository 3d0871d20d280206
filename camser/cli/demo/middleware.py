"""In front of Gradio: only what the page and the API need, and requests of a bounded size.

Gradio by itself would also fetch any public address that somebody names as a file, relay others,
take any number of files in one upload, and answer to whatever name a browser calls it by.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import IO, Any
from urllib.parse import urlsplit

from camser.cli.demo import request_body
from camser.cli.demo.limits import KEPT_UPLOADS, MAX_JSON, Limits
from camser.cli.demo.request_body import Receive
from camser.cli.demo.uploads import Uploads

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Refusal = tuple[int, str]

PREFIX = "/gradio_api/"
# Gradio would answer to the page's own events by name, too; with other parameters it fails.
PUBLIC = {
    "classify": ("audio", "threshold"),
    "timeline": ("audio", "window", "hop", "smoothing"),
}
NAMED = "call/v2/"  # where parameters are given by name
FILE = "file="
CALLS = tuple(f"call/{version}{name}" for version in ("", "v2/") for name in PUBLIC)
ROUTES = (  # after PREFIX
    *CALLS, "app_id", "cancel", "info", "openapi.json", "reset", "startup-events", "theme.css",
    "upload", "upload_progress",
)  # fmt: skip
BELOW = (*(f"{call}/" for call in CALLS), FILE, "heartbeat/", "queue/")  # after PREFIX, and more
PAGE = ("/", "/config", "/favicon.ico", "/manifest.json", "/robots.txt", "/theme.css")
PARTS = ("/assets/", "/static/", "/svelte/")  # of the page
METHODS = ("GET", "HEAD", "POST")
ENVELOPE = 100_000  # bytes of an upload that are not the file
LOOPBACK = ("localhost", "127.0.0.1", "::1")
HEADERS = (  # of every answer
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"referrer-policy", b"no-referrer"),
)
FIELDS = {"data": list, "event_id": str, "fn_index": int, "session_hash": str}  # of Gradio's
NOT_UPLOADED = "A file must be one that was sent to /gradio_api/upload, by the path it was answered"


class RequestFilter:
    """ASGI middleware.

    Arguments
    ---------
    app : callable
        The application behind it.
    limits : Limits
        What an upload may weigh.
    uploads : Uploads
        Those that are kept.
    names : sequence of str, optional
        What the page may be called by its visitors; anything by default. A page of another site
        reaches this one by a name of its own that it has made to mean this machine.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        limits: Limits,
        uploads: Uploads,
        names: tuple[str, ...] | None = None,
    ) -> None:
        self.app, self.limits, self.uploads, self.names = app, limits, uploads, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 4xx or 507."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            raise ValueError(f"there is no {scope['type']} here")
        send = _with_headers(send)
        refusal = (
            self._is_cross_site(scope) or self._is_unknown_route(scope) or self._is_too_large(scope)
        )
        if refusal:
            await request_body.discard_body(receive)
            return await _answer(send, *refusal)
        if scope["method"] != "POST":
            return await self.app(scope, receive, send)
        return await self._post(scope, receive, send)

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = int(_header(scope, b"content-length"))
        with request_body.spooled_body(self.uploads, length) as file:
            try:
                size = await request_body.read(receive, file, length)
            except request_body.IncompleteBody as aborted:
                if aborted.late:
                    await _answer(send, 408, "The request came too slowly")
                return None
            check = self._wrong_form if _is_upload(scope) else self._wrong_json
            if wrong := check(file, scope):
                return await _answer(send, 400, wrong)
            return await self.app(scope, request_body.replay_body(file, size, receive), send)

    def _wrong_form(self, body: IO[bytes], scope: Scope) -> str | None:
        one = request_body.count_form_parts(body, _header(scope, b"content-type")) == 1
        return None if one else "Send one file, as multipart/form-data"

    def _wrong_json(self, body: IO[bytes], scope: Scope) -> str | None:
        body.seek(0)
        try:
            given = json.load(body, parse_float=_finite, parse_constant=_finite)
        except (ValueError, RecursionError) as error:
            return f"The request is no JSON ({str(error)[:100]})"
        if not isinstance(given, dict):
            return "The request must be a JSON object"
        for name, kind in FIELDS.items():
            if not isinstance(given.get(name), (kind, type(None))):
                return f"{name} must be of the type {kind.__name__}"
        if _route(scope).startswith(NAMED):
            name = _route(scope).removeprefix(NAMED)
            allowed = PUBLIC.get(name, ())
            if "audio" not in given or not {*given} <= {*allowed}:
                return f"{name[:20]} takes {', '.join(allowed) or 'nothing'}; audio must be given"
        return None if all(map(self.uploads.contains, _files(given))) else NOT_UPLOADED

    def _is_cross_site(self, scope: Scope) -> Refusal | None:
        """Why a request comes from the page of another site, if it does."""
        host = _header(scope, b"host").decode("latin-1")
        if self.names is not None and _name(host) not in self.names:
            return 403, (
                f"This page is not called {host!r}; a proxy's name for it is given to "
                f"`camser demo` with --public-name"
            )
        origin = _header(scope, b"origin").decode("latin-1")
        hosts = {host, _header(scope, b"x-forwarded-host").decode("latin-1")} - {""}
        if origin and origin.partition("://")[2] not in hosts:
            return 403, f"The page of {origin!r} may not ask for anything here"
        return None

    def _is_unknown_route(self, scope: Scope) -> Refusal | None:
        path, route = scope["path"], _route(scope)
        if scope["method"] not in METHODS:
            return 405, f"allowed: {', '.join(METHODS)}"
        there = path in PAGE or path.startswith(PARTS)
        if path.startswith(PREFIX):
            there = route in ROUTES or route.startswith(BELOW)
        if there and route.startswith(FILE):
            there = self.uploads.contains(route.removeprefix(FILE))
        return None if there else (404, "There is nothing here")

    def _is_too_large(self, scope: Scope) -> Refusal | None:
        if scope["method"] != "POST":
            return None
        told = _header(scope, b"content-length")
        if _header(scope, b"transfer-encoding") or not told.isdigit():
            return 411, "The request must say its Content-Length, and nothing else of its length"
        most = self.limits.bytes + ENVELOPE if _is_upload(scope) else MAX_JSON
        if int(told) > most:
            allowed = self.limits.bytes if _is_upload(scope) else MAX_JSON
            return 413, f"The request has {int(told)} bytes; allowed: {allowed}"
        if _is_upload(scope) and self.uploads.bytes + int(told) > KEPT_UPLOADS * self.limits.bytes:
            return 507, "There are too many uploads here; try again in an hour"
        return None


def _header(scope: Scope, wanted: bytes) -> bytes:
    """A header's value, b"" where there is none; of several the first."""
    return next((value for name, value in scope["headers"] if name == wanted), b"")


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _route(scope: Scope) -> str:
    path = scope["path"]
    return path.removeprefix(PREFIX) if path.startswith(PREFIX) else ""


def _is_upload(scope: Scope) -> bool:
    return _route(scope) == "upload"


def _finite(text: str) -> float:
    """Gradio would answer 500 to what JSON cannot give back."""
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def _files(given: dict) -> Iterator[str]:
    """What a JSON value names as files, at any depth."""
    waiting: list[Any] = [given]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if "path" in item:
                yield str(item["path"])
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return sending


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
