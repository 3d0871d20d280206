"""Bodies of requests: read completely before Gradio sees them, in bounded time and space."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import IO, Any

from camser.cli.demo.limits import BODY_SECONDS, MIN_BYTES_PER_SECOND
from camser.cli.demo.uploads import Uploads

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

IN_MEMORY = 2**18  # bytes of a body
PIECE = 2**16
CHARSET = rb"(?:; *charset=[\w-]+)?"
FORM = re.compile(  # only forms that all parsers read in the same way
    rb"multipart/form-data%b; *boundary=(\"?)([\w.+/'-]{1,70})\1%b" % (CHARSET, CHARSET),
    re.IGNORECASE,
)


class IncompleteBody(Exception):
    """A body that is incomplete; ``late`` if its sender is still connected."""

    def __init__(self, late: bool) -> None:
        super().__init__("the request's body is incomplete")
        self.late = late


@contextmanager
def spooled_body(uploads: Uploads, length: int) -> Iterator[IO[bytes]]:
    """A temporary file without a name for a body of ``length`` bytes; it is always removed."""
    uploads.arriving += length
    try:
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(uploads.folder)) as file:
            yield file
    finally:
        uploads.arriving -= length


async def read(receive: Receive, file: IO[bytes], length: int) -> int:
    """Read a body of ``length`` bytes into a file; returns its size.

    Raises
    ------
    IncompleteBody
        If it disconnects, or is slower than ``MIN_BYTES_PER_SECOND`` after ``BODY_SECONDS``.
    """
    now = asyncio.get_running_loop().time
    end = now() + BODY_SECONDS + length / MIN_BYTES_PER_SECOND
    more = True
    while more:
        try:
            message = await asyncio.wait_for(receive(), end - now())
        except asyncio.TimeoutError:
            raise IncompleteBody(late=True) from None
        if message["type"] == "http.disconnect":
            raise IncompleteBody(late=False)
        file.write(message.get("body", b""))
        more = message.get("more_body", False)
    return file.tell()


def count_form_parts(file: IO[bytes], kind: bytes) -> int:
    """The number of parts of a form; 0 if it is no plain form.

    Arguments
    ---------
    file : file
        The complete body.
    kind : bytes
        The request's ``Content-Type``, which contains the boundary between them.
    """
    match = FORM.fullmatch(kind)
    if not match:
        return 0
    boundary, rest, count = b"--" + match[2], b"", 0
    file.seek(0)
    while chunk := file.read(PIECE):
        count += (rest + chunk).count(boundary)
        rest = (rest + chunk)[1 - len(boundary) :]
    return max(0, count - 1)  # the last one ends the form


def replay_body(file: IO[bytes], size: int, receive: Receive) -> Receive:
    """Return a receiver that gives a stored body again in chunks, then the following messages."""
    left = size
    file.seek(0)

    async def receive_again() -> MutableMapping[str, Any]:
        nonlocal left
        if left < 0:
            return await receive()
        body = file.read(PIECE)
        left = left - len(body) if len(body) < left else -1
        return {"type": "http.request", "body": body, "more_body": left > 0}

    return receive_again


async def discard_body(receive: Receive) -> None:
    """Read a body and store none of it: a client that is still sending does not read an answer."""
    with open(os.devnull, "wb") as nowhere, suppress(IncompleteBody):
        await read(receive, nowhere, 0)
