"""What is told of two: variants side by side, selections side by side, and the paper's Table 1."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from camser.folds import OPTIMISTIC
from camser.report import published, statistics
from camser.report.blocks import Table
from camser.report.cells import difference, mean, p_value, percent, selection, title
from camser.report.runs import Section, Variant


def pair_table(section: Section) -> Table:
    """Every two variants: the folds' paired differences, and McNemar's test."""
    rows = []
    for one, other in itertools.combinations(section.variants.values(), 2):
        shared = [name for name in one.folds if name in other.folds]
        if not shared:
            continue
        row = [f"{one.name} – {other.name}"]
        for score in ("WA", "UA"):
            found = statistics.paired_folds(
                [one.folds[n][score] for n in shared], [other.folds[n][score] for n in shared]
            )
            row += [difference(found), p_value(found["p_value"])]
        test = statistics.mcnemar(*_paired(one, other))
        row += [f"{test['only_one']} / {test['only_other']}", p_value(test["p_value"])]
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


def _paired(one: Variant, other: Variant) -> tuple[list[int], list[int], list[int]]:
    """Labels and both predictions of the utterances that both tested, under one shared seed."""
    seeds = [{r.results["seed"] for r in v.runs} for v in (one, other)]
    chosen = [min(seeds[0] & seeds[1] or s) for s in seeds]
    labels = one.labels
    found = []
    for variant, seed in zip((one, other), chosen, strict=True):
        runs = [run for run in variant.runs if run.results["seed"] == seed]
        found.append({row["id"]: row for run in runs for row in run.predictions})
    ids = [name for name in found[0] if name in found[1]]
    return (
        [labels.index(found[0][i]["label"]) for i in ids],
        [labels.index(found[0][i]["prediction"]) for i in ids],
        [labels.index(found[1][i]["prediction"]) for i in ids],
    )


def leak_table(honest: Section, biased: Section) -> Table:
    """The same variants, the epoch chosen on held-out data and on the test fold, and the gap."""
    rows = []
    for name in honest.variants:
        if name in biased.variants:
            means = [
                [mean(s.variants[name], score) for score in ("WA", "UA")] for s in (honest, biased)
            ]
            gap = [f"{100 * (b - a):+.1f}" for a, b in zip(*means, strict=True)]
            shown = [percent(value) for pair in means for value in pair]
            rows.append([name, *shown, *gap])
    kept, leaked = selection(honest), f"{OPTIMISTIC}"
    header = ["model", f"WA, {kept}", f"UA, {kept}", f"WA, {leaked}", f"UA, {leaked}"]
    return Table(
        f"What selection on the test fold is worth: {honest.corpus}, "
        f"{honest.protocol.replace('_', ' ')}; means over folds in %, the gap in points.",
        [*header, "gap WA", "gap UA"],
        rows,
    )


def table_1(sections: Sequence[Section]) -> Table:
    """Table 1's form: published systems on IEMOCAP under both protocols, and the whole model."""
    rows = []
    for protocol, systems in published.TABLE_1.items():
        words = protocol.replace("_", " ")
        for name, pair in systems.items():
            told = f"{name}, {OPTIMISTIC}" if published.SOURCE in name else name
            rows.append([told, words, *("–" if v is None else f"{v:.2f}" for v in pair)])
        for section in sections:
            if (section.corpus, section.protocol) != (published.CORPUS, protocol):
                continue
            for variant in section.variants.values():
                if published.row_name(variant.settings) == published.WHOLE:
                    scores = [percent(mean(variant, s), 2) for s in ("WA", "UA")]
                    rows.append([f"{variant.name}, {selection(section)}", words, *scores])
    return Table(
        f"Table 1 of {published.SOURCE}, as printed, beside this evaluation; in %.",
        ["model", "protocol", "WA", "UA"],
        rows,
    )
