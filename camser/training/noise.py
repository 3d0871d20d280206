"""Noise from recordings, for SpeechBrain's AddNoise."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from camser import audio
from camser.data.array_cache import open_cached, write_array

logger = logging.getLogger(__name__)
FORMAT = "camser noise, 1"


class NoiseFolder:
    """Random pieces of the recordings in a folder: the ``noise_funct`` of SpeechBrain's AddNoise.

    The recordings are decoded once and joined; a piece begins anywhere and may reach into the next
    recording. So noise of any length, format and rate will do, and nothing but the random state
    decides what is drawn. SpeechBrain's own CSV of noise, in contrast, is read in an order that no
    checkpoint stores, and ``prepare_csv``, which makes it, cuts the recordings on the disk.

    Arguments
    ---------
    folder : str or Path
        The recordings, at any depth. Files that cannot be read are reported and left out.
    prepared_folder : str or Path
        The joined samples are written into its folder ``noise``. With several processes, all must
        construct the object.

    Raises
    ------
    ValueError
        If there is no recording.

    Example
    -------
    >>> import tempfile, soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.full(8000, 0.25), 16000)
    ...     NoiseFolder(folder, f"{folder}/prepared")(torch.zeros(2, 3))
    tensor([[0.2500, 0.2500, 0.2500],
            [0.2500, 0.2500, 0.2500]])
    """

    def __init__(self, folder: str | Path, prepared_folder: str | Path) -> None:
        folder = Path(folder)
        paths = sorted(path for path in folder.rglob("[!.]*") if path.is_file())
        if not paths:
            raise ValueError(f"{folder} has no files; give a folder with recordings of noise")
        states = [
            (str(p.relative_to(folder)), p.stat().st_size, p.stat().st_mtime_ns) for p in paths
        ]
        key = hashlib.sha256(json.dumps(states).encode()).hexdigest()[:24]
        self.samples = open_cached(
            Path(prepared_folder) / "noise" / f"{key}.npy",
            {"format": FORMAT},
            lambda path: write_array(path, (), _recordings(folder, paths)),
        )

    def __call__(self, waveforms: Tensor) -> Tensor:
        """Noise of the same shape, [batch, samples], on the CPU."""
        num_samples = len(self.samples.host)
        starts = torch.randint(num_samples, (len(waveforms), 1))
        return self.samples.gather((starts + torch.arange(waveforms.shape[1])) % num_samples)


def _recordings(folder: Path, paths: Sequence[Path]) -> Iterator[np.ndarray]:
    logger.info("reading the noise in %s: %d files", folder, len(paths))
    num_read = 0
    for path in paths:
        try:
            yield audio.load(path)
            num_read += 1
        except audio.AudioError as error:
            logger.warning("noise: %s; this file is left out", error)
    if not num_read:
        raise ValueError(f"{folder}: none of its {len(paths)} files is a recording")
