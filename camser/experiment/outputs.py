"""The files that a run writes at its end, from the best epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from speechbrain.utils.train_logger import TensorboardLogger
from torch.utils.data import DataLoader

from camser.config.command_line import SettingsError
from camser.data import folds
from camser.data.manifest import Utterance
from camser.data.packed_audio import PackedAudio
from camser.encoders.spectrogram import SpectrogramImage
from camser.evaluation import results
from camser.experiment.resume import result_settings
from camser.over_segments import MeanOverSegments
from camser.segments import num_segments
from camser.training.back_end import TrainedBackEndBrain
from camser.training.brain import EmotionBrain


def write_results(
    folder: Path,
    values: dict[str, Any],
    brain: EmotionBrain,
    fold: folds.Fold,
    facts: Mapping[str, Any],
) -> Path:
    """Write ``results.json`` of a run whose best epoch was just loaded or tested; returns its path.

    ``facts``: the fields that are known before, such as those of ``cost.model_cost``.
    """
    history = results.read_history(folder)
    spans = [brain.fitted] if brain.fitted else history
    copied_keys = ("corpus", "protocol", "selection", "fold", "seed", "variant", "labels")
    return results.write_results(
        folder,
        {
            **{name: values[name] for name in copied_keys},
            "fold_name": fold.name,
            "speakers_known": fold.speakers_known,
            **({"shared_speakers": fold.shared_speakers} if fold.shared_speakers else {}),
            **({"note": brain.note} if brain.note else {}),
            "settings": result_settings(values),
            "parts": {split: len(getattr(fold, split)) for split in folds.SPLITS},
            **(brain.scores if fold.test else {}),
            "best_epoch": brain.best_epoch,
            "averaged_epochs": brain.averaged_epochs,
            "back_end": brain.fitted,
            "epochs": len(history),
            "seconds": sum(float(row["seconds"]) for row in spans),
            "skipped_steps": sum(int(row.get("skipped_steps") or 0) for row in history),
            **brain.trained,
            "versions": results.versions(),
            "plugins": brain.plugins,
            **facts,
        },
    )


def architecture(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``build_model`` that build the model which a run exports."""
    classifies_vectors = bool(hparams["back_end"] and hparams["back_end_after_training"])
    return {**hparams["embedding_model"].architecture, "for_back_end": classifies_vectors}


def write_back_end(folder: Path, brain: EmotionBrain) -> None:
    """Write the classifier that a back end has fitted after training, if there is one."""
    if isinstance(brain, TrainedBackEndBrain) and brain.head is not None:
        state = brain.head.state_dict()
        arrays = {name: value.cpu().numpy() for name, value in state.items()}
        results.write_arrays(folder / results.BACK_END, arrays)


def write_predictions(
    folder: Path,
    splits: Mapping[str, Sequence[Utterance]],
    scored: Mapping[str, list[list[float]]],
    labels: Sequence[str],
    fold: folds.Fold,
) -> None:
    """Write the predictions of splits, by file name; ``scored`` has their log-probabilities."""
    train_texts = {u.text for u in fold.train}
    for name, split in splits.items():
        results.write_predictions(folder, split, scored[name], labels, train_texts, name)


def summary(fold: folds.Fold, brain: EmotionBrain) -> str:
    """One line: the scores of the test split, and which weights were tested."""
    if not fold.test:
        return f"{fold.name}: trained on {len(fold.train)} utterances, none is tested"
    scores = ", ".join(f"{name} {brain.scores[name]:.4f}" for name in ("WA", "UA", "macro_F1"))
    weights = f"epoch {brain.best_epoch}"
    if brain.fitted:
        weights = brain.fitted["plugin"]["plugin"]
    elif brain.averaged_epochs:
        weights = "weights averaged over epochs {} … {}".format(*brain.averaged_epochs)
    note = brain.note and f", {brain.note}"
    return f"test {fold.name}{note}: {scores} ({weights})"


