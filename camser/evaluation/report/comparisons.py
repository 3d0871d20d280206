"""Comparison tables: pairs of variants, two selections, and the paper's Table 1."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import mean

from camser.data.folds import OPTIMISTIC
from camser.evaluation import statistics
from camser.evaluation.report import published
from camser.evaluation.report.collect import ReportError, comparable
from camser.evaluation.report.format import difference, p_value, percent
from camser.evaluation.report.runs import ProtocolResults, VariantResults
from camser.evaluation.report.tables import Table


def comparison_tables(sections: Sequence[ProtocolResults]) -> Iterator[Table]:
    """The tables over several sections."""
    if any(section.corpus == published.CORPUS for section in sections):
        yield table_1(sections)
    for honest, biased in itertools.permutations(sections, 2):
        same = (honest.corpus, honest.protocol) == (biased.corpus, biased.protocol)
        if same and (honest.selection, biased.selection) == ("held_out", "test_fold"):
            yield selection_bias_table(honest, biased)


def pairwise_tests_table(section: ProtocolResults) -> Table:
    """All pairs of variants: paired differences over folds, and McNemar's test."""
    rows = []
    for one, other in itertools.combinations(section.variants.values(), 2):
        shared = [name for name in one.folds if name in other.folds]
        if not shared:
            continue
        row = [f"{one.name} – {other.name}"]
        for score in ("WA", "UA"):
            folds = ([variant.folds[n][score] for n in shared] for variant in (one, other))
            found = statistics.paired_folds(*folds)
            row += [difference(found), p_value(found["p_value"])]
        rows.append([*row, *_mcnemar(one, other)])
    return Table(
        f"{section.title}. Differences in points, mean ± standard deviation over shared folds, "
        f"with the paired t-test (folds share training data: its p is too small); and, of one "
        f"seed, the utterances that only one of the two gets right, with McNemar's exact test. "
        f"No p is corrected for the number of pairs.",
        ["pair", "ΔWA", "p (t)", "ΔUA", "p (t)", "only one right", "p (McNemar)"],
        rows,
    )


def _mcnemar(one: VariantResults, other: VariantResults) -> list[str]:
    """McNemar's test on the shared utterances, for the seed with most shared runs."""
    runs = [{run.key: run for run in variant.runs} for variant in (one, other)]
    shared = runs[0].keys() & runs[1].keys()
    if not shared:
        return ["–", "–"]
    seed = Counter(sorted(seed for _, seed in shared)).most_common(1)[0][0]
    rows = [
        {row["id"]: row for key in shared if key[1] == seed for row in mine[key].predictions}
        for mine in runs
    ]
    both = [(row, rows[1][name]) for name, row in rows[0].items() if name in rows[1]]
    found = statistics.mcnemar(
        [a["label"] for a, _ in both],
        [a["prediction"] for a, _ in both],
        [b["prediction"] for _, b in both],
    )
    return [f"{found['only_one']} / {found['only_other']}", p_value(found["p_value"])]


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
            means = [mean(results[k][s] for k in keys) for results in runs for s in ("WA", "UA")]
            gap = [f"{100 * (means[i + 2] - means[i]):+.1f}" for i in (0, 1)]
            rows.append([name, str(len(keys)), *map(percent, means), *gap])
    rules = (honest.selection_rule, OPTIMISTIC)
    return Table(
        f"What selection on the test fold is worth: {honest.corpus}, "
        f"{honest.protocol.replace('_', ' ')}; means in % over the folds and seeds that both have, "
        f"the gap in points.",
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


def table_1(sections: Sequence[ProtocolResults]) -> Table:
    """Published systems on IEMOCAP under both protocols, and the complete model, as in Table 1."""
    rows = []
    for protocol, systems in published.TABLE_1.items():
        words = protocol.replace("_", " ")
        for name, scores in systems.items():
            model = f"{name}, {OPTIMISTIC}" if published.SOURCE in name else name
            rows.append([model, words, *("–" if v is None else f"{v:.2f}" for v in scores)])
        for section in sections:
            if (section.corpus, section.protocol) != (published.CORPUS, protocol):
                continue
            for variant in section.variants.values():
                if published.is_whole(variant.settings):
                    means = [mean(f[s] for f in variant.folds.values()) for s in ("WA", "UA")]
                    texts = (percent(value, 2) for value in means)
                    rows.append([f"{variant.name}, {section.selection_rule}", words, *texts])
    return Table(
        f"Table 1 of {published.SOURCE}, as printed, beside this evaluation; in %.",
        ["model", "protocol", "WA", "UA"],
        rows,
    )
