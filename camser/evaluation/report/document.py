"""The blocks of a report, rendered as Markdown or as one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
       color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums;
        display: block; overflow-x: auto }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ccc; text-align: right }
th { vertical-align: bottom } td { white-space: nowrap }
th:first-child, td:first-child { text-align: left }
thead th { border-bottom: 2px solid #444 }
.caption { color: #444; margin: 1.5rem 0 -.5rem }
figure { margin: 1.5rem 0 } img { max-width: 100% } figcaption { color: #444 }
"""


@dataclass(frozen=True)
class Heading:
    """A heading of a level from 1."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of texts under a header; the first column is the name of the row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """The files of a figure, {"png": path, "svg": path}, beside the report."""

    caption: str
    files: Mapping[str, Path]


Block = Heading | Paragraph | Table | Picture


def to_markdown(blocks: Sequence[Block]) -> str:
    """The report as Markdown; figures are links to the files beside it."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block], title: str) -> str:
    """The report as one page that needs no other file; figures are embedded."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def table_to_markdown(table: Table) -> str:
    """The table alone, without its caption."""
    rules = ["---", *["---:"] * (len(table.header) - 1)]
    lines = [table.header, rules, *table.rows]
    return "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Text on one line, with Markdown's special characters escaped."""
    return re.sub(r"([\\`*<>|])", r"\\\1", " ".join(text.split()))


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_escaped(text)}"
        case Paragraph(text):
            return _escaped(text)
        case Table(caption):
            return f"{_escaped(caption)}\n\n{table_to_markdown(block)}"
        case Picture(caption, files):
            text = _escaped(caption.replace("[", "(").replace("]", ")"))
            return f"![{text}]({files['png'].name})\n\n*{text}*"


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{html.escape(text)}</p>"
        case Table(caption, header, rows):
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
            body = "".join(
                f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>\n"
                for row in rows
            )
            return (
                f'<p class="caption">{html.escape(caption)}</p>\n<table>\n'
                f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"
            )
        case Picture(caption, files):
            # One image per figure, so that the ids of two SVGs cannot collide.
            data = base64.b64encode(files["svg"].read_bytes()).decode()
            text = html.escape(caption, quote=True)
            return (
                f'<figure><img alt="{text}" src="data:image/svg+xml;base64,{data}">\n'
                f"<figcaption>{text}</figcaption></figure>"
            )