def write_embeddings(
    folder: Path, values: Mapping[str, Any], brain: EmotionBrain, loader: DataLoader
) -> None:
    """Write the vectors of utterances, means over their segments, if ``save_embeddings`` is set.

    ``ids`` [utterances]. ``part.<modality>`` (the projection of a modality), ``fused`` and
    ``embedding`` are [utterances, features] each. If it is not set, the file of an earlier run is
    deleted.
    """
    arrays: dict[str, np.ndarray] = {}
    if values["save_embeddings"]:
        dataset: Any = loader.dataset
        ids = dataset.ids
        means: dict[str, MeanOverSegments] = defaultdict(lambda: MeanOverSegments(len(ids)))
        for batch in loader:
            outputs = brain.intermediates(batch)
            vectors = {f"part.{name}": vector for name, vector in outputs.projections.items()}
            vectors |= {"fused": outputs.fused, "embedding": outputs.embeddings}
            for name, value in vectors.items():
                means[name].add(value, batch.owner)
        arrays = {"ids": np.array(ids), **{n: m.values().cpu().numpy() for n, m in means.items()}}
    results.write_arrays(folder / results.EMBEDDINGS, arrays)


def write_attention(
    folder: Path,
    values: Mapping[str, Any],
    brain: EmotionBrain,
    make_loader: Callable[[tuple[Utterance, ...]], DataLoader],
    utterances: Sequence[Utterance],
    audio: PackedAudio,
) -> None:
    """Write attention weights of ``num_attention_examples`` utterances of each emotion.

    ``ids`` [utterances]. For the n-th utterance: ``n.spectrogram`` [bins, frames of 10 ms], in
    [0, 1], low frequencies last; ``n.samples`` (their number at 16 kHz); ``n.segment_samples``
    (those that the frames of a segment divide); and for each attended modality
    ``n.weights.<modality>`` [segments, frames]. Without utterances, if the fusion has no weights or
    if segments overlap, so that a time has several, an earlier run's file is deleted.
    """
    chosen: list[Utterance] = []
    model = brain.hparams.embedding_model
    do_overlap = model.hop_samples.test < model.segment_samples
    for label in () if do_overlap else values["labels"]:
        of_label = [u for u in utterances if u.emotion == label]
        chosen += of_label[: max(0, values["num_attention_examples"])]
    weights: dict[str, dict[str, np.ndarray]] = defaultdict(dict)  # of a segment, by its name
    for batch in make_loader(tuple(chosen)) if chosen else ():
        for modality, attention in brain.intermediates(batch).attention_weights.items():
            weights[modality] |= zip(batch.id, attention.float().cpu().numpy(), strict=True)
    arrays, image = {}, SpectrogramImage()
    if weights:
        arrays["ids"] = np.array([u.id for u in chosen])
    for number, utterance in enumerate(chosen if weights else ()):
        waveform = audio.waveform(utterance).cpu()
        arrays[f"{number}.spectrogram"] = image(waveform.unsqueeze(0))[0].numpy().astype(np.float16)
        size = model.padded_samples(min(len(waveform), model.segment_samples))
        arrays[f"{number}.samples"] = np.array(len(waveform))
        arrays[f"{number}.segment_samples"] = np.array(size)
        names = [f"{utterance.id}#{n}" for n in range(num_segments(len(waveform), size))]
        for modality, rows in weights.items():
            num_frames = model.encoders[modality].num_frames(size)
            own = [np.pad(rows[name], (0, num_frames))[:num_frames] for name in names]
            arrays[f"{number}.weights.{modality}"] = np.stack(own)
    results.write_arrays(folder / results.ATTENTION, arrays)


def tensorboard_logger(folder: Path) -> TensorboardLogger:
    """A train logger that writes below the output folder ``folder``.

    Raises
    ------
    SettingsError
        If TensorBoard is not installed.
    """
    try:
        return TensorboardLogger(str(folder / "tensorboard"))
    except ImportError as error:
        raise SettingsError(
            f"tensorboard: true needs {error.name}, which is not installed: pip install "
            f'"camser[tensorboard]", or give --tensorboard=false'
        ) from error
