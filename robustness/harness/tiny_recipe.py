"""A tiny recipe for the campaigns: trained in a place of its own, compared by all that it comes to.

It computes on one CPU thread, so that the same steps give the same weights to the last bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from iemocap_prepare import scan

from camser.data.synthetic import synthesize_corpus
from camser.evaluation import results
from camser.experiment import run
from camser.export import verify
from camser.inference import EmotionClassifier
from camser.training.checkpoints import best_checkpoint_at, read_checkpoints
from robustness.harness.forked_run import Run, adopt
from robustness.harness.report import ROOT

RECIPE = ROOT / "recipes/IEMOCAP"
TINY = ROOT / "tests/hparams/tiny.yaml"
MANY = (
    "--device=cpu", "--noprogressbar", "--number_of_epochs=3", "--ckpt_interval_steps=2",
    "--grad_accumulation_factor=2", "--batch_size=8", "--learning_rate=0.003",
    "--encoders={wav2vec2: {mask_time_prob: 0.3, layer_drop: 0.3}, mfcc: {standardize: true}}",
    "--modalities=[mfcc, wav2vec2]", "--fusions={co_attention: {guides: [mfcc]}}",
)  # fmt: skip


class Place(NamedTuple):
    """Where a trial's files are, and what it trains."""

    folder: Path
    corpus: Path
    options: tuple[str, ...] = MANY

    @property
    def output(self) -> Path:
        return self.folder / "run"

    @property
    def prepared(self) -> Path:
        return self.folder / "prepared"

    @property
    def export(self) -> Path:
        return self.folder / "export"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def arguments(self) -> list[str]:
        """The tiny recipe's."""
        paths = {
            "data_folder": self.corpus, "output_folder": self.output,
            "prepared_folder": self.prepared, "export_folder": self.export,
        }  # fmt: skip
        return [str(TINY), *self.options, *(f"--{name}={path}" for name, path in paths.items())]


def begin(folder: Path) -> Path:
    """What all trials of a campaign share: a small corpus."""
    torch.set_num_threads(1)
    adopt()
    synthesize_corpus(folder / "corpus", 2, 8, mean_seconds=0.8)
    return folder / "corpus"


def train(place: Place) -> None:
    """``train.py`` with the place's arguments, in this process."""
    sys.argv = ["train.py", *place.arguments()]
    # What loads an export in a new process is tested elsewhere; here it would take all the time.
    verify._in_another_process = _in_this_process
    run.main(scan, RECIPE)


def _in_this_process(folder: Path, paths: list[str], engine: str) -> list[list[float]]:
    classifier = EmotionClassifier.from_pretrained(folder, device="cpu", engine=engine)
    return classifier.log_probabilities(paths).tolist()


def undisturbed(place: Place, act: Callable[[Place], Any] = train) -> None:
    """Let a run end as it should; what it imported is imported here, for those that follow."""
    place.folder.mkdir()

    def go() -> None:
        act(place)
        (place.folder / "imported").write_text("\n".join(sys.modules), encoding="utf-8")

    status, said = Run(go, place.log).ended()
    if status != 0:
        raise RuntimeError(said)
    for name in (place.folder / "imported").read_text(encoding="utf-8").splitlines():
        if name not in sys.modules:
            with contextlib.suppress(Exception):  # some can only be imported by others
                importlib.import_module(name)


def ended(place: Place, act: Callable[[Place], Any] = train) -> str:
    """Let it run to its end: "" or what it said, one line, or what must never happen."""
    end = Run(lambda: act(place), place.log).ended()
    if end.status == 0:
        return ""
    return end.line or f"LOST: status {end.status}: {end.said[-2000:]}"


def outcome(place: Place) -> dict[str, Any]:
    """All that a run comes to: its files, but for times, and the weights of its checkpoints."""
    found = results.read_results(place.output / results.RESULTS)
    history = results.read_history(place.output)
    for told in (found, *history):
        told.pop("seconds")
    found.pop("test_seconds")
    checkpoints = read_checkpoints(place.output / "save")
    shown = {"newest": checkpoints[0], "best": best_checkpoint_at(checkpoints[0], checkpoints)}
    names = set(results.FILES) - {results.HISTORY}
    files = {n: _digest((place.output / n).read_bytes()) for n in names}
    weights = {
        f"{which} {name}": _weights(one.paramfiles[name])
        for which, one in shown.items()
        for name in ("embedding_model", "classifier")
    }
    exported = _digest((place.export / "model.safetensors").read_bytes())
    return {"results": found, "history": history, **files, **weights, "export": exported}


def left_over(place: Place) -> list[str]:
    """What an ended run must not leave in its own folder: what is half written, and its lock.

    In a prepared folder others may be writing: there, what is left goes when it is old.
    """
    return [str(p) for p in place.output.rglob("*") if p.name.startswith(("partial-", "."))]


def lost(place: Place, whole: dict[str, Any]) -> str:
    """How an ended run differs from the undisturbed one's outcome; "" where it does not."""
    try:
        found = outcome(place)
    except (ValueError, OSError) as error:
        return f"LOST: it ended, but {error}"
    pairs = {name: (found[name], whole[name]) for name in whole}
    pairs |= {n: (found["results"].get(n), told) for n, told in whole["results"].items()}
    different = sorted(name for name, (one, other) in pairs.items() if one != other)
    return f"LOST: another {', '.join(different)}" if different else ""


def _weights(path: Path) -> str:
    state = torch.load(path, map_location="cpu", weights_only=True)
    return _digest(*(name.encode() + t.numpy().tobytes() for name, t in state.items()))


def _digest(*contents: bytes) -> str:
    sha = hashlib.sha256()
    for content in contents:
        sha.update(content)
    return sha.hexdigest()[:16]


def files_below(*folders: Path) -> Iterator[Path]:
    """Every file, in order."""
    for folder in folders:
        yield from sorted(p for p in folder.rglob("*") if p.is_file())
