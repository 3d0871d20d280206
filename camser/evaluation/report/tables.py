"""A section's tables: scores with intervals, folds, classes, groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import mean
from typing import Any, NamedTuple

from camser.data.folds import OPTIMISTIC
from camser.evaluation import statistics
from camser.evaluation.bootstrap import MIN_SPEAKERS
from camser.evaluation.report import published
from camser.evaluation.report.format import integer, pair, percent, spread
from camser.evaluation.report.runs import SCORES, ProtocolResults, VariantResults

TEXTS = {"yes": "text occurs in training", "no": "new text", "": ""}


class Table(NamedTuple):
    """Rows of texts under a header; the first column is the name of the row."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def main_table(section: ProtocolResults) -> Table:
    """Scores per variant: mean and deviation over folds, pooled with intervals (as in Table 2)."""
    header = ["model", "runs", "WA", "UA", "macro-F1", "pooled WA [95 %]", "pooled UA [95 %]"]
    caption = (
        f"{section.title}. In %: mean ± standard deviation over folds; pooled over all tested "
        f"utterances, with 95 % bootstrap intervals in which whole speakers are drawn."
    )
    variants = section.variants.values()
    rows = [
        [
            _model(variant),
            _runs(variant, section),
            *(spread([fold[s] for fold in variant.folds.values()]) for s in SCORES),
            *(_pooled(variant, s) for s in ("WA", "UA")),
        ]
        for variant in variants
    ]
    if any(variant.intervals["WA"] is None for variant in variants):
        reason = f"fewer than {MIN_SPEAKERS} speakers were tested"
        known = section.speakers_known
        caption += f" [–]: no interval, because {reason if known else 'speakers are unknown'}."
    if (section.corpus, section.protocol) == (published.CORPUS, published.PROTOCOL_2):
        header.append("published WA / UA")
        caption += (
            f" Published: Table 2 of {published.SOURCE}, {OPTIMISTIC}, over 10 speakers; only "
            f"beside all folds of the same system."
        )
        reasons: list[str] = []
        for row, variant in zip(rows, variants, strict=True):
            row.append(_published(variant, section, reasons))
        caption += "".join(f" †{i} {reason}." for i, reason in enumerate(reasons, start=1))
    return Table(caption, header, rows)


def _published(variant: VariantResults, section: ProtocolResults, reasons: list[str]) -> str:
    """The values, or the number of the reason why there are none; a new one is appended."""
    name = published.table_2_row(variant.settings)
    differences = published.why_not(variant, section) if name else ["not in Table 2"]
    if name and not differences:
        return " / ".join(f"{value:.2f}" for value in published.TABLE_2[name])
    reason = "; ".join(differences)
    if reason not in reasons:
        reasons.append(reason)
    return f"– †{reasons.index(reason) + 1}"


def _model(variant: VariantResults) -> str:
    """The name of the variant, and its row of Table 2 if that has another name."""
    row = published.row_name(variant.settings)
    return variant.name if row in (None, variant.name) else f"{variant.name}: {row}"


def _runs(variant: VariantResults, section: ProtocolResults) -> str:
    text = section.folds_of(variant)
    seeds = sorted({*Counter(run.results["fold"] for run in variant.runs).values()})
    if seeds != [1]:
        text += f", {'–'.join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1])))} seeds"
    is_incomplete = section.num_folds and len(variant.folds) < section.num_folds
    return f"{text} (incomplete)" if is_incomplete else text


def _pooled(variant: VariantResults, score: str) -> str:
    limits = variant.intervals[score]
    interval = f"[{percent(limits[0])}, {percent(limits[1])}]" if limits else "[–]"
    return f"{percent(variant.pooled[score])} {interval}"


def fold_table(section: ProtocolResults) -> Table:
    """WA / UA by fold and variant."""
    absent = {r.results["fold_name"]: r.results["absent"] for r in section.all_runs}
    rows = []
    for name in section.fold_names:
        mark = f" †({', '.join(absent[name])})" if absent[name] else ""
        rows.append([name + mark, *(pair(v.folds.get(name)) for v in section.variants.values())])
    note = " † without this class: UA is over the others." if any(absent.values()) else ""
    caption = f"{section.title}. WA / UA in % by tested fold.{note}"
    return Table(caption, ["fold", *section.variants], rows)


