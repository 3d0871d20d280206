#!/usr/bin/env python3
"""How far camser is from the published system, on real audio: the figures of a page of docs.

    python bench/published_system.py --emodb DIR --ravdess DIR --output FILE
    python bench/harness/tables.py docs/published_system.md

Nothing is trained, and no weights are needed. "published" is what the authors' code computes, here
with librosa's and transformers' functions; "before" is camser until models of format 2.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from harness import measurement
from torch import Tensor
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

from camser import audio
from camser.encoders.regularization import SpecAugment
from camser.segments import preemphasize, split_into_segments

N, COEFFICIENT, HOP, BINS = 48000, 0.97, 160, 200
WINDOW = torch.hamming_window(640)
FULL = N // HOP  # frames of a segment
EDGE = 2  # frames at a cut, whose window of 640 samples reaches beyond it
PROB, LENGTH, MIN_MASKS = 0.05, 10, 2  # of a checkpoint of wav2vec2
NUM_FRAMES, DRAWS = 149, 10000  # wav2vec2's frames of 3 s
Row = dict[str, Any]


class Utterance:
    """A recording, filtered, and its segments."""

    def __init__(self, samples: np.ndarray) -> None:
        self.samples = torch.from_numpy(samples)
        cut, _ = split_into_segments(self.samples.unsqueeze(0), torch.ones(1), N)
        self.segments = preemphasize(cut, COEFFICIENT)
        self.former = preemphasize(cut, COEFFICIENT, over="segment")
        self.whole = self.segments.flatten()[: len(samples)]

    @cached_property
    def decibels(self) -> Tensor:
        """[bins, frames] of the utterance"""
        return decibels(self.whole.unsqueeze(0))[0]

    @cached_property
    def segment_decibels(self) -> Tensor:
        """[segments, bins, frames]"""
        return decibels(self.segments)

    @property
    def lengths(self) -> list[int]:
        """The samples of each segment that are not padding."""
        return [min(N, len(self.samples) - start) for start in range(0, len(self.samples), N)]


def decibels(signals: Tensor) -> Tensor:
    """[signals, samples] -> [signals, bins, frames]"""
    options = {"pad_mode": "constant", "return_complex": True}
    spectrum = torch.stft(signals, 800, HOP, 640, WINDOW, **options)
    frames = max(1, signals.shape[1] // HOP)
    return 20 * spectrum[:, :, :frames].abs().clamp_min(1e-5).log10()


def masks() -> Iterator[Row]:
    """The share of wav2vec2's frames that SpecAugment masks."""
    shape = (1, NUM_FRAMES)
    theirs = [_compute_mask_indices(shape, PROB, LENGTH, min_masks=MIN_MASKS) for _ in range(DRAWS)]
    ours = SpecAugment(PROB, LENGTH, MIN_MASKS).train()(torch.ones(DRAWS, NUM_FRAMES, 1)) == 0
    # Before, each position began a span with probability prob / length.
    starts = (torch.rand(DRAWS, 1, NUM_FRAMES) < PROB / LENGTH).float()
    reached = torch.nn.functional.pad(starts, (LENGTH - 1, 0))
    before = torch.nn.functional.max_pool1d(reached, LENGTH, stride=1)[:, 0] > 0
    for name, mask in (
        ("published", np.concatenate(theirs)),
        ("before", before.numpy()),
        ("now", ours[..., 0].numpy()),
    ):
        unmasked = ~mask.any(axis=1)
        yield {
            "SpecAugment": name,
            "frames masked, %": 100 * float(mask.mean()),
            "segments without a mask, %": 100 * float(unmasked.mean()),
        }


