"""Write a report of results: a folder with report.md, report.html, report.json and the figures."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from camser.evaluation.report import published, tables
from camser.evaluation.report.collect import ReportError
from camser.evaluation.report.comparisons import pairwise_tests_table, selection_bias_table, table_1
from camser.evaluation.report.document import (
    Block,
    Heading,
    Paragraph,
    Table,
    table_to_markdown,
    to_html,
    to_markdown,
)
from camser.evaluation.report.figures.style import own_settings
from camser.evaluation.report.format import title
from camser.evaluation.report.plots import draw_figures
from camser.evaluation.report.runs import ProtocolResults
from camser.runtime.files import atomic_write

MARKS = re.compile(r"(<!-- table -->\n).*?(<!-- end -->)", flags=re.S)


@own_settings()
def write_report(sections: Sequence[ProtocolResults], output: str | Path) -> Path:
    """Write a report.

    Arguments
    ---------
    sections : sequence of ProtocolResults
        From ``collect.collect``.
    output : str or Path
        The folder to write.

    Returns
    -------
    Path
        The path of ``report.html``.

    Raises
    ------
    ReportError
        If sections to compare differ in more than their selection.
    ResultsError
        If a file is damaged.
    """
    output = Path(output)
    blocks: list[Block] = [Heading("Evaluation", 1), *_comparisons(sections)]
    for section in sections:
        blocks += [Heading(_first_up(title(section))), *_section(section), *_provenance(section)]
        blocks += draw_figures(section, output)
    _write(output / "report.json", json.dumps(_numbers(sections), indent=1) + "\n")
    _write(output / "report.md", to_markdown(blocks))
    _write(output / "report.html", to_html(blocks, "Evaluation"))
    return output / "report.html"


def update_readme_table(sections: Sequence[ProtocolResults], readme: str | Path) -> None:
    """Write the sections' main tables between the two marker lines of a README.

    Raises
    ------
    ReportError
        If the README lacks the lines ``<!-- table -->`` and ``<!-- end -->``.
    """
    old = Path(readme).read_text(encoding="utf-8")
    if not MARKS.search(old):
        raise ReportError(f"{readme} has no lines <!-- table --> and <!-- end -->; add both to it")
    main_tables = [tables.main_table(section) for section in sections]
    text = "\n\n".join(f"{table.caption}\n\n{table_to_markdown(table)}" for table in main_tables)
    _write(Path(readme), MARKS.sub(lambda match: f"{match[1]}{text}\n{match[2]}", old))


def _comparisons(sections: Sequence[ProtocolResults]) -> list[Block]:
    """The tables over several sections."""
    blocks: list[Block] = []
    if any(section.corpus == published.CORPUS for section in sections):
        blocks.append(table_1(sections))
    for honest in sections:
        for biased in sections:
            same = (honest.corpus, honest.protocol) == (biased.corpus, biased.protocol)
            if same and (honest.selection, biased.selection) == ("held_out", "test_fold"):
                blocks.append(selection_bias_table(honest, biased))
    return blocks


def _section(section: ProtocolResults) -> list[Block]:
    blocks: list[Block] = [tables.main_table(section), tables.fold_table(section)]
    if len(section.variants) > 1:
        blocks.append(pairwise_tests_table(section))
    blocks += [tables.class_table(section), tables.group_table(section)]
    note = tables.text_note(section)
    return [*blocks, Paragraph(note)] if note else blocks


def _provenance(section: ProtocolResults) -> list[Block]:
    versions = {json.dumps(r.results["versions"], sort_keys=True) for r in section.all_runs}
    plugins = {
        f"{name}: {p['distribution']} {p['version']}"
        for run in section.all_runs
        for name, p in run.results["plugins"].items()
    }
    devices = sorted({run.results["device"] for run in section.all_runs})
    hours = sum(run.results["seconds"] for run in section.all_runs) / 3600
    lines = [", ".join(f"{k} {v}" for k, v in json.loads(one).items()) for one in sorted(versions)]
    return [
        Paragraph(
            f"{len(section.all_runs)} runs, {hours:.1f} h of training, on {', '.join(devices)}; "
            f"{'; or '.join(lines)}. Plugins: {', '.join(sorted(plugins)) or 'none'}. "
            f"Manifest {section.all_runs[0].results['manifest']}."
        )
    ]


def _numbers(sections: Sequence[ProtocolResults]) -> dict:
    """The scores, for other programs; everything else can be computed from the runs."""
    return {
        "camser": metadata.version("camser"),
        "sections": [
            {
                "title": title(section),
                "corpus": section.corpus,
                "protocol": section.protocol,
                "selection": section.selection,
                "labels": section.labels,
                "manifest": section.all_runs[0].results["manifest"],
                "table": _table(tables.main_table(section)),
                "variants": {
                    name: {
                        "folds": variant.folds,
                        "pooled": variant.pooled,
                        "intervals": variant.intervals,
                        "seeds": sorted({run.results["seed"] for run in variant.runs}),
                    }
                    for name, variant in section.variants.items()
                },
            }
            for section in sections
        ],
    }


def _table(table: Table) -> dict:
    return {"caption": table.caption, "header": table.header, "rows": table.rows}


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text)
