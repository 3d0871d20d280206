"""Which layer of a pretrained encoder to take: a back end is fitted to each, and each is scored.

The recordings pass the encoder once, and all its layers are pooled from that pass. A layer is
scored by inner folds of a training split: the back end is fitted to some of its speakers and
predicts the others. So the layer is chosen without the speakers of the test split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from camser.back_ends.base import BackEnd
from camser.build import build_model
from camser.data.folds import Fold
from camser.data.manifest import Utterance
from camser.data.protocols import unit_of
from camser.encoders.layers import HiddenStateEncoder
from camser.encoders.masks import given
from camser.evaluation import metrics
from camser.experiment.inner_folds import divide
from camser.model import UtteranceEncoder
from camser.over_segments import MeanOverSegments
from camser.runtime.progress import is_hidden
from camser.training.determinism import full_precision
from camser.training.run_data import RunData

RULE = "the highest mean UA over the inner folds; of equal ones the lowest layer"
POOLED: dict[str, Any] = {  # the model that a back end is fitted on, see ``config.settings``
    "fusion": "pooled",
    "fusions": {"pooled": {"plugin": "camser:concat", "projection_size": None}},
    "hidden_sizes": [],
}
Scores = dict[str, list[float]]  # of a layer: WA and UA of each inner fold


def build_probe_model(name: str, arguments: Mapping[str, Any]) -> UtteranceEncoder:
    """A model of one encoder that keeps all its layers, and whose fusion pools its frames.

    Arguments
    ---------
    name : str
        A modality whose encoder is a ``HiddenStateEncoder``.
    arguments : mapping
        The recipe's arguments of ``build_model``.
    """
    encoders = {name: {**arguments["encoders"][name], "layer": "weighted_sum"}}
    return build_model(**{**arguments, "modalities": [name], "encoders": encoders, **POOLED}).eval()


@torch.no_grad()
def pool_layers(
    model: UtteranceEncoder,
    data: RunData,
    utterances: Sequence[Utterance],
    labels: Sequence[str],
    batch_size: int,
    num_workers: int = 0,
) -> np.ndarray:
    """The pooled frames of every layer, as a back end gets them, from one pass.

    Arguments
    ---------
    model : UtteranceEncoder
        From ``build_probe_model``, on the device of ``data``.
    data : RunData
        The data of a manifest, without cached features.
    utterances : sequence of Utterance
        Those to encode.
    labels : sequence of str
        The classes.
    batch_size, num_workers : int
        Of the loader.

    Returns
    -------
    array
        [layers, utterances, features], the transformer's input first.
    """
    ((name, encoder),) = model.encoders.items()
    assert isinstance(encoder, HiddenStateEncoder)
    means = [MeanOverSegments(len(utterances)) for _ in range(encoder.depth + 1)]
    loader = data.loader_kwargs(batch_size, num_workers)
    dataset = data.dataset(utterances, labels)
    for batch in tqdm(DataLoader(dataset, **loader), desc="layers", disable=is_hidden()):
        batch.to(data.device)
        real = given(batch.num_samples if model.mask_padding else None)
        segments = model.preemphasized(batch.segments, encoder.preemphasis, *real)
        with full_precision():
            layers = encoder.hidden_states(segments, *real)
        for mean, states in zip(means, layers, strict=True):
            frames = {name: states}
            masks = given(model.masks(frames, batch.num_samples))
            mean.add(model.fusion(frames, *masks), batch.owner)
    return np.stack([mean.values().double().cpu().numpy() for mean in means])


def score_layers(
    layers: np.ndarray,
    utterances: Sequence[Utterance],
    fold: Fold,
    labels: Sequence[str],
    back_end: BackEnd,
    num_inner_folds: int,
) -> list[Scores]:
    """The scores of each layer on the inner folds of a fold's training split.

    Arguments
    ---------
    layers : array
        [layers, utterances, features]
    utterances : sequence of Utterance
        Of ``layers``; those of the training split are among them.
    fold : Fold
        A fold; of it only the training split is used.
    labels : sequence of str
        The classes.
    back_end : BackEnd
        Fits.
    num_inner_folds : int
        See ``inner_folds.divide``.
    """
    row = {u.id: number for number, u in enumerate(utterances)}
    classes = np.array([labels.index(u.emotion) for u in utterances])
    scores: list[Scores] = [{"WA": [], "UA": []} for _ in layers]
    for split in divide(fold, num_inner_folds):
        train, valid = ([row[u.id] for u in part] for part in (split.train, split.valid))
        speakers = [unit_of(u) for u in split.train]
        for vectors, found in zip(layers, scores, strict=True):
            classifier = back_end.fit(vectors[train], classes[train], speakers)
            predictions = classifier.log_probabilities(vectors[valid]).argmax(axis=1)
            scored = metrics.scores(classes[valid].tolist(), predictions.tolist(), labels)
            found["WA"].append(scored["WA"])
            found["UA"].append(scored["UA"])
    return scores


def best_layer(scores: Sequence[Scores]) -> int:
    """The layer that ``RULE`` chooses.

    Example
    -------
    >>> best_layer([{"UA": [0.5, 0.6]}, {"UA": [0.8, 0.7]}, {"UA": [0.7, 0.8]}])
    1
    """
    return int(np.argmax([np.mean(of_layer["UA"]).round(9) for of_layer in scores]))
