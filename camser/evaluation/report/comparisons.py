"""Comparison tables: pairs of variants, two selections, and the paper's Table 1."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from statistics import mean

from camser.data.folds import OPTIMISTIC
from camser.evaluation import statistics
from camser.evaluation.report import published
from camser.evaluation.report.collect import ReportError, shared_settings
from camser.evaluation.report.document import Table
from camser.evaluation.report.format import (
    difference,
    over_folds,
    p_value,
    percent,
    selection,
    title,
)
from camser.evaluation.report.runs import ProtocolResults, VariantResults


def pairwise_tests_table(section: ProtocolResults) -> Table:
    """All pairs of variants: paired differences over folds, and McNemar's test."""
    rows = []
    for one, other in itertools.combinations(section.variants.values(), 2):
        shared = [name for name in one.folds if name in other.folds]
        if not shared:
            continue
        row = [f"{one.name} – {other.name}"]
        for score in ("WA", "UA"):
            test_result = statistics.paired_folds(
                [one.folds[n][score] for n in shared], [other.folds[n][score] for n in shared]
            )
            row += [difference(test_result), p_value(test_result["p_value"])]
        pairs = _paired(one, other)
        test = statistics.mcnemar(*pairs) if pairs else None
        row += [f"{test['only_one']} / {test['only_other']}" if test else "–"]
        row += [p_value(test["p_value"] if test else None)]
        rows.append(row)
    header = ["pair", "ΔWA", "p (t)", "ΔUA", "p (t)", "only one right", "p (McNemar)"]
    return Table(
        f"{title(section)}. Differences in points, mean ± standard deviation over shared folds, "
        f"with the paired t-test (folds share training data: its p is too small); and, of one "
        f"seed, the utterances that only one of the two gets right, with McNemar's exact test. "
        f"No p is corrected for the number of pairs.",
        header,
        rows,
    )


def _paired(
    one: VariantResults, other: VariantResults
) -> tuple[list[int], list[int], list[int]] | None:
    """Labels and both predictions of the shared utterances, for the seed with most shared runs."""
    first_runs, second_runs = ({run.key: run for run in v.runs} for v in (one, other))
    seeds = Counter(seed for _, seed in first_runs.keys() & second_runs.keys())
    if not seeds:
        return None
    chosen = max(seeds, key=lambda seed: (seeds[seed], -seed))
    keys = sorted(k for k in first_runs.keys() & second_runs.keys() if k[1] == chosen)
    both = first_runs, second_runs
    rows = [[{r["id"]: r for r in runs[k].predictions} for runs in both] for k in keys]
    pairs = [(a[i], b[i]) for a, b in rows for i in a if i in b]
    labels = one.labels
    return (
        [labels.index(a["label"]) for a, _ in pairs],
        [labels.index(a["prediction"]) for a, _ in pairs],
        [labels.index(b["prediction"]) for _, b in pairs],
    )


def selection_bias_table(honest: ProtocolResults, biased: ProtocolResults) -> Table:
    """Scores with the epoch chosen on held-out data and on the test fold, and their gap.

    Raises
    ------
    ReportError
        If a variant differs between the two in anything but the selection.
    """
    rows = []
    for name in honest.variants:
        if name not in biased.variants:
            continue
        one, other = honest.variants[name], biased.variants[name]
        _check_alike(one, other)
        runs = [{run.key: run.results for run in v.runs} for v in (one, other)]
        keys = runs[0].keys() & runs[1].keys()
        if not keys:
            continue
        means = [[mean([r[k][s] for k in keys]) for s in ("WA", "UA")] for r in runs]
        gap = [f"{100 * (b - a):+.1f}" for a, b in zip(*means, strict=True)]
        rows.append([name, str(len(keys)), *(percent(v) for pair in means for v in pair), *gap])
    rule = selection(honest)
    header = ["model", "runs", f"WA, {rule}", f"UA, {rule}", f"WA, {OPTIMISTIC}"]
    return Table(
        f"What selection on the test fold is worth: {honest.corpus}, "
        f"{honest.protocol.replace('_', ' ')}; means in % over the folds and seeds that both have, "
        f"the gap in points.",
        [*header, f"UA, {OPTIMISTIC}", "gap WA", "gap UA"],
        rows,
    )


def _check_alike(one: VariantResults, other: VariantResults) -> None:
    """Raise a ReportError unless two variants differ in their selection alone."""
    settings = []
    for variant in (one, other):
        results = variant.runs[0].results
        settings.append({**shared_settings(variant.settings), "manifest": results["manifest"]})
    first, second = settings
    different = {n for n in {*first, *second} if first.get(n) != second.get(n)}
    names = ", ".join(sorted(different - {"selection"}))
    if names:
        raise ReportError(
            f"{one.runs[0].folder} and {other.runs[0].folder} differ in more than the selection: "
            f"{names}; compare runs that differ in the selection only"
        )


def table_1(sections: Sequence[ProtocolResults]) -> Table:
    """Published systems on IEMOCAP under both protocols, and the complete model, as in Table 1."""
    rows = []
    for protocol, systems in published.TABLE_1.items():
        words = protocol.replace("_", " ")
        for name, pair in systems.items():
            model = f"{name}, {OPTIMISTIC}" if published.SOURCE in name else name
            rows.append([model, words, *("–" if v is None else f"{v:.2f}" for v in pair)])
        for section in sections:
            if (section.corpus, section.protocol) != (published.CORPUS, protocol):
                continue
            for variant in section.variants.values():
                is_complete = published.row_name(variant.settings) == published.WHOLE
                if is_complete and published.is_pretrained(variant.settings):
                    scores = [percent(over_folds(variant, s), 2) for s in ("WA", "UA")]
                    rows.append([f"{variant.name}, {selection(section)}", words, *scores])
    return Table(
        f"Table 1 of {published.SOURCE}, as printed, beside this evaluation; in %.",
        ["model", "protocol", "WA", "UA"],
        rows,
    )
