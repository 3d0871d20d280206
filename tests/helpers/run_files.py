"""The files that runs leave, written without a run: for tests of what reads them."""

import random

import numpy as np

from camser.data.manifest import Utterance
from camser.evaluation import metrics, results

LABELS = ["angry", "sad", "happy", "neutral"]
OPTIMISTIC = "selected on the test fold (optimistic)"
MODALITIES = ["mfcc", "spectrogram", "wav2vec2"]
ENCODERS = {
    "mfcc": {"plugin": "mfcc_bilstm"},
    "spectrogram": {"plugin": "spectrogram_alexnet", "weights": "imagenet"},
    "wav2vec2": {"plugin": "wav2vec2", "source": "facebook/wav2vec2-base-960h"},
}
FUSIONS = {
    "concat": {"plugin": "concat"},
    "co_attention": {"plugin": "co_attention", "target": "wav2vec2", "output_modalities": None},
    "gated": {"plugin": "gated"},
    "low_rank": {"plugin": "low_rank", "rank": 4},
    "attentive": {"plugin": "attentive", "statistics": False},
}


def settings(fold, seed, modalities=MODALITIES, fusion="co_attention", **more):
    return {
        "fold": fold,
        "seed": seed,
        "modalities": list(modalities),
        "encoders": {name: dict(ENCODERS[name]) for name in modalities},
        "fusion": fusion,
        "fusions": {fusion: FUSIONS[fusion]},
        "segment_seconds": 3.0,
        **more,
    }


def make(
    folder, variant, fold=0, seed=1, skill=0.7, labels=LABELS, truths=LABELS * 3, manifest="m",
    corpus="iemocap", protocol="leave_one_speaker_out", selection="held_out",
    num_protocol_folds=4, more=None, **asked,
):  # fmt: skip
    """A run's files, its predictions right with a probability of ``skill``.

    ``more``: other fields of its results.
    """
    rng = random.Random(f"{variant} {fold} {seed}")
    speaker = f"{corpus}/{fold}"
    rows = [
        Utterance(
            f"{speaker}/{i}", corpus, f"{i}.wav", 1.0 + i, speaker, ("male", "female")[fold % 2],
            style="scripted" if i % 2 else "improvised", emotion=emotion, text=f"words {i % 3}",
        )
        for i, emotion in enumerate(truths)
    ]  # fmt: skip
    scores = np.log(np.full((len(rows), len(labels)), 0.1 / (len(labels) - 1)))
    guesses = [u.emotion if rng.random() < skill else rng.choice(labels) for u in rows]
    for i, guess in enumerate(guesses):
        scores[i, labels.index(guess)] = np.log(0.9)
    place = folder / corpus / variant / protocol / selection / f"fold{fold}-seed{seed}"
    results.write_predictions(place, rows, scores.tolist(), labels, {"words 1"})
    found = metrics.scores(
        [labels.index(u.emotion) for u in rows], scores.argmax(axis=1).tolist(), labels
    )
    results.write_results(
        place,
        {
            "corpus": corpus, "protocol": protocol, "selection": selection, "fold": fold,
            "fold_name": speaker, "seed": seed, "variant": variant, "labels": list(labels),
            "settings": settings(fold, seed, **asked), **found,
            "parts": {"train": 9, "valid": 3, "test": 12}, "best_epoch": 2, "epochs": 3,
            "seconds": 1.0, "device": "cpu",
            "versions": {"camser": "1"}, "plugins": {"mfcc": {"distribution": "camser",
            "version": "1"}}, "manifest": manifest, "num_protocol_folds": num_protocol_folds,
            **(more or {}),
        },
    )  # fmt: skip
    rows = [
        {"epoch": n, "train_loss": 1 / n, "valid_loss": 1.2 / n, "valid_WA": 0.5, "valid_UA": 0.5}
        for n in (1, 2, 3)
    ]
    results.write_history(place, rows)
    return place


def add_arrays(place):
    """What a run with co-attention leaves beside."""
    rng = np.random.default_rng(0)
    ids = np.array([row["id"] for row in results.read_predictions(place / "predictions.csv")])
    parts = {f"part.{name}": rng.random((len(ids), 6)) for name in (*MODALITIES, "x")}
    arrays = {"ids": ids, **parts, "fused": rng.random((len(ids), 9))}
    results.write_arrays(place / "embeddings.npz", arrays)
    shown = {"0.spectrogram": rng.random((200, 400)), "0.samples": np.array(64000)}
    shown["0.weights.wav2vec2"] = rng.random((2, 149))
    results.write_arrays(place / "attention.npz", {"ids": ids[:1], **shown})
