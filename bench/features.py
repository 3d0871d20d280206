#!/usr/bin/env python3
"""MFCC and spectrogram image: camser's front ends on batches, librosa's calls on each segment.

    python bench/features.py --output bench/results/features-cpu.json

Both get the same segments of 3 s in memory and must give the same features. camser's run on the
device, from samples that lie there; librosa's, on the processor, is warm: its compiled parts are
compiled before.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median

import numpy as np
import torch
from harness import measurement, plain_pytorch
from torch import Tensor

from camser.encoders.mfcc import MFCCBiLSTM
from camser.encoders.spectrogram import SpectrogramAlexNet
from camser.segments import preemphasize

SECONDS = 3
# Of features within about 3; a GPU may round what it multiplies to 10 bits (TF32).
TOLERANCE = {"cpu": 1e-3, "cuda": 1e-2}
EDGE = 8  # frames; half of the MFCC's window is 6.4


class FrontEnds:
    """What camser makes of segments before anything learned."""

    def __init__(self, device: str) -> None:
        self.mfcc = MFCCBiLSTM(hidden_size=1, num_layers=1).to(device)
        self.spectrogram = SpectrogramAlexNet(weights=None).to(device)

    @torch.inference_mode()
    def picture(self, waves: Tensor) -> Tensor:
        """[segments, samples] -> [segments, 200, 300]"""
        return self.spectrogram.image(filtered(waves, self.spectrogram.preemphasis))

    @torch.inference_mode()
    def coefficients(self, waves: Tensor) -> Tensor:
        """[segments, samples] -> [segments, 300, 40]"""
        return self.mfcc.front_end(filtered(waves, self.mfcc.preemphasis))

    def __call__(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        return self.coefficients(waves), self.picture(waves)


def filtered(waves: Tensor, coefficient: float) -> Tensor:
    """Utterances of one segment each: silence lies before them."""
    return preemphasize(torch.nn.functional.pad(waves, (1, 0)), coefficient)


def by_librosa(waves: np.ndarray) -> list[tuple[Tensor, Tensor]]:
    """One call after the other, as a Dataset makes them."""
    preemphasized = map(plain_pytorch.preemphasized, waves)
    return [(plain_pytorch.mfcc(wave), plain_pytorch.spectrogram(wave)) for wave in preemphasized]


def segments(num: int) -> np.ndarray:
    """Noise that swells, [num, samples]: nothing that a floor or a cut makes easy."""
    rng = np.random.default_rng(0)
    loudness = np.linspace(0.01, 0.3, SECONDS * plain_pytorch.RATE)
    return (loudness * rng.uniform(-1, 1, (num, len(loudness)))).astype(np.float32)


def check(ours: FrontEnds, waves: np.ndarray, device: str) -> None:
    """Raise unless both give the same, where librosa's extrapolated first sample is not heard."""
    found = ours(torch.from_numpy(waves).to(device))
    oracle = [torch.stack(column) for column in zip(*by_librosa(waves), strict=True)]
    for name, a, b in zip(("MFCC", "spectrogram"), found, oracle, strict=True):
        heard = (a.cpu() - b)[:, EDGE:] if name == "MFCC" else (a.cpu() - b)[..., EDGE:]
        if heard.abs().max() > TOLERANCE[torch.device(device).type]:
            raise ValueError(f"{name} differs from librosa's by {heard.abs().max():.2g}")


def measure(batch: int, num_rounds: int, device: str) -> list[dict]:
    """The rows of one batch size."""
    ours, waves = FrontEnds(device), segments(batch)
    check(ours, waves[:2], device)
    there = torch.from_numpy(waves).to(device)
    times = measurement.rounds(
        {"camser": lambda: ours(there), "librosa": lambda: by_librosa(waves)}, num_rounds, device
    )
    found = measurement.rows(times, "librosa")
    for row, seconds in zip(found, times.values(), strict=True):
        row["times real time"] = batch * SECONDS / median(seconds)
    return [{"segments": batch, **row} for row in found]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure each batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64])
    asked = measurement.read_arguments(parser, argv, rounds=15)
    if asked.quick:
        asked.batches, asked.rounds = [1, 2], 2
    found = [row for n in asked.batches for row in measure(n, asked.rounds, asked.device)]
    measurement.report(asked, {"features": found}, segment_seconds=SECONDS)


if __name__ == "__main__":
    main()
