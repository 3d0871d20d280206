"""Draw a section's figures: choose the runs of each and write its caption."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from camser.evaluation import statistics
from camser.evaluation.report import figures, published, tables
from camser.evaluation.report.document import Picture
from camser.evaluation.report.figures.tsne import MIN_POINTS
from camser.evaluation.report.format import title
from camser.evaluation.report.runs import ProtocolResults, RunRecord, VariantResults
from camser.evaluation.results import read_arrays, read_history


def draw_figures(section: ProtocolResults, folder: Path) -> list[Picture]:
    """Draw a section's figures into a folder, as PNG and SVG.

    Arguments
    ---------
    section : ProtocolResults
        From ``collect.collect``.
    folder : Path
        The output folder; file names begin with the section's name.
    """
    prefix = _slug(f"{section.corpus} {section.protocol} {section.selection}")
    drawn = [*_scores(section), *_spaces(section), *_attention(section), *_curves(section)]
    pictures, names = [], Counter[str]()
    for name, caption, figure in drawn:
        names[name] += 1
        # Different variant names can give equal file names.
        number = f"-{names[name]}" if names[name] > 1 else ""
        files = figures.save(figure, folder, f"{prefix}-{name}{number}")
        pictures.append(Picture(f"{caption} {title(section)}.", files))
    return pictures


Drawn = Iterator[tuple[str, str, Figure]]


def _scores(section: ProtocolResults) -> Drawn:
    variants = section.variants.values()
    for score in ("UA", "WA"):
        rows = {
            v.name: {
                "folds": [fold[score] for fold in v.folds.values()],
                "pooled": v.pooled[score],
                "interval": v.intervals[score],
            }
            for v in variants
        }
        chance = 1 / len(section.labels) if score == "UA" else None
        figure = figures.compare(rows, chance, score, title(section))
        yield (
            f"variants-{score}",
            f"{score} by variant: folds, and pooled with 95 % interval.",
            figure,
        )
    counts = {v.name: v.pooled["confusion"] for v in variants}
    text = "Row-normalised confusion, pooled over folds (the form of Fig. 3)."
    yield "confusion", text, figures.confusion(counts, section.labels, title(section))
    panels = {v.name: statistics.calibration(v.truths, v.log_probabilities) for v in variants}
    text = "Reliability: accuracy against confidence, and expected calibration error (ECE)."
    yield "reliability", text, figures.reliability(panels, title(section))
    main = section.main
    kinds = {"speaker": main.column("speaker"), **tables.groupings(main)}
    scores = {kind: tables.by_groups(main, names) for kind, names in kinds.items()}
    yield "groups", f"{main.name} by group, pooled.", figures.groups(scores, title=title(section))


def _with_arrays(variant: VariantResults, name: str) -> RunRecord | None:
    """The first run with a ``{name}.npz``."""
    have = (run for run in variant.runs if (run.folder / f"{name}.npz").is_file())
    return next(have, None)


def _spaces(section: ProtocolResults) -> Drawn:
    """Fig. 2: the vectors of one fold, a panel per model, as models do not share a space."""
    main = section.main
    plain = [v for v in section.variants.values() if _is_concat_of(v, main)]
    panels, run = {}, _with_arrays(main, "embeddings")
    sources = [("with co-attention" if plain else main.name, run)]
    if run and plain:
        same = [r for r in plain[0].runs if r.key == run.key]
        sources = [("without co-attention", r) for r in same] + sources
    target = _target(main)
    for words, source in sources:
        arrays = read_arrays(source.folder / "embeddings.npz") if source else {}
        for name, text in ((f"part.{target}", target), ("fused", "fused vector")):
            if name in arrays and _is_drawable(arrays[name]):
                panels[f"{text}, {words}"] = arrays[name]
    if panels and run:
        panels = dict(sorted(panels.items(), key=lambda p: "fused" in p[0]))
        emotions = [row["label"] for row in run.predictions]
        fold = run.results["fold_name"]
        figure = figures.tsne(panels, emotions, section.labels, title=title(section))
        yield "tsne", f"t-SNE of test utterances of fold {fold} (the form of Fig. 2).", figure


def _is_concat_of(variant: VariantResults, main: VariantResults) -> bool:
    names = [published.row_name(v.settings) or "" for v in (variant, main)]
    with_co_attention = names[1].replace(", softmax)", ")")
    return bool(names[0]) and names[0].replace("w/o co-att", "w/ co-att") == with_co_attention


def _target(variant: VariantResults) -> str | None:
    settings = variant.settings
    if "fusions" not in settings:
        return None
    return settings["fusions"][settings["fusion"]].get("target", settings["modalities"][-1])


def _is_drawable(vectors: np.ndarray) -> bool:
    return len(vectors) >= MIN_POINTS and bool((vectors.std(axis=0) > 0).any())


def _attention(section: ProtocolResults) -> Drawn:
    """Of the main variant, or of the last variant with attention weights."""
    candidates = {v.name: _with_arrays(v, "attention") for v in section.variants.values()}
    runs = {name: run for name, run in candidates.items() if run}
    if not runs:
        return
    name = section.main.name if section.main.name in runs else list(runs)[-1]
    run = runs[name]
    arrays = read_arrays(run.folder / "attention.npz")
    rows = {row["id"]: row for row in run.predictions}
    items = [
        _item(arrays, number, rows[id_], run.results["settings"]["segment_seconds"])
        for number, id_ in enumerate(arrays["ids"].tolist())
    ]
    text = f"Frame weights of {name} over the spectrogram."
    yield "attention", text, figures.attention(items, title(section))


def _item(
    arrays: Mapping[str, np.ndarray], number: int, row: Mapping[str, str], seconds: float
) -> dict[str, Any]:
    prefix = f"{number}.weights."
    return {
        "title": f"{row['id']}: {row['label']}, taken for {row['prediction']}",
        "spectrogram": arrays[f"{number}.spectrogram"].astype(np.float32),
        "samples": int(arrays[f"{number}.samples"]),
        "weights": {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)},
        "segment_seconds": seconds,
    }


def _curves(section: ProtocolResults) -> Drawn:
    for variant in section.variants.values():
        runs = {f"fold {r.key[0]}, seed {r.key[1]}": r for r in variant.runs}
        histories = {name: read_history(run.folder) for name, run in runs.items()}
        histories = {name: rows for name, rows in histories.items() if rows}
        if histories:
            best = {name: runs[name].results["best_epoch"] for name in histories}
            words = f"{variant.name}: {title(section)}"
            figure = figures.curves(histories, best, words)
            yield f"curves-{_slug(variant.name)}", f"Learning curves of {variant.name}.", figure


def _slug(name: str) -> str:
    return re.sub(r"\W+", "-", name).strip("-")
