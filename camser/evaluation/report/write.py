"""Write a report of results: a folder with report.md, report.html, report.json and the figures."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from camser.evaluation.report import tables
from camser.evaluation.report.collect import ReportError
from camser.evaluation.report.comparisons import comparison_tables, pairwise_tests_table
from camser.evaluation.report.figures.style import own_settings
from camser.evaluation.report.plots import draw_figures
from camser.evaluation.report.runs import ProtocolResults
from camser.runtime.files import atomic_write

IDENTITY = ("title", "corpus", "protocol", "selection", "labels")
MARKS = re.compile(r"(<!-- table -->\n).*?(<!-- end -->)", flags=re.S)


def _escape_markdown(value: object) -> str:
    """Text on one line, with Markdown's special characters escaped."""
    return re.sub(r"([\\`*<>|]|\](?=[(\[]))", r"\\\1", " ".join(str(value).split()))


HTML = Environment(
    loader=PackageLoader("camser.evaluation.report"), undefined=StrictUndefined,
    autoescape=True, trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
HTML.filters["base64"] = lambda content: base64.b64encode(content).decode()
MARKDOWN = HTML.overlay(autoescape=False, finalize=_escape_markdown)


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
    shown: dict[str, Any] = {
        "comparisons": list(comparison_tables(sections)),
        "sections": [_section(section, output) for section in sections],
    }
    _write(output / "report.json", json.dumps(_numbers(sections), indent=1) + "\n")
    _write(output / "report.md", MARKDOWN.get_template("report.md.jinja").render(shown))
    _write(output / "report.html", HTML.get_template("report.html.jinja").render(shown))
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
    text = tables_to_markdown([tables.main_table(section) for section in sections])
    _write(Path(readme), MARKS.sub(lambda match: f"{match[1]}{text}{match[2]}", old))


def tables_to_markdown(shown: Sequence[tables.Table]) -> str:
    """Tables, each below its caption."""
    return MARKDOWN.get_template("tables.md.jinja").render(tables=shown).lstrip()


def _section(section: ProtocolResults, output: Path) -> dict[str, Any]:
    """The parts of a section, by the names that the templates use; draws its figures."""
    kinds = [tables.main_table, tables.fold_table, tables.class_table, tables.group_table]
    if len(section.variants) > 1:
        kinds.insert(2, pairwise_tests_table)
    if any("parameters" in run.results for run in section.all_runs):
        kinds.append(tables.cost_table)
    return {
        "title": section.title[:1].upper() + section.title[1:],
        "tables": [make(section) for make in kinds],
        "notes": [note for note in (tables.text_note(section), _provenance(section)) if note],
        "figures": draw_figures(section, output),
    }


def _provenance(section: ProtocolResults) -> str:
    results = [run.results for run in section.all_runs]
    versions = {", ".join(f"{k} {v}" for k, v in sorted(r["versions"].items())) for r in results}
    plugins = {
        f"{name}: {plugin['distribution']} {plugin['version']}"
        for one in results
        for name, plugin in one["plugins"].items()
    }
    devices = sorted({one["device"] for one in results})
    hours = sum(one["seconds"] for one in results) / 3600
    return (
        f"{len(results)} runs, {hours:.1f} h of training, on {', '.join(devices)}; "
        f"{'; or '.join(sorted(versions))}. Plugins: {', '.join(sorted(plugins)) or 'none'}. "
        f"Manifest {results[0]['manifest']}."
    )


def _numbers(sections: Sequence[ProtocolResults]) -> dict:
    """The scores, for other programs; everything else can be computed from the runs."""
    return {
        "camser": metadata.version("camser"),
        "sections": [
            {
                **{name: getattr(section, name) for name in IDENTITY},
                "num_folds": section.num_folds,
                "manifest": section.all_runs[0].results["manifest"],
                "table": tables.main_table(section)._asdict(),
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


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text)
