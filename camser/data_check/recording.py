"""A recording with all that is known of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from camser.audio.form import FileForm
from camser.data.manifest import Utterance
from camser.data_check.measures import Measures

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Recording:
    """An utterance, its file and its sound.

    Arguments
    ---------
    utterance : Utterance
        What the labels say of it.
    form : FileForm, optional
        None if no decoder opens the file.
    measures : Measures, optional
        None if it was not decoded, or cannot be.
    vector : array, optional
        [features], of the whole utterance.
    problem : str
        Why it cannot be decoded; empty if it can, or was not.
    """

    utterance: Utterance
    form: FileForm | None = None
    measures: Measures | None = None
    vector: np.ndarray | None = None
    problem: str = ""

    @property
    def emotion(self) -> str:
        """Its label."""
        return self.utterance.emotion

    @property
    def speaker(self) -> str:
        """The speaker's name without the corpus; empty if unknown."""
        return self.utterance.speaker.removeprefix(f"{self.utterance.corpus}/")

    @property
    def name(self) -> str:
        """The file, and the part of it that the utterance is."""
        u = self.utterance
        end = "its end" if u.end is None else f"{u.end:g} s"
        return f"{u.path}, {u.start:g} s to {end}" if u.is_cut else u.path


def grouped(
    recordings: Iterable[Recording], key: Callable[[Recording], Key]
) -> dict[Key, list[Recording]]:
    """The recordings of each value of ``key``."""
    groups: dict[Key, list[Recording]] = defaultdict(list)
    for recording in recordings:
        groups[key(recording)].append(recording)
    return dict(groups)
