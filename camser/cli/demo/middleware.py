"""A filter in front of Gradio: only the routes of the page and the API, with bounded requests.

Gradio alone would also fetch any public URL that a request names as a file, and relay others. It
would accept any number of files in one upload, and any host name.
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
# Gradio would also answer the page's own events by name. With other parameters it fails.
PUBLIC = {
    "classify": ("audio", "threshold"),
    "timeline": ("audio", "window", "hop", "smoothing"),
}
NAMED = "call/v2/"  # of calls with named parameters
FILE = "file="
CALLS = tuple(f"call/{version}{name}" for version in ("", "v2/") for name in PUBLIC)
ROUTES = (  # after PREFIX
    *CALLS, "app_id", "cancel", "info", "openapi.json", "reset", "startup-events", "theme.css",
    "upload", "upload_progress",
)  # fmt: skip
# Prefixes of further routes, after PREFIX.
BELOW = (*(f"{call}/" for call in CALLS), FILE, "heartbeat/", "queue/")
PAGE = ("/", "/config", "/favicon.ico", "/manifest.json", "/robots.txt", "/theme.css")
PARTS = ("/assets/", "/static/", "/svelte/")  # prefixes of files of the page
METHODS = ("GET", "HEAD", "POST")
ENVELOPE = 100_000  # bytes of an upload that are not the file
LOOPBACK = ("localhost", "127.0.0.1", "::1")
HEADERS = (  # of every response
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"referrer-policy", b"no-referrer"),
)
# The fields of a Gradio request.
FIELDS = {"data": list, "event_id": str, "fn_index": int, "session_hash": str}
NOT_UPLOADED = "A file must be one that was sent to /gradio_api/upload; give the path it returned"


class RequestFilter:
    """ASGI middleware.

    Arguments
    ---------
    app : callable
        The application behind it.
    limits : Limits
        Limits of uploads.
    uploads : Uploads
        The stored uploads.
    names : sequence of str, optional
        Allowed host names of the page; any by default. Without them, a page of another site can
        reach this one: it points a host name of its own to this machine (DNS rebinding).
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
            raise ValueError(f"scope type is {scope['type']!r}; allowed: 'http', 'lifespan'")
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
                    await _answer(send, 408, "The request was sent too slowly")
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
            request = json.load(body, parse_float=_finite, parse_constant=_finite)
        except (ValueError, RecursionError) as error:
            return f"The request is not valid JSON ({str(error)[:100]})"
        if not isinstance(request, dict):
            return "The request must be a JSON object"
        for name, kind in FIELDS.items():
            if not isinstance(request.get(name), (kind, type(None))):
                return f"{name} must be of the type {kind.__name__}"
        if _route(scope).startswith(NAMED):
            name = _route(scope).removeprefix(NAMED)
            allowed = PUBLIC.get(name, ())
            if "audio" not in request or not {*request} <= {*allowed}:
                return f"{name[:20]} takes {', '.join(allowed) or 'nothing'}; audio must be given"
        return None if all(map(self.uploads.contains, _files(request))) else NOT_UPLOADED

    def _is_cross_site(self, scope: Scope) -> Refusal | None:
        """The refusal of a request from the page of another site."""
        host = _header(scope, b"host").decode("latin-1")
        if self.names is not None and _name(host) not in self.names:
            return 403, (
                f"The host name {host!r} is not allowed; to allow the name of a proxy, start "
                f"`camser demo` with --allowed-host"
            )
        origin = _header(scope, b"origin").decode("latin-1")
        hosts = {host, _header(scope, b"x-forwarded-host").decode("latin-1")} - {""}
        if origin and origin.partition("://")[2] not in hosts:
            return 403, f"Requests from the page of {origin!r} are not allowed"
        return None

    def _is_unknown_route(self, scope: Scope) -> Refusal | None:
        path, route = scope["path"], _route(scope)
        if scope["method"] not in METHODS:
            return 405, f"allowed: {', '.join(METHODS)}"
        known = path in PAGE or path.startswith(PARTS)
        if path.startswith(PREFIX):
            known = route in ROUTES or route.startswith(BELOW)
        if known and route.startswith(FILE):
            known = self.uploads.contains(route.removeprefix(FILE))
        return None if known else (404, "Not found")

    def _is_too_large(self, scope: Scope) -> Refusal | None:
        if scope["method"] != "POST":
            return None
        size = _header(scope, b"content-length")
        if _header(scope, b"transfer-encoding") or not size.isdigit():
            return 411, "The request must have a Content-Length and no Transfer-Encoding"
        limit = self.limits.bytes + ENVELOPE if _is_upload(scope) else MAX_JSON
        if int(size) > limit:
            allowed = self.limits.bytes if _is_upload(scope) else MAX_JSON
            return 413, f"The request has {int(size)} bytes; allowed: {allowed}"
        if _is_upload(scope) and self.uploads.bytes + int(size) > KEPT_UPLOADS * self.limits.bytes:
            return 507, "The server stores too many uploads; try again in an hour"
        return None


def _header(scope: Scope, wanted: bytes) -> bytes:
    """The first value of a header, b"" if there is none."""
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
    """Gradio would answer 500 to a number that JSON cannot represent."""
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _files(request: dict) -> Iterator[str]:
    """The paths of the files in a JSON value, at any depth."""
    pending: list[Any] = [request]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "path" in item:
                yield str(item["path"])
            pending += item.values()
        elif isinstance(item, list):
            pending += item


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
