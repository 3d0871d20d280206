"""Bodies of requests: read whole before anything sees them, in bounded time and space."""

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
FORM = re.compile(  # nothing that two readers could read in two ways
    rb"multipart/form-data%b; *boundary=(\"?)([\w.+/'-]{1,70})\1%b" % (CHARSET, CHARSET),
    re.IGNORECASE,
)


class IncompleteBody(Exception):
    """A body that does not come whole; ``late`` if its sender is still there."""

    def __init__(self, late: bool) -> None:
        super().__init__("the request's body did not come")
        self.late = late


@contextmanager
def spooled_body(uploads: Uploads, length: int) -> Iterator[IO[bytes]]:
    """A file without a name for a body of ``length`` bytes: however this ends, nothing is left."""
    uploads.arriving += length
    try:
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(uploads.folder)) as file:
            yield file
    finally:
        uploads.arriving -= length


async def read(receive: Receive, file: IO[bytes], length: int) -> int:
    """Read a body of ``length`` bytes into a file; returns how many came.

    Raises
    ------
    Aborted
        If its sender goes away, or is slower than ``MIN_BYTES_PER_SECOND`` after ``BODY_SECONDS``.
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
    """How many parts a form has; of what is no plain form, none.

    Arguments
    ---------
    file : file
        The whole body.
    kind : bytes
        The request's ``Content-Type``, which says what divides them.
    """
    found = FORM.fullmatch(kind)
    if not found:
        return 0
    mark, left, count = b"--" + found[2], b"", 0
    file.seek(0)
    while piece := file.read(PIECE):
        count += (left + piece).count(mark)
        left = (left + piece)[1 - len(mark) :]
    return max(0, count - 1)  # the last one ends the form


def replay_body(file: IO[bytes], size: int, receive: Receive) -> Receive:
    """Gives a body that was read once more, piece by piece, and then what follows it."""
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
    """Take a body and keep none of it: a client that is still sending hears no answer."""
    with open(os.devnull, "wb") as nowhere, suppress(IncompleteBody):
        await read(receive, nowhere, 0)
