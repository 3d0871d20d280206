"""What strangers try at the page, and what must come of it.

Each check is a function of a running page; it returns what happened in a few words, and an
AssertionError says what must never happen.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from camser.cli.demo.limits import KEPT_UPLOADS
from robustness.demo import cross_site, oversized_requests, path_traversal
from robustness.demo.http_client import ENDED, Page, page
from robustness.harness.report import Tally

MEGABYTES = 1
CHECKS: dict[str, Callable[[Page], str]] = {
    "an upload that is too large": oversized_requests.too_big,
    "lengths that are missing or lie": oversized_requests.told_twice,
    "an upload that breaks off": oversized_requests.aborted,
    "hours of silence in a small FLAC": oversized_requests.bomb,
    "60 requests that do not go on": oversized_requests.slow,
    "a request's head without end": oversized_requests.long_head,
    "450 idle connections": oversized_requests.many_connections,
    "60 clients at once": oversized_requests.crowd,
    "names of uploads with paths in them": path_traversal.names_of_uploads,
    "files of the server": path_traversal.secrets,
    "addresses in the place of files": path_traversal.fetching,
    "pages of other sites": cross_site.other_sites,
    "uploads with scripts": cross_site.active_content,
    "other methods, routes, websockets": cross_site.odd_requests,
    "JSON that is none, or not what is asked": cross_site.junk,
    "broken recordings": cross_site.broken_sound,
}


def visit(export: Path, root: Path, number: int, seed: int, tally: Tally) -> None:
    """Try everything at a page, ``number`` times, and see what is left when it ends."""
    place = root / "page"
    place.mkdir(exist_ok=True)
    with page(export, place, f"--max-upload-mb={MEGABYTES}") as shown:
        shown.export = export
        for _ in range(number):
            for name, check in CHECKS.items():
                try:
                    tally.add(f"page: {name}", check(shown))
                    shown.works()
                except (AssertionError, OSError, KeyError, ValueError) as error:
                    tally.lose(f"page: {name}", "another answer", repr(error))
    said = shown.said
    quiet = not any(name in said for name in ("big.wav", "bomb.flac", "broken"))
    _note(tally, "page: its log", "names no recording", quiet, said[-3000:])
    for _ in range(number):
        _ends(export, place, tally)


def _ends(export: Path, place: Path, tally: Tally) -> None:
    """A page that is told to end."""
    for sent in (signal.SIGTERM, signal.SIGINT):
        with page(export, place, f"--max-upload-mb={MEGABYTES}") as shown:
            statuses = [
                shown.upload("a.wav", os.urandom(990_000))[0] for _ in range(KEPT_UPLOADS + 2)
            ]
            shown.process.send_signal(sent)
            code = shown.process.wait(ENDED)
        how = f"{statuses} {code}"
        _note(tally, "page: uploads without end", "507", statuses[-1] == 507, how)
        name, gone = f"page: {signal.Signals(sent).name}", not shown.folder.exists()
        _note(tally, name, "nothing is left", gone, how)


def _note(tally: Tally, name: str, happened: str, right: bool, how: str) -> None:
    if right:
        tally.add(name, happened)
    else:
        tally.lose(name, f"not: {happened}", how)