def kept_bins(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """How far below the maximum over all bins the maximum over the kept ones is."""
    found = [
        (u.segment_decibels.amax((1, 2)) - u.segment_decibels[:, :BINS].amax((1, 2))).tolist()
        for u in utterances
    ]
    differences = np.concatenate(found)
    yield {
        "segments": len(differences),
        "differ by 0.1 dB and more, %": 100 * float((differences >= 0.1).mean()),
        "90 % quantile, dB": float(np.quantile(differences, 0.9)),
        "largest, dB": float(differences.max()),
    }


def zero_db(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """How far below the utterance's maximum 0 dB is, where it has several segments."""
    bins: Mapping[str, int | None] = {"before": BINS, "now": None}
    for name, kept in bins.items():
        found = [
            (u.decibels.max() - u.segment_decibels[:, :kept].amax((1, 2))).tolist()
            for u in utterances
            if len(u.segments) > 1
        ]
        yield {"0 dB": name, **spread(np.concatenate(found) if found else np.zeros(1), "dB")}


def clicks(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """The first sample of later segments, relative to the RMS of the segment with its padding."""
    for name in ("before", "now"):
        later = torch.cat([(u.former if name == "before" else u.segments)[1:] for u in utterances])
        levels = later.square().mean(1).sqrt().clamp_min(1e-9)
        ratios = (later[:, 0].abs() / levels).numpy()
        yield {"later segments": name, **spread(ratios, "of the RMS")}


def ends(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """The first sample of the padding: the filter has the utterance's last sample before it."""
    found = [
        float(COEFFICIENT * u.samples[-1].abs() / u.whole.square().mean().sqrt().clamp_min(1e-9))
        for u in utterances
        if u.lengths[-1] < N
    ]
    yield spread(np.array(found or [0.0]), "of the RMS")


def padding(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """How much of the segments is padding: white in the published image, black here."""
    lengths = np.concatenate([u.lengths for u in utterances])
    yield {
        "segments": len(lengths),
        "later segments, %": 100 * (1 - len(utterances) / len(lengths)),
        "padded segments, %": 100 * float((lengths < N).mean()),
        "samples that are padding, %": 100 * float(1 - lengths.mean() / N),
    }


def cuts(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """Frames beside a cut: the published ones see the other side, as parts of the utterance."""
    beside, inside = [], []
    for u in utterances:
        top = float(u.decibels.max())
        for number, segment in enumerate(u.segment_decibels[1:], start=1):
            theirs = image(u.decibels[:, number * FULL : (number + 1) * FULL], top)
            ours = image(segment, top)[:, : theirs.shape[1]]
            difference = (theirs - ours).abs().mean(0)
            beside += difference[:EDGE].tolist()
            inside += difference[EDGE : u.lengths[number] // HOP - EDGE].tolist()
    yield {
        f"first {EDGE} frames of later segments, mean dB": float(np.mean(beside or [0.0])),
        "frames that see no cut, mean dB": float(np.mean(inside or [0.0])),
    }


def image(levels: Tensor, top: float) -> Tensor:
    """The kept bins in dB, as an image has them: from -80 to 0."""
    return (levels[:BINS] - top).clamp(-80, 0)


def reflection(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """librosa 0.8.1, which the authors pin, pads by reflection; newer ones and camser with 0."""
    frames = {"image": 3, "MFCC": 7}
    found: dict[str, list[float]] = {name: [] for name in frames}
    for u in utterances:
        samples = u.whole.numpy()
        options = {"n_fft": 800, "win_length": 640, "hop_length": HOP, "window": "hamming"}
        images, vectors = [], []
        for mode in ("constant", "reflect"):
            spectrum = np.abs(librosa.stft(samples, pad_mode=mode, **options))
            images.append(librosa.amplitude_to_db(spectrum, ref=np.max, top_db=80)[:BINS])
            mfcc = librosa.feature.mfcc(
                y=samples, sr=16000, n_mfcc=40, hop_length=HOP, htk=True, pad_mode=mode
            )
            vectors.append(librosa.util.normalize(mfcc, norm=2))
        (zeros, reflected), first = images, slice(frames["image"])
        found["image"].append(float(np.abs(zeros[:, first] - reflected[:, first]).mean()))
        (zeros, reflected), first = vectors, slice(frames["MFCC"])
        distance = np.linalg.norm(zeros[:, first] - reflected[:, first], axis=0)
        found["MFCC"].append(float(distance.mean()))
    yield {
        "first 3 frames of the image, mean dB": float(np.mean(found["image"])),
        "distance of the first 7 unit vectors of MFCC, mean": float(np.mean(found["MFCC"])),
    }


def rounding(utterances: Sequence[Utterance]) -> Iterator[Row]:
    """The published image has 8 bits."""
    differences = []
    for u in utterances:
        levels = image(u.decibels, float(u.decibels.max())) * (255 / 80)
        differences.append(float((levels - levels.round()).abs().mean() * (80 / 255)))
    yield {"mean, dB": float(np.mean(differences)), "largest possible, dB": 80 / 255 / 2}


def spread(values: np.ndarray, unit: str) -> Row:
    """Median and quantiles."""
    return {
        f"median, {unit}": float(np.median(values)),
        f"90 % quantile, {unit}": float(np.quantile(values, 0.9)),
        "number": len(values),
    }


OF_AUDIO: Mapping[str, Callable[[Sequence[Utterance]], Iterator[Row]]] = {
    "clicks": clicks, "kept_bins": kept_bins, "zero_db": zero_db, "cuts": cuts,
    "padding": padding, "ends": ends, "reflection": reflection, "rounding": rounding,
}  # fmt: skip


def recordings(folder: Path) -> list[Path]:
    """The recordings in a folder, sorted."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))
    if not found:
        raise ValueError(f"{folder} has no .wav or .flac file; give the folder of the corpus")
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emodb", type=Path, required=True, metavar="DIR")
    parser.add_argument("--ravdess", type=Path, required=True, metavar="DIR")
    asked = measurement.read_arguments(parser, argv, rounds=1)
    torch.manual_seed(0)
    np.random.seed(0)
    tables: dict[str, list[Row]] = {"masks": list(masks())}
    for corpus, folder in (("EmoDB", asked.emodb), ("RAVDESS", asked.ravdess)):
        utterances = [Utterance(audio.load(path)) for path in recordings(folder)]
        for name, measure in OF_AUDIO.items():
            rows = [{"corpus": corpus, **row} for row in measure(utterances)]
            tables[name] = [*tables.get(name, []), *rows]
    measurement.report(asked, tables)


if __name__ == "__main__":
    main()
