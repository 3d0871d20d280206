#!/usr/bin/env python3
"""Scores on EmoBox's folds beside the published ones, and what shared speakers are worth.

    python recipes/EmoBox/report.py results/emobox --readme recipes/EmoBox/README.md

Runs of the protocol given_shared are on the published folds; those of other protocols stand beside.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from camser.data.protocols import SHARED
from camser.evaluation.report.collect import ReportError, collect
from camser.evaluation.report.format import percent, spread
from camser.evaluation.report.runs import ProtocolResults, VariantResults
from camser.evaluation.report.tables import Table
from camser.evaluation.report.write import tables_to_markdown
from camser.evaluation.results import ResultsError
from camser.runtime.exit import exit_with_message
from camser.runtime.files import atomic_write

HERE = Path(__file__).parent
SCORES = ("UA", "WA", "macro_F1")
HEADER = ["UA", "WA", "macro-F1"]
MARKS = re.compile(r"(<!-- emobox -->\n).*?(<!-- end -->)", flags=re.S)


def tables(sections: Sequence[ProtocolResults], published: dict[str, Any]) -> Iterator[Table]:
    """For each corpus: means beside the published scores, and each fold."""
    for corpus, of_corpus in groupby(sections, key=lambda section: section.corpus):
        own = sorted(of_corpus, key=lambda section: section.protocol != SHARED)
        yield summary(corpus, own, published.get(corpus, {}), published["source"])
        yield folds(corpus, own)


def summary(
    corpus: str, sections: Sequence[ProtocolResults], published: dict[str, Any], source: str
) -> Table:
    """Means over folds, ours and published."""
    rows = [
        [name, words(section), shared(variant), *means(variant)]
        for section in sections
        for name, variant in section.variants.items()
    ]
    number, classes = len(sections[0].labels), published.get("classes")
    other = f", {classes} classes" if classes != number else ""
    for name, scores in published.get("scores", {}).items():
        cells = [f"{scores[s]:.1f}" if s in scores else "–" for s in SCORES]
        name = f"{name}{other}, {source}"
        rows.append([name, words(None), shared(_on_shared(sections)), *cells])
    text = f"{corpus}, {number} classes; in %, mean ± standard deviation over folds."
    if published and other:
        text += f" The published scores are of {classes} classes: they cannot be compared."
    return Table(
        f"{text}{leak(sections)}", ["model", "folds", "speakers in train and test", *HEADER], rows
    )


def leak(sections: Sequence[ProtocolResults]) -> str:
    """How much higher the scores on folds that share speakers are, in a sentence."""
    ours = _on_shared(sections)
    if not ours or not any(map(num_shared, ours.runs)):
        return ""
    text = ""
    for section in sections[1:]:
        other = section.variants.get(ours.name)
        if other and not any(map(num_shared, other.runs)):
            gaps = [mean(f[s] for f in ours.folds.values()) for s in ("UA", "WA")]
            gaps = [
                g - mean(f[s] for f in other.folds.values())
                for g, s in zip(gaps, ("UA", "WA"), strict=True)
            ]
            text += (
                f" Shared speakers are worth {100 * gaps[0]:+.1f} points of UA and "
                f"{100 * gaps[1]:+.1f} of WA ({words(section)})."
            )
    return text


def folds(corpus: str, sections: Sequence[ProtocolResults]) -> Table:
    """The scores of each fold."""
    rows = []
    for section in sections:
        for name, variant in section.variants.items():
            for run in variant.runs:
                parts, scores = run.results["parts"], [run.results[s] for s in SCORES]
                rows.append(
                    [
                        name, words(section), run.results["fold_name"], str(parts["train"]),
                        str(parts["test"]), str(num_shared(run)), *map(percent, scores),
                    ]
                )  # fmt: skip
    header = ["model", "folds", "fold", "trained", "tested", "speakers in both", *HEADER]
    return Table(f"{corpus}, fold by fold; in %.", header, rows)


def words(section: ProtocolResults | None) -> str:
    """What the folds are."""
    return (
        "published"
        if not section or section.protocol == SHARED
        else (section.protocol.replace("_", " "))
    )


def num_shared(run: Any) -> int:
    """The number of speakers in train and test."""
    return run.results.get("shared_speakers", 0)


def shared(variant: VariantResults | None) -> str:
    """How many speakers train and test share, over the folds."""
    if variant is None:
        return "–"
    counts = sorted({num_shared(run) for run in variant.runs})
    return "–".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))


def means(variant: VariantResults) -> list[str]:
    """Mean and deviation of each score over the folds."""
    return [spread([fold[s] for fold in variant.folds.values()]) for s in SCORES]


def _on_shared(sections: Sequence[ProtocolResults]) -> VariantResults | None:
    """The last variant on the published folds."""
    found = [s for s in sections if s.protocol == SHARED]
    return list(found[0].variants.values())[-1] if found else None


def main() -> None:
    """Print the tables; write them to results/scores.json and the README if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", help="folders with runs of this recipe")
    parser.add_argument("--readme", type=Path, help="a page with <!-- emobox --> and <!-- end -->")
    asked = parser.parse_args()
    with exit_with_message(ReportError, ResultsError):
        sections = collect(asked.results)
    published = yaml.safe_load((HERE / "published.yaml").read_text(encoding="utf-8"))
    made = list(tables(sections, published))
    text = tables_to_markdown(made)
    print(text)
    if asked.readme:
        with atomic_write(asked.readme.parent / "results/scores.json") as file:
            json.dump([table._asdict() for table in made], file, indent=1)
        page = asked.readme.read_text(encoding="utf-8")
        with atomic_write(asked.readme) as file:
            file.write(MARKS.sub(lambda match: f"{match[1]}{text}{match[2]}", page))


if __name__ == "__main__":
    main()
