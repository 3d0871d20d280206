"""A section's tables: scores with intervals, folds, classes, groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from camser.data.folds import OPTIMISTIC
from camser.evaluation import statistics
from camser.evaluation.report import published
from camser.evaluation.report.document import Table
from camser.evaluation.report.format import interval, label, pair, percent, spread, title
from camser.evaluation.report.runs import SCORES, ProtocolResults, VariantResults

LENGTHS = statistics.length_groups((0, 2, 4, 8))
HEARD = {"yes": "text occurs in training", "no": "new text", "": ""}


def main_table(section: ProtocolResults) -> Table:
    """Scores per variant: mean and deviation over folds, pooled with intervals (as in Table 2)."""
    known = {
        name: published.published_scores(
            v.settings, section.corpus, section.protocol, section.labels
        )
        for name, v in section.variants.items()
    }
    shows = any(known.values())
    header = ["model", "runs", "WA", "UA", "macro-F1", "pooled WA [95 %]", "pooled UA [95 %]"]
    header += ["published WA", "published UA"] if shows else []
    rows = []
    for variant in section.variants.values():
        row = [label(variant), _runs(variant, section)]
        row += [spread([fold[s] for fold in variant.folds.values()]) for s in SCORES]
        limits = variant.intervals
        row += [f"{percent(variant.pooled[s])} {interval(limits[s])}" for s in ("WA", "UA")]
        if shows:
            row += [f"{value:.2f}" for value in known[variant.name] or ()] or ["", ""]
        rows.append(row)
    caption = (
        f"{title(section)}. In %: mean ± standard deviation over folds; pooled over all tested "
        f"utterances, with 95 % bootstrap intervals in which whole speakers are drawn."
    )
    if shows:
        caption += f" Published: Table 2 of {published.SOURCE}, {OPTIMISTIC}, over 10 speakers."
    return Table(caption, header, rows)


def fold_table(section: ProtocolResults) -> Table:
    """WA / UA by fold and variant."""
    absent = {r.results["fold_name"]: r.results["absent"] for r in section.all_runs}
    rows = []
    for name in section.fold_names:
        mark = f" †({', '.join(absent[name])})" if absent[name] else ""
        cells = [pair(v.folds.get(name)) for v in section.variants.values()]
        rows.append([f"{name}{mark}", *cells])
    note = "" if not any(absent.values()) else " † without this class: UA is over the others."
    return Table(
        f"{title(section)}. WA / UA in % by tested fold.{note}",
        ["fold", *section.variants],
        rows,
    )


def class_table(section: ProtocolResults) -> Table:
    """Recall / precision by class, pooled."""
    rows = []
    for variant in section.variants.values():
        recall, precision = variant.pooled["recall"], variant.pooled["precision"]
        cells = [f"{percent(recall[c])} / {percent(precision[c])}" for c in section.labels]
        rows.append([variant.name, *cells])
    return Table(
        f"{title(section)}. Recall / precision in %, pooled.", ["model", *section.labels], rows
    )


def groupings(variant: VariantResults) -> dict[str, list[str]]:
    """The groupings of utterances by kind, each with one group name per row."""
    seconds = [float(value) for value in variant.column("seconds")]
    kinds = {
        "corpus": variant.column("corpus"),
        "gender": variant.column("gender"),
        "style": variant.column("style"),
        "length": statistics.length_groups(seconds),
        "text": [HEARD[value] for value in variant.column("text_in_train")],
    }
    return {kind: names for kind, names in kinds.items() if len({*names} - {""}) > 1}


def by_groups(variant: VariantResults, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """See ``statistics.by_group``; length groups go from short to long.

    ``num_utterances`` counts an utterance once, for any number of seeds.
    """
    groups = statistics.by_group(variant.truths, variant.guesses, names, variant.labels)
    pairs = {*zip(names, variant.column("id"), strict=True)}
    for name, scores in groups.items():
        scores["num_utterances"] = sum(group == name for group, _ in pairs)
    return dict(sorted(groups.items(), key=lambda group: _sort_key("", group[0])))


def group_table(section: ProtocolResults) -> Table:
    """WA / UA by gender, style, length, and whether the text occurs in training."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    counts: Counter = Counter()
    for variant in section.variants.values():
        for kind, names in groupings(variant).items():
            for name, scores in by_groups(variant, names).items():
                cells.setdefault((kind, name), {})[variant.name] = pair(scores)
                counts[kind, name] = max(counts[kind, name], scores["num_utterances"])
    rows = [
        [f"{kind}: {name} (n = {counts[kind, name]})"]
        + [values.get(variant, "–") for variant in section.variants]
        for (kind, name), values in sorted(cells.items(), key=lambda cell: _sort_key(*cell[0]))
    ]
    return Table(
        f"{title(section)}. WA / UA in %, pooled, by group.", ["group", *section.variants], rows
    )


def _sort_key(kind: str, name: str) -> tuple:
    return kind, LENGTHS.index(name) if name in LENGTHS else 0, name


def text_note(section: ProtocolResults) -> str:
    """How many tested utterances have a text that occurs in training; "" if texts are unknown."""
    rows = {row["id"]: row["text_in_train"] for row in section.main.rows}
    known = [value for value in rows.values() if value]
    if not known:
        return ""
    share = known.count("yes") / len(known)
    return (
        f"{known.count('yes')} of {len(known)} tested utterances ({100 * share:.1f} %) say words "
        f"that also occur in their fold's training part."
    )


def _runs(variant: VariantResults, section: ProtocolResults) -> str:
    folds = f"{len(variant.folds)} of {len(section.fold_names)} folds"
    counts = Counter(run.results["fold"] for run in variant.runs).values()
    if max(counts) == 1:
        return folds
    seeds = f"{max(counts)}" if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"
    return f"{folds}, {seeds} seeds"
