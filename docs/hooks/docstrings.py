"""Indented lines below a colon are shown as they are: our docstrings write no "::"."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

BLOCK = re.compile(r"^( *)(\S.*[^:]):\n\n(?=\1 +\S)", re.M)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process, priority=1)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def process(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    lines[:] = BLOCK.sub(r"\1\2::\n\n", "\n".join(lines)).split("\n")
