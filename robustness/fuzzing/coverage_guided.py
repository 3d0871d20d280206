#!/usr/bin/env python3
"""Hostile files as ``fuzz.py`` makes them, drawn so that they reach new branches of camser.

What a mutation draws comes from bytes that libFuzzer chooses: by Atheris it sees which branches of
camser a file has taken, and goes on from those files that took new ones. Readers in C are not
seen, so recordings are left to ``fuzz.py``. It needs Atheris (pip install atheris), which has
wheels for Linux and Python 3.11 to 3.13.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from robustness.harness import report
from robustness.harness.watchdog import Watch

if TYPE_CHECKING:
    from robustness.fuzzing.readers import Target

LENGTH = 512  # bytes that libFuzzer chooses; a mutation draws some ten times, of one to seven
SLOWEST = 20  # of the targets: below it are those that read, and start no command


class Drawn(Random):
    """A generator whose numbers are those bytes, and after them always the same ones."""

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._left = data

    def getrandbits(self, k: int) -> int:
        """``k`` bits."""
        size = (k + 7) // 8
        taken, self._left = self._left[:size], self._left[size:]
        if len(taken) < size:
            return super().getrandbits(k)
        return int.from_bytes(taken, "little") % 2**k

    def _randbelow(self, n: int) -> int:
        """From 0 to below ``n``: by a remainder, since a refused draw would waste its bytes."""
        return self.getrandbits((n - 1).bit_length()) % n

    def random(self) -> float:
        """From 0 to below 1."""
        return self.getrandbits(16) / 2**16


class Guided:
    """Trials of one target, whose bytes libFuzzer chooses.

    Arguments
    ---------
    target : Target
        A reader.
    place : Path
        Where the hostile files lie, and the bytes of each trial that has not ended well.
    seed : int
        Of libFuzzer.
    """

    def __init__(self, target: Target, place: Path, seed: int) -> None:
        self.target, self.place, self.seed, self._data = target, place, seed, b""

    def bytes_of(self, index: int) -> Path:
        """Where the bytes of a trial are kept until it has ended well."""
        return self.place / f"{index}.bytes"

    def trial(self, index: int) -> str:
        """One hostile file."""
        from robustness.fuzzing import fuzz

        self.bytes_of(index).write_bytes(self._data)
        happened = fuzz.trial(self.target, Drawn(self._data), self.place / "hostile")
        self.bytes_of(index).unlink()
        return happened

    def drive(self, one: Callable[[int], None], indices: Iterable[int]) -> None:
        """Have libFuzzer make all trials; it would go on without end."""
        import atheris

        left = iter(indices)

        def given(data: bytes) -> None:
            index = next(left, None)
            if index is None:
                os._exit(0)
            self._data = data
            one(index)

        options = f"-runs=-1 -seed={self.seed + 1} -max_len={LENGTH} -len_control=0"
        atheris.Setup([sys.argv[0], *options.split(), f"-artifact_prefix={self.place}/"], given)
        atheris.Fuzz()


def targets_seen() -> list[Target]:
    """What reads in Python, imported so that libFuzzer sees the branches it takes."""
    try:
        import atheris
    except ImportError:
        sys.exit("no atheris here, which guides these files; run: pip install atheris")
    with atheris.instrument_imports(include=["camser", "iemocap_prepare", "emodb_prepare"]):
        from robustness.fuzzing import model_readers, readers

        __import__("iemocap_prepare"), __import__("emodb_prepare")
        every = [*readers.targets(), *model_readers.targets()]
    return [t for t in every if t.slow <= SLOWEST and not t.name.startswith("a recording")]


def run(asked: argparse.Namespace, tally: report.Tally) -> None:
    """Each reader ``number`` times, the slow ones less often."""
    for target in targets_seen():
        with tempfile.TemporaryDirectory() as place:
            guided = Guided(target, Path(place), asked.seed)
            number = max(1, asked.number // target.slow)
            for index, happened, told in Watch(guided.trial, drive=guided.drive).watched(number):
                left = guided.bytes_of(index)
                data = left.read_bytes() if left.exists() else b""
                how = f"fuzz.trial({target.name!r}, Drawn({data!r}))\n{told}"
                tally.count(target.name, happened, how)


if __name__ == "__main__":
    report.main(run, number=20_000)
