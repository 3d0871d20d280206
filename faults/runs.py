"""Small runs to be disturbed: forked, where all is imported already, and compared by their ends."""

from __future__ import annotations

import multiprocessing
import os
import random
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import sklearn.metrics  # noqa: F401 - an import without memory fails in ways of Python's own
import torch
from campaign import ROOT

import camser.experiment  # noqa: F401 - before any fork
from camser.interrupts import INTERRUPTS
from camser.synthetic import synthesize_corpus

RECIPE = ROOT / "recipes/IEMOCAP/train.py"
SMALL = [
    str(ROOT / "tests/hparams/tiny.yaml"), "--device=cpu", "--noprogressbar",
    "--modalities=[mfcc]", "--fusion=attentive", "--batch_size=4", "--number_of_epochs=3",
]  # fmt: skip
FORK = multiprocessing.get_context("fork")
LONGEST = 240.0  # seconds; what takes longer hangs
GRACE = 60.0  # seconds in which what cannot go on has ended


class Ended(NamedTuple):
    """How a run ended: its status, None where it had to be killed, and what it said."""

    status: int | None
    said: str

    @property
    def in_a_line(self) -> bool:
        """Whether it ended with one line of ours, and no traceback."""
        lines = self.said.strip().splitlines() or [""]
        return self.status == 1 and "Traceback" not in self.said and lines[-1].startswith("error:")


class Run:
    """A run in a process of its own, which leads a group of its own.

    Arguments
    ---------
    arguments : sequence of str
        Of the recipe.
    log : Path
        Where it says what it says.
    environment : mapping of str to str
        Beside this process's.
    before : callable, optional
        What its process does first.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.log = log
        asked = list(arguments), log, dict(environment or {}), before
        self.process = FORK.Process(target=_be, args=asked)
        self.process.start()

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        return self.process.pid

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self.process.join(seconds)
        return self.process.exitcode is not None

    def ended(self, seconds: float = LONGEST) -> Ended:
        """Its end; what takes longer is killed."""
        status = self.process.exitcode if self.wait(seconds) else None
        if status is None:
            os.kill(self.pid, 9)
            self.process.join()
        return Ended(status, self.log.read_text(errors="replace"))

    def workers(self) -> list[int]:
        """The processes that it has begun itself."""
        try:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in children.split()]


def _be(
    arguments: list[str], log: Path, environment: dict[str, str], before: Callable | None
) -> None:
    os.setpgid(0, 0)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ.update(environment)
    INTERRUPTS.install()  # while Python imports, a signal is Python's own affair
    if before is not None:
        before()
    sys.argv, sys.path[0] = [str(RECIPE), *arguments], str(RECIPE.parent)
    runpy.run_path(str(RECIPE), run_name="__main__")


class Bench:
    """A corpus, a folder to work in, and how the undisturbed run ends.

    Arguments
    ---------
    seed : int
        Of all that is drawn.
    options : sequence of str
        Of the recipe, beside ``SMALL``.
    environments : sequence of mappings
        One a process; of several they are those of a distributed run.
    """

    def __init__(
        self,
        seed: int,
        options: Sequence[str] = (),
        environments: Sequence[Mapping[str, str]] = ({},),
    ) -> None:
        torch.set_num_threads(1)
        self.rng = random.Random(seed)
        self.work = Path(tempfile.mkdtemp(prefix="camser-faults-"))
        self.options, self.environments = list(options), list(environments)
        self.started = 0
        synthesize_corpus(self.work / "corpus", 2, 8, mean_seconds=0.8)
        begun = time.monotonic()
        ended = self.whole(self.work / "undisturbed")
        self.seconds = time.monotonic() - begun
        assert all(end.status == 0 for end in ended), ended
        self.wanted = outcome(self.work / "undisturbed")

    def start(self, folder: Path, *more: str, before: Callable | None = None) -> list[Run]:
        """Begin a run in a folder; a distributed one's processes in order."""
        paths = [
            f"--data_folder={self.work / 'corpus'}", f"--output_folder={folder / 'run'}",
            f"--prepared_folder={folder / 'prepared'}",
        ]  # fmt: skip
        arguments = [*SMALL, *paths, *self.options, *more]
        self.started += 1
        logs = [f"{folder.name}.{self.started}.{n}.log" for n in range(len(self.environments))]
        return [
            Run(arguments, self.work / log, environment, before)
            for log, environment in zip(logs, self.environments, strict=True)
        ]

    def whole(self, folder: Path) -> list[Ended]:
        """A run, to its end."""
        return [run.ended() for run in self.start(folder)]

    def moment(self) -> float:
        """Some time of a run."""
        return self.rng.uniform(0.02, self.seconds)

    def goes_on(self, folder: Path) -> str:
        """Run once more to the end: how it differs from the undisturbed run, "" if it does not."""
        ended = self.whole(folder)
        if any(end.status != 0 for end in ended):
            return f"status {[end.status for end in ended]}: {ended[0].said[-300:]}"
        return "" if outcome(folder) == self.wanted else "other weights"

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.work, ignore_errors=True)


def outcome(folder: Path) -> tuple:
    """What the end of a run is told by: its predictions, and the newest checkpoint's weights."""
    predictions = (folder / "run/predictions.csv").read_bytes()
    newest = max((folder / "run/save").glob("CKPT*"), key=lambda path: path.stat().st_mtime)
    files = [newest / f"{name}.ckpt" for name in ("embedding_model", "classifier")]
    states = [torch.load(path, weights_only=True) for path in files]
    return predictions, [{k: v.tolist() for k, v in state.items()} for state in states]


def parts(folder: Path) -> list[Path]:
    """What is half-written in a run's own folder: temporary files and folders.

    In a prepared folder others may be writing: there, what is left goes when it is old.
    """
    return [p for p in (folder / "run").rglob("*") if p.name.startswith(("partial-", "."))]


def scan_of(root: Path) -> Callable:
    """IEMOCAP's reading of a data folder, from its recipe."""
    return runpy.run_path(str(root / "recipes/IEMOCAP/iemocap_prepare.py"))["scan"]
