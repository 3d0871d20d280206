#!/usr/bin/env python3
"""Lines of code, of docstrings and of comments, by folder.

    python docs/code_size.py
    python docs/code_size.py --json before.json     the figures, kept in a file
    python docs/code_size.py --before before.json   each beside the one that was kept

A line of code holds more than a comment and is not of a docstring; blank lines count nowhere. The
folders of camser/ count in camser/ too.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("camser", "tests", "robustness", "bench", "recipes", "examples", "docs")
KINDS = ("files", "code", "docstrings", "comments")
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip
Table = dict[str, Counter[str]]


def count_lines(source: str) -> Counter[str]:
    """The numbers of lines of code, of docstrings and of comments alone in a file."""
    documented = docstring_lines(ast.parse(source))
    code, comments = set(), set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in NO_CODE:
            code.update(range(token.start[0], token.end[0] + 1))
    return Counter(
        files=1,
        code=len(code - documented),
        docstrings=len(documented),
        comments=len(comments - code),
    )


def docstring_lines(tree: ast.Module) -> set[int]:
    """The numbers of the lines that docstrings fill."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None
        for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
    }


def count_folders() -> Table:
    """By folder, what its files hold."""
    table: Table = {}
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")):
        counts = count_lines(path.read_text(encoding="utf-8"))
        top, *inner, _ = path.relative_to(ROOT).parts
        for name in {top, f"{top}/{inner[0]}"} if top == "camser" and inner else {top}:
            table.setdefault(name, Counter()).update(counts)
    return dict(sorted(table.items()))


def markdown(table: Table, before: Table | None) -> str:
    """``table`` in Markdown, each figure after the one in ``before``."""
    lines = [f"| folder | {' | '.join(KINDS)} |", "|---|" + "---:|" * len(KINDS)]
    for name in sorted({*table, *(before or {})}):
        cells = [str(table.get(name, {}).get(kind, 0)) for kind in KINDS]
        if before is not None:
            old = [before.get(name, {}).get(kind, 0) for kind in KINDS]
            cells = [f"{then} → {now}" for then, now in zip(old, cells, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write the figures where ``--json`` says."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--before", type=Path, metavar="FILE", help="figures of an earlier time")
    asked = parser.parse_args()
    table = count_folders()
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    before = json.loads(asked.before.read_text(encoding="utf-8")) if asked.before else None
    print(markdown(table, before))


if __name__ == "__main__":
    main()
