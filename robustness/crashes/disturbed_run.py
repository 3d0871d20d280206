"""Small runs that are disturbed: each must end as it should, and the same command then as ever."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import sklearn.metrics  # noqa: F401 - an import without memory fails in ways of Python's own

from camser.runtime.signals import SIGNALS
from robustness.harness import tiny_recipe
from robustness.harness.forked_run import Ended, Run
from robustness.harness.report import Tally

SAME = "same weights after the same command"
SMALL = (
    "--device=cpu", "--noprogressbar", "--modalities=[mfcc]", "--fusion=attentive",
    "--batch_size=4", "--number_of_epochs=3",
)  # fmt: skip


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
        self.rng = random.Random(seed)
        self.work = Path(tempfile.mkdtemp(prefix="camser-faults-"))
        self.options, self.environments = tuple(options), list(environments)
        self.started = 0
        self.corpus = tiny_recipe.begin(self.work)
        place = self.place(self.work / "undisturbed")
        if len(self.environments) == 1:
            tiny_recipe.undisturbed(place._replace(folder=self.work / "first"))
        begun = time.monotonic()
        ended = self.whole(place.folder)
        self.seconds = time.monotonic() - begun
        assert all(end.status == 0 for end in ended), ended
        self.wanted = tiny_recipe.outcome(place)

    def place(self, folder: Path) -> tiny_recipe.Place:
        """A trial's."""
        return tiny_recipe.Place(folder, self.corpus, (*SMALL, *self.options))

    def start(self, folder: Path, before: Callable[[], None] = lambda: None) -> list[Run]:
        """Begin a run in a folder, whose processes do something before; they are in order."""
        self.started += 1  # logs lie where the disk has room
        return [
            Run(
                partial(_train, self.place(folder), environment, before),
                self.work / f"{folder.name}.{self.started}.{n}.log",
            )
            for n, environment in enumerate(self.environments)
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
        left = tiny_recipe.left_over(self.place(folder))
        return tiny_recipe.lost(self.place(folder), self.wanted) or (f"left {left}" if left else "")

    def judge(self, tally: Tally, fault: str, happened: str, folder: Path) -> None:
        """Count what happened, once the same command has ended as the undisturbed run did."""
        if wrong := self.goes_on(folder):
            how = f"in {folder.name}, options {self.options}"
            tally.lose(fault, f"{happened}; {wrong}", how)
        else:
            tally.add(fault, f"{happened}, {SAME}")

    def judge_end(
        self,
        tally: Tally,
        fault: str,
        end: Ended,
        folder: Path,
        spared: str,
        word: str = "",
        untyped: bool = False,
    ) -> None:
        """The same of a run that must end with one line of ours, if it was not spared.

        Arguments
        ---------
        tally, fault, folder
            As for ``judge``.
        end : Ended
            How it ended.
        spared : str
            What happened if it ended well.
        word : str
            What the line must have.
        untyped : bool
            Whether other libraries have errors for this that no type or number tells from others:
            these end it as they are, with a line of ours that says how to go on.
        """
        if end.status == 0:
            self.judge(tally, fault, spared, folder)
        elif end.line and word in end.line:
            self.judge(tally, fault, "one line", folder)
        elif untyped and end.is_as_it_was:
            self.judge(tally, fault, "the library's own error and our line", folder)
        else:
            tally.lose(fault, f"status {end.status}", end.said[-1500:])

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *given: object) -> None:
        """Remove everything."""
        shutil.rmtree(self.work, ignore_errors=True)


def _train(place: tiny_recipe.Place, environment: Mapping[str, str], before: Callable) -> None:
    os.environ.update(environment)
    SIGNALS.install()  # while Python imports, a signal is Python's own affair
    before()
    tiny_recipe.train(place)
