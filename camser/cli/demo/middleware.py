"""What neither Gradio nor uvicorn checks of a request.

Gradio alone would also answer pages of other sites, read any file or public URL that a request
names (its check of files is off for a mounted page), read a body of any size, and store uploads
until the disk is full.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from camser.cli.demo.limits import KEPT_UPLOADS, MAX_JSON, Limits

API = "/gradio_api/"
ENDPOINTS = ("classify", "timeline")  # Gradio would also answer the page's own events by name
HEALTH = "/health"
ROUTES = tuple(  # how the paths that are served begin, besides "/" and HEALTH
    [API + name for name in ("app_id", "cancel", "file=", "heartbeat/", "info", "openapi.json",
                             "queue/", "reset", "startup-events", "theme.css", "upload")]
    + [f"{API}call/{version}{name}" for version in ("", "v2/") for name in ENDPOINTS]
    + ["/assets/", "/static/", "/svelte/", "/config", "/favicon.ico", "/manifest.json",
       "/robots.txt", "/theme.css"]
)  # fmt: skip
UPLOAD = f"{API}upload"
ENVELOPE = 100_000  # bytes of an upload that are not the file
MIN_BYTES = 2**16  # an upload counts as at least this: it takes a folder, and time to list
Refusal = tuple[int, str]
CODES = {
    400: "invalid_request",
    403: "cross_site_request",
    404: "not_found",
    411: "length_required",
    413: "too_large",
    507: "storage_full",
}


class RequestFilter:
    """The ``dispatch`` of Starlette's ``BaseHTTPMiddleware``.

    Arguments
    ---------
    limits : Limits
        Limits of uploads.
    folder : Path
        Where Gradio stores uploads.
    """

    def __init__(self, limits: Limits, folder: Path) -> None:
        self.limits, self.folder = limits, folder
        self.receiving = 0  # bytes of uploads under way; what has arrived lies in folder too

    async def __call__(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Pass a request on, or refuse it with 4xx or 507: a JSON object with code and error."""
        path = request.scope["path"]  # that of request.url depends on the Host header
        is_upload = request.method == "POST" and path == UPLOAD
        refusal = _is_cross_site(request) or _is_unknown_route(path)
        if not refusal and request.method == "POST":
            refusal = self._is_too_large(request, is_upload)
            if not refusal and not is_upload:
                refusal = self._is_wrong_json(await request.body())
        if refusal:
            status, message = refusal
            return JSONResponse({"code": CODES[status], "error": message}, status)
        size = int(request.headers["content-length"]) if is_upload else 0
        self.receiving += size
        try:
            return await call_next(request)
        finally:
            self.receiving -= size

    def _is_too_large(self, request: Request, is_upload: bool) -> Refusal | None:
        size = request.headers.get("content-length", "")
        if not size.isdigit() or "transfer-encoding" in request.headers:
            return 411, "The request must have a Content-Length and no Transfer-Encoding"
        allowed = self.limits.bytes if is_upload else MAX_JSON
        if int(size) > allowed + ENVELOPE * is_upload:
            return 413, f"The request has {size} bytes; allowed: {allowed}"
        if is_upload:
            stored = stored_bytes(self.folder, self.limits.kept_seconds) + self.receiving
            if stored + int(size) > KEPT_UPLOADS * self.limits.bytes:
                return 507, "The server stores too many uploads; try again in an hour"
        return None

    def _is_wrong_json(self, body: bytes) -> Refusal | None:
        try:
            json.loads(body, object_hook=self._check_path)
        except (ValueError, RecursionError) as error:
            return 400, f"The request cannot be read: {str(error)[:100]}"
        return None

    def _check_path(self, table: dict) -> None:
        """A file of a request must be an upload, after links are resolved."""
        if "path" in table:
            path = os.path.realpath(str(table["path"]))
            if not path.startswith(f"{self.folder}{os.sep}"):
                raise ValueError("a file must be one that was sent to /gradio_api/upload")


def _is_cross_site(request: Request) -> Refusal | None:
    """The refusal of a request that a browser sends for the page of another site."""
    origin = request.headers.get("origin")
    hosts = {request.headers.get("host"), request.headers.get("x-forwarded-host")}
    if origin is None or origin.partition("://")[2] in hosts:
        return None
    return 403, f"Requests from the page of {origin!r} are not allowed"


def _is_unknown_route(path: str) -> Refusal | None:
    known = path in ("/", HEALTH) or path.startswith(ROUTES)
    return None if known and not path.startswith(f"{API}file=http") else (404, "Not found")


def stored_bytes(folder: Path, kept_seconds: float) -> int:
    """Bytes of all uploads; small ones count as ``MIN_BYTES``.

    Deletes what Gradio's ``delete_cache`` leaves: empty folders, and uploads that broke off, which
    lie directly in ``folder``.
    """
    total = 0
    for root, _, names in os.walk(folder, topdown=False):
        for path in (Path(root, name) for name in names):
            with suppress(FileNotFoundError):  # deleted meanwhile
                status = path.stat()
                if path.parent == folder and time.time() - status.st_mtime > kept_seconds:
                    path.unlink()
                else:
                    total += max(MIN_BYTES, status.st_size)
        if root != str(folder):
            with suppress(OSError):  # it holds an upload
                os.rmdir(root)
    return total
