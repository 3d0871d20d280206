"""The options that say which labels a table holds: of ``camser train`` and ``camser data``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = (
    "CSV, TSV, JSON lines or Parquet with columns file and emotion, and perhaps speaker, start, "
    "end, split, gender, text; a folder of folders; a Kaldi folder; an audformat database; …"
)


def add_label_options(labels: argparse._ArgumentGroup) -> None:
    """Add them to a command's group."""
    labels.add_argument(
        "--columns", type=_mapping, metavar="{…}",
        help='names of columns that are not recognized: "{emotion: mood, speaker: null}"',
    )  # fmt: skip
    labels.add_argument(
        "--labels", nargs="+", metavar="EMOTION", help="the classes; all emotions by default"
    )
    labels.add_argument(
        "--merge", type=_mapping, default={}, metavar="{…}",
        help='emotions that count as another: "{excited: happy}"',
    )  # fmt: skip
    labels.add_argument("--form", help="of LABELS, where it is not recognized: table, folders, …")


def table_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of ``read_table`` that were given."""
    source = Path(options.table)
    given = {
        "source": str(source.absolute()) if source.exists() else options.table,
        "columns": options.columns,
        "form": options.form,
        "labels": options.labels,
        "merge_labels": options.merge,
    }
    return {name: value for name, value in given.items() if value}


def _mapping(text: str) -> dict[str, Any]:
    from camser.config.values import load_yaml

    try:
        value = load_yaml(text, "", "safe")
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise argparse.ArgumentTypeError(f'{text!r} is no table; write it as "{{a: b, c: d}}"')
    return value
