"""What ``camser probe`` prints and writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from camser.cli.plugins.text_table import format_columns
from camser.evaluation.report import figures
from camser.evaluation.report.figures.style import own_settings
from camser.runtime.files import atomic_write, write_csv

NAME = "layers"
COLUMNS = ("fold", "fold_name", "layer", "inner_fold", "WA", "UA")


@own_settings()
def write(found: Mapping[str, Any], folder: Path, override: str) -> None:
    """Print the table and write it, the figure and all scores to a folder.

    Arguments
    ---------
    found : mapping
        From ``recipe.probe``.
    folder : Path
        The folder to write.
    override : str
        How the layer is given on the command line, with LAYER in its place.
    """
    print(table(found))
    chosen = {fold["layer"] for fold in found["folds"]}
    if len(chosen) == 1:
        print(f"\nto train with it: {override.replace('LAYER', str(*chosen))}")
    with atomic_write(folder / f"{NAME}.json") as file:
        file.write(json.dumps(found, indent=1) + "\n")
    write_csv(folder / f"{NAME}.csv", COLUMNS, _rows(found))
    figure = figures.layers(_scores(found), _marks(found), title(found))
    files = figures.save(figure, folder, NAME)
    print(*(folder / f"{NAME}.{kind}" for kind in ("json", "csv")), *files.values(), sep="\n")


def title(found: Mapping[str, Any]) -> str:
    """What was probed, on one line."""
    table = found["settings"]
    source = table.get("source") or "random weights"
    cut = found["segment_seconds"]
    audio = "whole utterances" if cut is None else f"segments of {cut:g} s"
    masked = ", padding masked" if found["mask_padding"] else ""
    pooling = f", {table['pooling']}" if "pooling" in table else ""
    return f"{found['corpus']}: {found['encoder']} ({source}), {audio}{masked}{pooling}"


def table(found: Mapping[str, Any]) -> str:
    """The scores of the layers as text, with what they are scores of."""
    scores, marks = _scores(found), _marks(found)
    rows = [["layer", "WA, %", "UA, %", ""]]
    for number in range(len(scores["UA"])):
        cells = [_spread(scores[name][number]) for name in ("WA", "UA")]
        rows.append([str(number), *cells, marks.get(number, "")])
    lines = [title(found), *_folds_lines(found), "", *format_columns(rows, right=[0, 1, 2])]
    return "\n".join([*lines, "", *_remarks(found)])


def _folds_lines(found: Mapping[str, Any]) -> Iterator[str]:
    plugin, protocol = found["back_end"]["plugin"], found["protocol"].replace("_", " ")
    number = len(found["folds"][0]["layers"][0]["UA"])
    if len(found["folds"]) > 1:
        yield (
            f"{plugin}, {protocol}, {len(found['folds'])} folds, each with up to {number} inner "
            f"folds of its own training speakers"
        )
        yield "mean ± standard deviation over the inner folds of all folds"
        return
    (fold,) = found["folds"]
    units = "speakers" if fold["speakers_known"] else "files (speakers unknown)"
    yield (
        f"{plugin}, {protocol}, fold {fold['fold']} ({fold['name']}): {fold['utterances']} "
        f"training utterances of {fold['speakers']} {units}"
    )
    yield f"mean ± standard deviation over {number} inner folds of these {units.split()[0]}"


def _remarks(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"best: {found['rule']}"
    if len(found["folds"]) > 1:
        chosen = ", ".join(f"{fold['layer']}" for fold in found["folds"])
        yield f"by fold: {chosen}; none was chosen with the fold's own test speakers"
        return
    yield "no utterance of the fold's test and validation splits was used"
    if found["num_protocol_folds"] > 1:
        yield (
            f"{found['num_protocol_folds'] - 1} other folds test speakers that took part here: "
            f"--all-folds chooses a layer for each fold"
        )


def _marks(found: Mapping[str, Any]) -> dict[int, str]:
    """Remarks on layers: the best one, or how often each was, and the recipe's own."""
    total, counts = len(found["folds"]), Counter(fold["layer"] for fold in found["folds"])
    marks = {
        layer: [f"best in {count} of {total}" if total > 1 else "best"]
        for layer, count in counts.items()
    }
    if isinstance(found["recipe_layer"], int):
        marks.setdefault(found["recipe_layer"], []).append("the recipe's")
    return {layer: ", ".join(texts) for layer, texts in marks.items()}


def _scores(found: Mapping[str, Any]) -> dict[str, list[list[float]]]:
    """WA and UA: of each layer, over the inner folds of all folds."""
    return {
        name: [
            [score for fold in found["folds"] for score in fold["layers"][number][name]]
            for number in range(len(found["folds"][0]["layers"]))
        ]
        for name in ("WA", "UA")
    }


def _rows(found: Mapping[str, Any]) -> Iterator[list[Any]]:
    for fold in found["folds"]:
        for layer, scores in enumerate(fold["layers"]):
            for inner, pair in enumerate(zip(scores["WA"], scores["UA"], strict=True)):
                yield [fold["fold"], fold["name"], layer, inner, *pair]


def _spread(scores: Sequence[float]) -> str:
    percent = 100 * np.asarray(scores)
    return f"{percent.mean():.1f} ± {percent.std(ddof=1):.1f}"
