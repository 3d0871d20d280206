"""camser's own training, an epoch at a time: what is measured is the loop that users run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import speechbrain as sb
from harness import measurement
from torch.utils.data import DataLoader

from camser.experiment.run import Run
from camser.training.brain import EmotionBrain


class Clock:
    """Stands before a function, and adds up the seconds inside it.

    Arguments
    ---------
    function : callable
        What is called.
    device : str
        Whose work is waited for, so that it counts where it belongs.
    skip : int
        Calls at the beginning of each epoch, after which the epoch's own clock starts: the
        workers are then awake, and what is compiled at first use is compiled.
    """

    def __init__(self, function: Callable, device: str, skip: int = 0) -> None:
        self.function, self.device, self.skip = function, device, skip
        self.begin()

    def begin(self) -> None:
        """A new epoch."""
        self.calls, self.inside, self.started = 0, 0.0, None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.calls == self.skip:
            measurement.synchronize(self.device)
            self.started = time.perf_counter()
        self.calls += 1
        return self.function(*args, **kwargs)

    def seconds_a_call(self) -> float:
        """Of the calls that were not skipped and of all that lies between them."""
        measurement.synchronize(self.device)
        return (time.perf_counter() - self.started) / (self.calls - self.skip)


class Stopwatch(Clock):
    """A clock that waits for the device after each call: nothing overlaps, all is told apart."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        found, seconds = measurement.timed(lambda: self.function(*args, **kwargs), self.device)
        self.inside += seconds
        return found


def training_loader(run: Run) -> DataLoader:
    """The loader of a run's training, with its Brain ready to fit.

    What the run gives to ``fit`` is caught on its way: nothing is validated or written.
    """
    brain, caught = run.brain, {}

    def fit(epoch_counter: Any, train_set: Any, *args: Any, **options: Any) -> None:
        caught.update(train_set=train_set, options=options["train_loader_kwargs"])

    brain.fit = fit
    run.train()
    del brain.fit
    brain.ckpt_interval_minutes = brain.ckpt_interval_steps = 0
    loader = brain.make_dataloader(caught["train_set"], sb.Stage.TRAIN, **caught["options"])
    brain.on_fit_start()
    return loader


class Epochs:
    """Trains an epoch at each call; returns the seconds of a step, all between steps included."""

    def __init__(self, run: Run, skip: int = 1) -> None:
        self.brain: EmotionBrain = run.brain
        self.loader, self.number = training_loader(run), 0
        self.clock = Clock(self.brain.fit_batch, self.brain.device, skip)
        self.brain.fit_batch = self.clock

    def __call__(self) -> float:
        self.number += 1
        self.clock.begin()
        self.brain._fit_train(self.loader, epoch=self.number, enable=False)
        return self.clock.seconds_a_call()