def class_table(section: ProtocolResults) -> Table:
    """Recall / precision by class, pooled."""
    rows = []
    for variant in section.variants.values():
        recall, precision = variant.pooled["recall"], variant.pooled["precision"]
        cells = [f"{percent(recall[c])} / {percent(precision[c])}" for c in section.labels]
        rows.append([variant.name, *cells])
    caption = f"{section.title}. Recall / precision in %, pooled."
    return Table(caption, ["model", *section.labels], rows)


def group_table(section: ProtocolResults) -> Table:
    """WA / UA by corpus, gender, style, length, and whether the text occurs in training."""
    found = {
        variant.name: {
            (kind, name): scores
            for kind, names in groupings(variant).items()
            for name, scores in by_groups(variant, names).items()
        }
        for variant in section.variants.values()
    }
    groups = {group for scores in found.values() for group in scores}
    rows = []
    for kind, name in sorted(groups, key=_order):
        scores = [of_variant.get((kind, name)) for of_variant in found.values()]
        count = max(one["num_utterances"] for one in scores if one)
        rows.append([f"{kind}: {name} (n = {count})", *map(pair, scores)])
    caption = f"{section.title}. WA / UA in %, pooled, by group."
    return Table(caption, ["group", *section.variants], rows)


def cost_table(section: ProtocolResults) -> Table:
    """Parameters, operations and seconds by variant; a dash where the runs do not record them."""
    rows = []
    for variant in section.variants.values():
        first, *_ = results = [run.results for run in variant.runs]
        total = first.get("parameters", {}).get("total", {})
        counts = (total.get("total"), total.get("trained"), first.get("segment_flops"))
        tested = [r["test_seconds"] for r in results if r.get("test_seconds") is not None]
        seconds = [[r["seconds"] for r in results], tested]
        means = (f"{mean(values):.1f}" if values else "–" for values in seconds)
        rows.append([variant.name, *map(integer, counts), *means])
    caption = (
        f"{section.title}. Parameters; floating-point operations of one segment in evaluation mode "
        f"(a multiply-add is two; matrix products, convolutions, recurrent layers and attention, "
        f"not Fourier transforms, normalizations and activations); seconds of a run, means over "
        f"the runs: all epochs with their validation, and the best epoch on the test split."
    )
    header = ["model", "parameters", "trained", "operations", "training (s)", "test (s)"]
    return Table(caption, header, rows)


def groupings(variant: VariantResults) -> dict[str, list[str]]:
    """The groupings of utterances by kind, each with one group name per row."""
    kinds = {
        **{kind: variant.column(kind) for kind in ("corpus", "gender", "style")},
        "length": statistics.length_groups([float(value) for value in variant.column("seconds")]),
        "text": [TEXTS[value] for value in variant.column("text_in_train")],
    }
    return {kind: names for kind, names in kinds.items() if len({*names} - {""}) > 1}


def by_groups(variant: VariantResults, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """See ``statistics.by_group``; length groups go from short to long.

    ``num_utterances`` counts an utterance once, for any number of seeds.
    """
    groups = statistics.by_group(variant.truths, variant.guesses, names, variant.labels)
    counts = Counter(name for name, _ in {*zip(names, variant.column("id"), strict=True)})
    return {
        name: {**groups[name], "num_utterances": counts[name]}
        for name in sorted(groups, key=lambda name: _order(("", name)))
    }


def _order(group: tuple[str, str]) -> tuple:
    kind, name = group
    lengths = statistics.LENGTHS
    return kind, lengths.index(name) if name in lengths else 0, name


def text_note(section: ProtocolResults) -> str:
    """How many tested utterances have a text that occurs in training; "" if texts are unknown."""
    rows = {row["id"]: row["text_in_train"] for row in section.main.rows}
    known = [value for value in rows.values() if value]
    if not known:
        return ""
    count = known.count("yes")
    return (
        f"{count} of {len(known)} tested utterances ({100 * count / len(known):.1f} %) say words "
        f"that also occur in their fold's training part."
    )
