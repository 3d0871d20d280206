"""Draw a section's figures: choose the runs of each and write its caption."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from camser.audio import SAMPLE_RATE
from camser.evaluation import statistics
from camser.evaluation.report import figures, published, tables
from camser.evaluation.report.figures.tsne import MIN_POINTS
from camser.evaluation.report.runs import ProtocolResults, RunRecord, VariantResults
from camser.evaluation.results import (
    ATTENTION,
    EMBEDDINGS,
    ResultsError,
    read_arrays,
    read_history,
)

Drawn = Iterator[tuple[str, str, Figure]]  # file name, caption, figure


def draw_figures(section: ProtocolResults, folder: Path) -> list[tuple[str, dict[str, Path]]]:
    """Draw a section's figures into a folder, as PNG and SVG.

    Arguments
    ---------
    section : ProtocolResults
        From ``collect.collect``.
    folder : Path
        The output folder; file names begin with the section's name.

    Returns
    -------
    list of (str, dict)
        The caption and the files of each figure, by "png" and "svg".
    """
    prefix = _slug(f"{section.corpus} {section.protocol} {section.selection}")
    drawn = [*_scores(section), *_spaces(section), *_attention(section), *_curves(section)]
    pictures, names = [], Counter[str]()
    for name, caption, figure in drawn:
        names[name] += 1
        # Different variant names can give equal file names.
        number = f"-{names[name]}" if names[name] > 1 else ""
        files = figures.save(figure, folder, f"{prefix}-{name}{number}")
        pictures.append((f"{caption} {section.title}.", files))
    return pictures


def _scores(section: ProtocolResults) -> Drawn:
    variants, title = section.variants.values(), section.title
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
        text = f"{score} by variant: folds, and pooled with 95 % interval."
        yield f"variants-{score}", text, figures.compare(rows, chance, score, title)
    counts = {v.name: v.pooled["confusion"] for v in variants}
    text = "Row-normalised confusion, pooled over folds (the form of Fig. 3)."
    yield "confusion", text, figures.confusion(counts, section.labels, title)
    panels = {v.name: statistics.calibration(v.truths, v.log_probabilities) for v in variants}
    text = "Reliability: accuracy against confidence, and expected calibration error (ECE)."
    yield "reliability", text, figures.reliability(panels, title)
    main = section.main
    kinds = {"speaker": main.column("speaker"), **tables.groupings(main)}
    scores = {kind: tables.by_groups(main, names) for kind, names in kinds.items() if any(names)}
    if scores:
        yield "groups", f"{main.name} by group, pooled.", figures.groups(scores, title)


def _spaces(section: ProtocolResults) -> Drawn:
    """Fig. 2: the vectors of one fold, a panel per model, as models do not share a space."""
    main = section.main
    run = _first_with(main, EMBEDDINGS)
    if not run:
        return
    plain = [v for v in section.variants.values() if _is_concat_of(v, main)]
    sources = {"with co-attention" if plain else main.name: run}
    for other in plain[0].runs if plain else ():
        if other.key == run.key:
            sources = {"without co-attention": other, **sources}
    modalities = main.settings.get("modalities") or [None]
    target = main.fusion.get("target", modalities[-1])
    arrays = {words: read_arrays(r.folder / EMBEDDINGS) for words, r in sources.items()}
    panels = {
        f"{text}, {words}": vectors[name]
        for name, text in ((f"part.{target}", target), ("fused", "fused vector"))
        for words, vectors in arrays.items()
        if name in vectors and _is_drawable(vectors[name])
    }
    if panels:
        emotions = [row["label"] for row in run.predictions]
        text = f"t-SNE of test utterances of fold {run.results['fold_name']} (the form of Fig. 2)."
        yield "tsne", text, figures.tsne(panels, emotions, section.labels, section.title)


def _first_with(variant: VariantResults, file: str) -> RunRecord | None:
    """The first run that has a file of this name."""
    return next((run for run in variant.runs if (run.folder / file).is_file()), None)


def _is_concat_of(variant: VariantResults, main: VariantResults) -> bool:
    plain, attending = (published.row_name(v.settings) or "" for v in (variant, main))
    counterpart = plain.replace("w/o co-att", "w/ co-att")
    return plain != counterpart and counterpart == attending.replace(", softmax)", ")")


def _is_drawable(vectors: np.ndarray) -> bool:
    return len(vectors) >= MIN_POINTS and int((np.ptp(vectors, axis=0) > 0).sum()) > 1


def _attention(section: ProtocolResults) -> Drawn:
    """Of the main variant, or of the last variant with attention weights."""
    candidates = {v.name: _first_with(v, ATTENTION) for v in section.variants.values()}
    runs = {name: run for name, run in candidates.items() if run}
    if not runs:
        return
    name = section.main.name if section.main.name in runs else list(runs)[-1]
    run = runs[name]
    path = run.folder / ATTENTION
    arrays = read_arrays(path)
    rows = {row["id"]: row for row in run.predictions}
    try:
        items = [
            _item(arrays, number, rows[id_], run.results["settings"]["segment_seconds"])
            for number, id_ in enumerate(arrays["ids"].tolist())
        ]
    except KeyError as error:
        raise ResultsError(f"{path} lacks {error}; delete it and run again") from error
    text = f"Frame weights of {name} over the spectrogram."
    yield "attention", text, figures.attention(items, section.title)


def _item(
    arrays: Mapping[str, np.ndarray], number: int, row: Mapping[str, str], seconds: float
) -> dict[str, Any]:
    prefix, samples = f"{number}.weights.", f"{number}.segment_samples"
    return {
        "title": f"{row['id']}: {row['label']}, taken for {row['prediction']}",
        "spectrogram": arrays[f"{number}.spectrogram"].astype(np.float32),
        "samples": int(arrays[f"{number}.samples"]),
        "weights": {n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)},
        "segment_seconds": arrays[samples] / SAMPLE_RATE if samples in arrays else seconds,
    }


def _curves(section: ProtocolResults) -> Drawn:
    for variant in section.variants.values():
        runs = [(read_history(run.folder), run.results["best_epoch"]) for run in variant.runs]
        runs = [(rows, best) for rows, best in runs if rows and "valid_loss" in rows[0]]
        if runs:
            figure = figures.curves(runs, f"{variant.name}: {section.title}")
            yield f"curves-{_slug(variant.name)}", f"Learning curves of {variant.name}.", figure


def _slug(name: str) -> str:
    return re.sub(r"\W+", "-", name).strip("-")
