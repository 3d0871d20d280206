#!/usr/bin/env python3
"""The tables of docs/robustness.md, made from the campaigns' files.

    python -m robustness.harness.write_tables docs/robustness.md

Between ``<!-- NAME -->`` and ``<!-- end -->`` stands the table of ``robustness/results/NAME.json``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from robustness.harness.report import RESULTS, tables

BLOCK = re.compile(r"(<!-- ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, folder: Path = RESULTS) -> str:
    """``text`` with what the files say between its marks."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{_block(folder / f'{m[2]}.json')}\n\n{m[3]}", text)


def _block(path: Path) -> str:
    if not path.is_file():
        return "Not tried yet; run `make robustness`."
    found = json.loads(path.read_text(encoding="utf-8"))
    return tables.markdown([row | {"by": f"`{found['command']}`"} for row in found["rows"]])


if __name__ == "__main__":
    tables.fill_page(filled, "python -m robustness.harness.write_tables docs/robustness.md")
