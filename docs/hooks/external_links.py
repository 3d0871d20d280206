"""After a build: a list of the addresses outside of the site, which the build does not fetch."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

FILE = "external_links.txt"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        lines = [f"{address}\t{', '.join(sorted(pages))}" for address, pages in links(app).items()]
        Path(app.outdir, FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def links(app: Sphinx) -> dict[str, set[str]]:
    """The pages that link to each address."""
    found: dict[str, set[str]] = defaultdict(set)
    for page in app.env.found_docs:
        for node in app.env.get_doctree(page).findall(nodes.reference):
            if "://" in (address := node.get("refuri", "")):
                found[address].add(page)
    return dict(sorted(found.items()))
