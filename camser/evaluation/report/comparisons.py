"""Comparison tables: pairs of variants, and two selections."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any

from camser.data.folds import OPTIMISTIC, UNKNOWN_SPEAKERS
from camser.evaluation import bootstrap, statistics
from camser.evaluation.report import published
from camser.evaluation.report.collect import ReportError, comparable
from camser.evaluation.report.format import difference, p_value, percent
from camser.evaluation.report.runs import ProtocolResults, VariantResults
from camser.evaluation.report.table_1 import table_1
from camser.evaluation.report.tables import Table

PAIRED = ("WA", "UA")


def comparison_tables(sections: Sequence[ProtocolResults]) -> Iterator[Table]:
    """The tables over several sections."""
    if any(section.corpus == published.CORPUS for section in sections):
        yield table_1(sections)
    for honest, biased in itertools.permutations(sections, 2):
        same = (honest.corpus, honest.protocol) == (biased.corpus, biased.protocol)
        if same and (honest.selection, biased.selection) == ("held_out", "test_fold"):
            yield selection_bias_table(honest, biased)


def pairwise_tests_table(section: ProtocolResults) -> Table:
    """All pairs of variants: differences over folds and over speakers, and tests of both."""
    pairs, intervals = {}, []
    for one, other in itertools.combinations(section.variants.values(), 2):
        if shared := [name for name in one.folds if name in other.folds]:
            tests = [_paired_folds(one, other, shared, score) for score in PAIRED]
            pairs[f"{one.name} – {other.name}"] = [*tests, _sign_flip(one, other)]
            intervals.append(_pooled_difference(one, other))
    columns = zip(*pairs.values(), strict=True)
    adjusted = (statistics.holm([test["p_value"] for test in tests]) for tests in columns)
    rows = []
    for (name, tests), interval, p_values in zip(
        pairs.items(), intervals, zip(*adjusted, strict=True), strict=True
    ):
        wa, ua, right = (
            [t["text"], p_value(t["p_value"], p)] for t, p in zip(tests, p_values, strict=True)
        )
        rows.append([name, *wa, *ua, interval, *right])
    return Table(
        f"{section.title}. Differences in points, mean ± standard deviation over shared folds, "
        f"with the corrected resampled t-test (Nadeau and Bengio, 2003: folds share training "
        f"data); of the pooled utterances, the difference with a 95 % bootstrap interval in which "
        f"whole speakers are drawn; and, of one seed, the utterances that only one of the two "
        f"gets right, with an exact sign-flip test in which speakers, not utterances, are the "
        f"units (with k speakers p is at least 2 / 2^k). Each p is given as it is / corrected for "
        f"all pairs in its column (Holm, 1979).",
        ["pair", "ΔWA", "p / Holm (t)", "ΔUA", "p / Holm (t)", "ΔUA pooled [95 %]",
         "only one right", "p / Holm (speakers)"],
        rows,
    )  # fmt: skip


def _paired_folds(
    one: VariantResults, other: VariantResults, names: Sequence[str], score: str
) -> dict[str, Any]:
    """The test over the named folds, which both have."""
    runs = [run for run in (*one.runs, *other.runs) if run.results["fold_name"] in names]
    first, second = ([variant.folds[name][score] for name in names] for variant in (one, other))
    found = statistics.paired_folds(first, second, mean(run.test_to_train for run in runs))
    return {**found, "text": difference(found)}


def _pooled_difference(one: VariantResults, other: VariantResults) -> str:
    """The difference of the pooled UA with its interval, of speakers that both are tested on."""
    first, second = ((v.truths, v.guesses, v.column("speaker")) for v in (one, other))
    interval = bootstrap.bootstrap_difference(first, second, len(one.labels))["UA"]
    if interval is None:
        return "–"
    value, low, high = (100 * v for v in (one.pooled["UA"] - other.pooled["UA"], *interval))
    return f"{value:+.1f} [{low:.1f}, {high:.1f}]"


def _sign_flip(one: VariantResults, other: VariantResults) -> dict[str, Any]:
    """The test over speakers on the shared utterances, for the seed with most shared runs."""
    runs = [{run.key: run for run in variant.runs} for variant in (one, other)]
    shared = runs[0].keys() & runs[1].keys()
    if not shared:
        return {"p_value": None, "text": "–"}
    seed = Counter(sorted(seed for _, seed in shared)).most_common(1)[0][0]
    rows = [
        {row["id"]: row for key in shared if key[1] == seed for row in mine[key].predictions}
        for mine in runs
    ]
    both = [(row, rows[1][name]) for name, row in rows[0].items() if name in rows[1]]
    found = statistics.sign_flip(
        [a["label"] for a, _ in both],
        [a["prediction"] for a, _ in both],
        [b["prediction"] for _, b in both],
        [a["speaker"] for a, _ in both],
    )
    return {**found, "text": f"{found['only_one']} / {found['only_other']}"}


def selection_bias_table(honest: ProtocolResults, biased: ProtocolResults) -> Table:
    """Scores with the epoch chosen on held-out data and on the test fold, and their gap.

    Raises
    ------
    ReportError
        If a variant differs between the two in anything but the selection.
    """
    rows = []
    for name, one in honest.variants.items():
        if name not in biased.variants:
            continue
        other = biased.variants[name]
        _check_alike(one, other)
        runs = [{run.key: run.results for run in variant.runs} for variant in (one, other)]
        if keys := runs[0].keys() & runs[1].keys():
            means = [mean(results[k][s] for k in keys) for results in runs for s in PAIRED]
            gap = [f"{100 * (means[i + 2] - means[i]):+.1f}" for i in (0, 1)]
            folds = len({fold for fold, _ in keys})
            runs_text = str(len(keys))
            if folds != honest.num_folds:
                runs_text += f" ({folds} of {honest.num_folds or '?'} folds)"
            rows.append([name, runs_text, *map(percent, means), *gap])
    rules = (honest.selection_rule, OPTIMISTIC)
    note = "" if honest.speakers_known else f", {UNKNOWN_SPEAKERS}"
    return Table(
        f"What selection on the test fold is worth: {honest.corpus}, "
        f"{honest.protocol.replace('_', ' ')}{note}; means in % over the folds and seeds that "
        f"both have, the gap in points.",
        ["model", "runs", *(f"{s}, {rule}" for rule in rules for s in ("WA", "UA")),
         "gap WA", "gap UA"],
        rows,
    )  # fmt: skip


def _check_alike(one: VariantResults, other: VariantResults) -> None:
    """Raise a ReportError unless two variants differ in their selection alone."""
    first, second = (comparable(variant.runs[0]) for variant in (one, other))
    different = {n for n in {*first, *second} if first.get(n) != second.get(n)} - {"selection"}
    if different:
        raise ReportError(
            f"{one.runs[0].folder} and {other.runs[0].folder} differ in more than the selection: "
            f"{', '.join(sorted(different))}; compare runs that differ in the selection only"
        )
