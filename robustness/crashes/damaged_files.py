#!/usr/bin/env python3
"""A file of a run is damaged: what reads it next gives what it should, or one clear error.

    python -m robustness.crashes.damaged_files --number 8

A file, drawn at random, is cut off, emptied, deleted, or one of its bits is flipped; then the
run's command is given again, or the run is read for a report, exported, or its export is loaded.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from camser.evaluation import results
from camser.evaluation.report.collect import collect
from camser.export.export_run import export_run
from camser.inference import EmotionClassifier
from robustness.crashes.kill import count_writes, killed_at
from robustness.harness import report, tiny_recipe

LIGHT = 4  # times as many trials of what takes no training


def cut(path: Path, rng: random.Random) -> None:
    """Keep only the beginning."""
    path.write_bytes(path.read_bytes()[: rng.randrange(max(1, path.stat().st_size))])


def empty(path: Path, rng: random.Random) -> None:
    """Keep nothing."""
    path.write_bytes(b"")


def flip(path: Path, rng: random.Random) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes() or b"\0")
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def delete(path: Path, rng: random.Random) -> None:
    """Remove it."""
    path.unlink()


HARM = {"cut off": cut, "emptied": empty, "a bit flipped": flip, "deleted": delete}


def again(place: tiny_recipe.Place, whole: dict[str, Any]) -> str:
    """Give the run's command again."""
    if told := tiny_recipe.ended(place):
        return "clear error" if told.startswith("error: ") else told
    return tiny_recipe.lost(place, whole) or "same weights and results"


def reported(place: tiny_recipe.Place) -> Any:
    """All that a report is made of."""
    (section,) = collect([place.output])
    (run,) = section.all_runs
    arrays = {}
    for name in (results.EMBEDDINGS, results.ATTENTION):
        found = results.read_arrays(place.output / name)
        arrays |= {f"{name} {k}": v.tolist() for k, v in found.items()}
    return run.results, run.predictions, results.read_history(place.output), arrays


def exported(place: tiny_recipe.Place) -> Any:
    """A new export of the run, as it decides."""
    export_run(place.output, place.folder / "new", verified=False)
    return decided(place, "new")


def decided(place: tiny_recipe.Place, name: str = "export") -> Any:
    """What the export says of some recordings."""
    classifier = EmotionClassifier.from_pretrained(place.folder / name, device="cpu")
    paths = sorted(str(p) for p in place.corpus.glob("Session1/sentences/wav/*/Ses*.wav"))[:2]
    found = classifier.classify_file(paths[0])
    return np.asarray(classifier.log_probabilities(paths)).tolist(), str(found)


def read(place: tiny_recipe.Place, act: Callable[[tiny_recipe.Place], Any], expected: Any) -> str:
    """Read what is damaged; the right answer, or a clear error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = act(place)
    except ValueError:
        return "clear error"
    except Exception as error:
        return f"LOST: {type(error).__name__}: {error}"
    return "right answer" if found == expected else "LOST: another answer"


def damaged(
    template: tiny_recipe.Place, parts: list[str], act: Callable[[tiny_recipe.Place], str],
    harm: Callable, rng: random.Random,
) -> tuple[str, str]:  # fmt: skip
    """Damage a file of a copy, and act on it: which file, and what came of it."""
    place = template._replace(folder=template.folder.with_name("trial"))
    shutil.copytree(template.folder, place.folder)
    try:
        path = rng.choice(list(tiny_recipe.files_below(*(place.folder / part for part in parts))))
        harm(path, rng)
        return str(path.relative_to(place.folder)), act(place)
    finally:
        shutil.rmtree(place.folder)


def run(asked: argparse.Namespace, tally: report.Tally) -> None:
    """All kinds, each as often as asked for."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = tiny_recipe.begin(Path(folder))
        whole, half = (tiny_recipe.Place(Path(folder) / name, corpus) for name in ("whole", "half"))
        counts = count_writes(whole)
        half.folder.mkdir()
        shutil.copytree(whole.prepared, half.prepared)
        assert killed_at(half, "train", round(0.7 * counts["train"]), random.Random(0))
        goes_on = partial(again, whole=tiny_recipe.outcome(whole))
        tries = [
            (f"{state} run, a file {how}: started again", place, ["run", "prepared"], goes_on, harm)
            for state, place in (("ended", whole), ("unfinished", half))
            for how, harm in HARM.items()
        ]
        for what, parts, act in (
            ("read for a report", ["run"], reported),
            ("exported", ["run"], exported),
            ("its export loaded", ["export"], decided),
        ):
            name, reads = f"ended run, a file damaged: {what}", partial(read, act=act)
            reads = partial(reads, expected=_expected(act, whole))
            tries += [(name, whole, parts, reads, harm) for harm in HARM.values()]
        for fault, place, parts, act, harm in tries:
            for number in range(asked.number * (1 if act is goes_on else LIGHT)):
                seed = f"{asked.seed} {fault} {harm.__name__} {number}"
                path, came = damaged(place, parts, act, harm, random.Random(seed))
                tally.count(fault, came, f"seed {seed}\n{path}\n{came}")


def _expected(act: Callable[[tiny_recipe.Place], Any], whole: tiny_recipe.Place) -> Any:
    place = whole._replace(folder=whole.folder.with_name("expected"))
    shutil.copytree(whole.folder, place.folder)
    found = act(place)
    shutil.rmtree(place.folder)
    return found


if __name__ == "__main__":
    report.main(run, number=8)
