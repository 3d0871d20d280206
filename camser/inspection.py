"""What a trained model makes of test utterances on its way to a decision: arrays for figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from camser import segments
from camser.brain import EmotionBrain
from camser.corpus import Utterance
from camser.encoders.spectrogram import SpectrogramImage


def embeddings(brain: EmotionBrain, batches: Iterable[Any]) -> dict[str, np.ndarray]:
    """The vectors of utterances: the means over their segments.

    Arguments
    ---------
    brain : EmotionBrain
        Trained.
    batches : iterable
        Of a loader of utterances.

    Returns
    -------
    dict of str to array
        ``ids`` [utterances]; [utterances, features] each: ``part.<modality>``, ``fused`` and
        ``embedding``.
    """
    rows, ids = defaultdict(list), []
    for batch in batches:
        seen = brain.inspect(batch)
        vectors = {f"part.{name}": part for name, part in seen.parts.items()}
        vectors |= {"fused": seen.fused, "embedding": seen.embeddings}
        for name, value in vectors.items():
            joined = segments.join(value.float(), seen.owners, len(batch.id))
            rows[name].append(joined.cpu().numpy())
        ids += batch.id
    return {"ids": np.array(ids), **{name: np.concatenate(rows[name]) for name in rows}}


def choose(
    utterances: Sequence[Utterance], labels: Sequence[str], count: int
) -> tuple[Utterance, ...]:
    """The first ``count`` utterances of each emotion, by the emotions' order."""
    chosen = []
    for label in labels:
        chosen += [u for u in utterances if u.emotion == label][: max(0, count)]
    return tuple(chosen)


def attention(brain: EmotionBrain, batches: Iterable[Any]) -> dict[str, np.ndarray]:
    """The frame weights of utterances, and the spectrogram to draw them over.

    Arguments
    ---------
    brain : EmotionBrain
        Trained.
    batches : iterable
        Of a loader of utterances.

    Returns
    -------
    dict of str to array
        ``ids`` [utterances]; for the n-th of them ``n.spectrogram`` [bins, frames of 10 ms], in
        [0, 1], low frequencies last, ``n.samples`` (at 16 kHz) and, by attended modality,
        ``n.weights.<modality>`` [segments, frames]. Empty where the fusion weighs nothing.
    """
    arrays, ids, image = {}, [], SpectrogramImage()
    for batch in batches:
        seen = brain.inspect(batch)
        if not seen.weights:
            return {}
        lengths = (batch.wav.lengths * batch.wav.data.shape[1]).round().long().tolist()
        for row, (name, length) in enumerate(zip(batch.id, lengths, strict=True)):
            mine, number = seen.owners == row, len(ids)
            picture = image(batch.wav.data[row : row + 1, :length].cpu())[0]
            arrays[f"{number}.spectrogram"] = picture.numpy().astype(np.float16)
            arrays[f"{number}.samples"] = np.array(length)
            for modality, weights in seen.weights.items():
                arrays[f"{number}.weights.{modality}"] = weights[mine].float().cpu().numpy()
            ids.append(name)
    return {"ids": np.array(ids), **arrays}
