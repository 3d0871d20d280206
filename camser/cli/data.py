"""``camser data``: look at labelled recordings before training."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camser.cli.label_options import HELP, add_label_options, table_arguments
from camser.cli.plugins.text_table import format_columns
from camser.runtime.messages import escape_control_characters

if TYPE_CHECKING:
    from camser.data_check.finding import Finding
    from camser.evaluation.report.tables import Table

EPILOG = """\
examples:
  camser data labels.csv
  camser data EmoDB --data-folder /data/emodb
  camser data my-model-runs --output data.json

Nothing is changed in the data. What was measured is cached, so a second call is quick.
"""
PAGE = "camser-data.html"


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add ``camser data`` to the command's parser."""
    command = commands.add_parser(
        "data",
        help="look at labelled recordings: what would make a score wrong",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "table", metavar="LABELS|RECIPE",
        help=f"{HELP} Or a recipe: its YAML, its folder, or its name in `camser recipes list`",
    )  # fmt: skip
    add_label_options(command.add_argument_group("labels"))
    command.add_argument("--data-folder", metavar="DIR", help="the corpus, for a recipe")
    command.add_argument("--data_folder", help=argparse.SUPPRESS)  # as the recipes spell it
    command.add_argument(
        "--encoder", metavar="DIR|ID",
        help="guess labels on the frames of a pretrained encoder; on MFCC by default",
    )  # fmt: skip
    command.add_argument("--page", default=PAGE, metavar="FILE", help=f"{PAGE} by default")
    command.add_argument("--output", metavar="FILE", help="write the same as JSON")
    command.add_argument("--no-cache", action="store_true", help="measure all recordings again")
    command.set_defaults(run=_data)


def _data(arguments: argparse.Namespace) -> None:
    from camser.data_check import write
    from camser.data_check.cache import default_path
    from camser.data_check.check import check_recordings
    from camser.data_check.tables import tables

    source = _source(arguments)
    encoder = {"encoder": _encoder(arguments.encoder)} if arguments.encoder else {}
    cache = None if arguments.no_cache else default_path()
    check = check_recordings(source, cache, **encoder)
    classes, forms, *_ = tables(check)
    _print([f"{source.name}: {write.summary(check)}", "", *_lines(classes), "", *_lines(forms), ""])
    _print([f"verdict: {write.verdict(check.findings)}", *finding_lines(check.findings)])
    write.write_page(check, Path(arguments.page))
    print(f"\n{arguments.page}: all tables, figures and examples")
    if arguments.output:
        write.write_json(check, Path(arguments.output))
        print(arguments.output)


def finding_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Two lines a finding: the sentence, and the remedy."""
    for finding in findings:
        yield f"{finding.severity:8}{finding.name}: {finding.sentence}"
        yield f"{'':8}→ {finding.remedy}"


def _source(arguments: argparse.Namespace) -> Any:
    from camser.data_check.source import SourceError, is_recipe, read_labels, read_recipe

    if is_recipe(arguments.table):
        if arguments.columns or arguments.form:
            raise SourceError(f"{arguments.table} is a recipe; --columns and --form are of a table")
        options = arguments.data_folder, arguments.labels, arguments.merge
        return read_recipe(arguments.table, *options)
    if arguments.data_folder:
        raise SourceError(f"{arguments.table} is no recipe; --data-folder is of a recipe")
    return read_labels(table_arguments(arguments))


def _encoder(source: str) -> dict[str, Any]:
    from camser.cli.train.encoder import read_encoder

    encoder = read_encoder(source)
    layer = max(1, encoder.num_layers // 2)
    return {**encoder.settings("all", layer), "pooling": "statistics"}


def _lines(table: Table) -> list[str]:
    rows = [table.header, *table.rows]
    return format_columns(rows, right=range(1, len(table.header)))


def _print(lines: Iterable[str]) -> None:
    print("\n".join(map(escape_control_characters, lines)))
