#!/usr/bin/env python3
"""Which folder of camser/ imports which: a figure, made from the code.

    python docs/imports.py

A row imports the columns that are filled; a number counts the files that do. The order is that of
CONTRIBUTING, so a cell above the diagonal would be an import that is not allowed.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "camser"
# A line may import what stands on lines before it; neighbors on a line do not import each other.
LINES = (
    ("registry", "segments", "over_segments"),
    ("audio",),
    ("runtime",),
    ("config", "data"),
    ("encoders",),
    ("fusion",),
    ("back_ends",),
    ("components", "heads"),
    ("segment_encoder",),
    ("model",),
    ("build",),
    ("evaluation",),
    ("training", "inference", "data_check"),
    ("export", "testing"),
    ("experiment",),
    ("cli",),
)
CELL, LEFT, TOP = 28, 100, 96  # pixels


def imports(path: Path) -> Iterator[str]:
    """The parts of camser that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "camser":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("camser."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            yield from (name.split(".")[1] for name in names if name.startswith("camser."))


def part_of(path: Path) -> str:
    """The folder or file on top of camser/ to which a file belongs."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def counts() -> Counter[tuple[str, str]]:
    """How many files of one part import another part."""
    pairs: Counter[tuple[str, str]] = Counter()
    for path in sorted(PACKAGE.rglob("*.py")):
        own = part_of(path)
        pairs.update((own, other) for other in {*imports(path)} - {own} if own != "__init__")
    return pairs


def figure() -> str:
    """The matrix as SVG."""
    parts, pairs = [part for line in LINES for part in line], counts()
    size = CELL * len(parts)
    shapes = []
    for row, name in enumerate(parts):
        middle = TOP + CELL * row + CELL / 2
        shapes.append(f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{name}</text>')
        x = LEFT + CELL * row + CELL / 2 + 4
        shapes.append(f'<text transform="translate({x} {TOP - 8}) rotate(-90)">{name}</text>')
        for column, other in enumerate(parts):
            number = pairs[name, other]
            fill = "#ddd" if row == column else "#9ecae1" if number else "#f7f7f7"
            where = f'x="{LEFT + CELL * column}" y="{TOP + CELL * row}"'
            shapes.append(f'<rect {where} width="{CELL - 2}" height="{CELL - 2}" fill="{fill}"/>')
            if number:
                x = LEFT + CELL * column + CELL / 2 - 1
                shapes.append(
                    f'<text x="{x}" y="{middle + 3}" text-anchor="middle">{number}</text>'
                )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + size + 8}" '
        f'height="{TOP + size + 8}" font-family="sans-serif" font-size="12">'
    )
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([head, background, *shapes, "</svg>"]) + "\n"


if __name__ == "__main__":
    (ROOT / "docs/imports.svg").write_text(figure(), encoding="utf-8")
