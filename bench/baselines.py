#!/usr/bin/env python3
"""Two simple systems that anybody would try first, on exactly the folds of a recipe.

    python bench/baselines.py --manifest results/emodb/prepared/manifest.csv \
        --data_folder /data/emodb --protocol leave_one_speaker_out \
        --whisper openai/whisper-tiny.en --output results/emodb

``egemaps_svm``: the eGeMAPS v02 functionals of openSMILE (Eyben et al., 2016) and an RBF support
vector machine. ``whisper_logistic``, run where ``--whisper`` is given: the mean and the standard
deviation of a frozen Whisper encoder's frames (Radford et al., 2023), and logistic regression.

Neither has an epoch to choose, so neither needs a validation part. By default they fit on the
fold's ``train`` part, as camser's model does where its epoch is chosen on the validation part.
``--train train+valid`` fits on everything but the test part, as with camser's ``selection: none``,
and is reported beside it.

Whisper's strongest form has a middle layer and all speakers that are not tested:

    --train train+valid --layer inner_folds --context utterance --name whisper-base_layer_by_folds

``inner_folds`` chooses the layer anew for each fold, by a cross-validation over the speakers it
fits on (the rule of ``camser probe``); the tested speakers take no part.

Each system and fold leaves a run's files, so ``camser report`` sets them beside camser's own.
Needs: pip install camser[bench]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tqdm import tqdm
from transformers import WhisperFeatureExtractor

from camser import audio
from camser.back_ends.logistic import Logistic
from camser.data.folds import PROTOCOLS, Fold, FoldError, make_folds
from camser.data.manifest import Utterance, fingerprint, read_manifest
from camser.encoders.whisper import HOP_SAMPLES, Whisper
from camser.evaluation import results
from camser.evaluation.metrics import scores
from camser.experiment.layer_probe import best_layer, score_layers
from camser.runtime.digests import digest

PROTOCOLS_HERE = [name for name in PROTOCOLS if name != "cross_corpus"]  # one corpus
SELECTIONS = {"train": "held_out", "train+valid": "none"}
NUM_INNER_FOLDS = 5
LONGEST = 30 * audio.SAMPLE_RATE  # Whisper's input
WHISPER = "whisper_logistic"
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "egemaps_svm": lambda: SVC(kernel="rbf", C=1.0, class_weight="balanced", break_ties=True),
    WHISPER: lambda: LogisticRegression(C=0.01, class_weight="balanced", max_iter=5000),
}


def read_waves(utterances: Sequence[Utterance], folder: Path) -> Iterator[np.ndarray]:
    """Each utterance's samples at 16 kHz, after checking that it is the manifest's recording."""
    for u in tqdm(utterances, desc="features"):
        samples = audio.load(folder / u.path)
        if u.digest and digest(folder / u.path) != u.digest:
            raise ValueError(f"{folder / u.path} is not the manifest's; prepare the corpus again")
        yield samples


def egemaps(waves: Iterator[np.ndarray]) -> np.ndarray:
    """eGeMAPS v02 functionals: [1, utterances, 88]."""
    try:
        import opensmile
    except ImportError:
        raise ValueError("opensmile is not installed; run: pip install camser[bench]") from None
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    rows = [smile.process_signal(w, audio.SAMPLE_RATE).to_numpy() for w in waves]
    return np.concatenate(rows)[None]


@torch.no_grad()
def whisper(waves: Iterator[np.ndarray], encoder: Whisper, context: str) -> np.ndarray:
    """Mean and deviation over an utterance's frames: [layers, utterances, 2 * d_model].

    What is longer than Whisper's 30 s goes through it in pieces of 30 s.
    """
    hidden_states = {"padded": padded_states, "utterance": own_states}[context]
    rows = []
    for wave in waves:
        pieces = [wave[start : start + LONGEST] for start in range(0, len(wave), LONGEST)]
        covered = torch.cat([hidden_states(piece, encoder) for piece in pieces], dim=1).numpy()
        rows.append(np.concatenate([covered.mean(axis=1), covered.std(axis=1)], axis=1))
    return np.stack(rows, axis=1)


def padded_states(piece: np.ndarray, encoder: Whisper) -> torch.Tensor:
    """All layers as transformers has them, padded to 30 s, without the padding's frames:
    [layers, frames, d_model]."""
    extractor = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)
    mels = extractor(piece, sampling_rate=audio.SAMPLE_RATE, return_tensors="pt")
    output = encoder.model(mels.input_features, output_hidden_states=True)
    layers = torch.cat([*output.hidden_states[:-1], output.last_hidden_state])
    return layers[:, : -(-len(piece) // (2 * HOP_SAMPLES))]


def own_states(piece: np.ndarray, encoder: Whisper) -> torch.Tensor:
    """All layers of the utterance as it is: [layers, frames, d_model]."""
    return torch.cat(encoder.hidden_states(torch.from_numpy(piece)[None]))


def evaluate(
    name: str,
    layers: np.ndarray,
    utterances: Sequence[Utterance],
    fold: Fold,
    asked: argparse.Namespace,
    shared: Mapping[str, Any],
) -> str:
    """Fit a system on a fold, score it, and write a run's files; returns a line that says so.

    ``layers`` is [layers, utterances, features].
    """
    start = time.monotonic()
    if asked.train == "train+valid":
        fold = replace(fold, train=(*fold.train, *fold.valid), valid=())
    layer = choose_layer(layers, utterances, fold, asked)
    features = {u.id: row for u, row in zip(utterances, layers[layer], strict=True)}
    model = make_pipeline(StandardScaler(), CLASSIFIERS[name]())
    model.fit(np.stack([features[u.id] for u in fold.train]), [u.emotion for u in fold.train])
    logs = _log_probabilities(model, np.stack([features[u.id] for u in fold.test]), asked.labels)
    truths = [asked.labels.index(u.emotion) for u in fold.test]
    found = scores(truths, logs.argmax(axis=1).tolist(), asked.labels)
    variant = asked.name if name == WHISPER else name
    run_name = f"fold{fold.index}-seed{asked.seed}"
    folder = asked.output / variant / asked.protocol / shared["selection"] / run_name
    heard = {u.text for u in fold.train}
    results.write_predictions(folder, fold.test, logs.tolist(), asked.labels, heard)
    run = {
        "variant": variant,
        "fold": fold.index,
        "fold_name": fold.name,
        "parts": {part: len(getattr(fold, part)) for part in ("train", "valid", "test")},
        "layer": layer if len(layers) > 1 else None,
        **found,
        "seconds": time.monotonic() - start,
    }
    results.write_results(folder, {**shared, **run})
    chosen = f", layer {layer}" if len(layers) > 1 else ""
    line = f"{variant:<40}{fold.index} ({fold.name}): WA {found['WA']:.4f}, UA {found['UA']:.4f}"
    return line + chosen


def choose_layer(
    layers: np.ndarray, utterances: Sequence[Utterance], fold: Fold, asked: argparse.Namespace
) -> int:
    """The layer that is asked for, or the best one by inner folds of what is fitted on."""
    if len(layers) == 1 or asked.layer == "last":
        return len(layers) - 1
    if isinstance(asked.layer, int):
        return asked.layer
    options = asked.labels, Logistic(), NUM_INNER_FOLDS
    return best_layer(score_layers(layers, utterances, fold, *options))


def _log_probabilities(model: Any, inputs: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """[utterances, classes] in the order of ``labels``; a support vector machine's scores are not
    probabilities, but their softmax decides as it does."""
    last = model[-1]
    points = (
        model.predict_log_proba(inputs)
        if hasattr(last, "predict_log_proba")
        else log_softmax(_by_class(model.decision_function(inputs)), axis=1)
    )
    return points[:, [last.classes_.tolist().index(label) for label in labels]]


def _by_class(decisions: np.ndarray) -> np.ndarray:
    """[utterances, classes]; of two classes scikit-learn gives one column's worth."""
    return decisions if decisions.ndim == 2 else np.stack([-decisions, decisions], axis=1)


def choose_folds(utterances: Sequence[Utterance], asked: argparse.Namespace) -> list[Fold]:
    """The folds of the command line; all of the protocol by default."""
    found = make_folds(utterances, **_fold_options(asked))
    chosen = set(range(len(found)) if asked.folds is None else asked.folds)
    if not chosen <= set(range(len(found))):
        names = ", ".join(f"{fold.index} ({fold.name})" for fold in found)
        raise FoldError(f"--folds is {asked.folds}; {asked.protocol} has: {names}")
    return [found[i] for i in sorted(chosen)]


def _fold_options(asked: argparse.Namespace) -> dict[str, Any]:
    names = ("protocol", "num_folds", "valid_fraction", "seed")
    return {name: getattr(asked, name) for name in names}


def run(asked: argparse.Namespace) -> None:
    """Everything that is asked for, a line for each system and fold."""
    utterances = read_manifest(asked.manifest)
    emotions = sorted({u.emotion for u in utterances})
    if sorted(asked.labels) != emotions:
        raise ValueError(f"--labels is {asked.labels}; the manifest holds {emotions}; give these")
    folds = choose_folds(utterances, asked)
    encoder = Whisper(asked.whisper, freeze="all").eval() if asked.whisper else None
    if encoder and isinstance(asked.layer, int) and not 0 <= asked.layer <= encoder.depth:
        raise ValueError(f"--layer is {asked.layer}; allowed: 0 … {encoder.depth}")
    features = {"egemaps_svm": egemaps(read_waves(utterances, asked.data_folder))}
    if encoder:
        waves = read_waves(utterances, asked.data_folder)
        features[WHISPER] = whisper(waves, encoder, asked.context)
    shared = _shared(utterances, asked)
    for name, layers in features.items():
        is_finite = np.isfinite(layers).all(axis=(0, 2))
        bad = [u.id for u, good in zip(utterances, is_finite, strict=True) if not good]
        if bad:
            raise ValueError(f"{name}: no finite features of {bad[:5]}; leave them out")
        for fold in folds:
            print(evaluate(name, layers, utterances, fold, asked, shared), flush=True)


def _shared(utterances: Sequence[Utterance], asked: argparse.Namespace) -> dict[str, Any]:
    """What all runs say of themselves; no epoch is chosen, so nothing is chosen on a test fold."""
    arguments = {name: _portable(value) for name, value in vars(asked).items()}
    packages = {name: metadata.version(name) for name in ("opensmile", "scikit-learn")}
    return {
        "num_protocol_folds": len(make_folds(utterances, **_fold_options(asked))),
        "corpus": "+".join(sorted({u.corpus for u in utterances})),
        "protocol": asked.protocol,
        "selection": SELECTIONS[asked.train],
        "seed": asked.seed,
        "labels": asked.labels,
        "settings": {n: v for n, v in arguments.items() if n not in ("folds", "output")},
        "best_epoch": 0,
        "epochs": 0,
        "device": "cpu",
        "versions": {**results.versions(), **packages},
        "plugins": {},
        "manifest": fingerprint(utterances),
    }


def _portable(value: Any) -> Any:
    """An argument as it is, but of a path the last part alone; a hub id stays whole."""
    is_path = isinstance(value, Path) or (isinstance(value, str) and Path(value).is_dir())
    return Path(value).absolute().name if is_path else value


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; the defaults of what decides a fold are those of the recipes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, required=True, help="a recipe's manifest.csv")
    parser.add_argument("--data_folder", type=Path, required=True, help="the corpus")
    parser.add_argument("--protocol", choices=PROTOCOLS_HERE, required=True)
    parser.add_argument("--num_folds", type=int, help="for speaker_k_fold")
    parser.add_argument("--valid_fraction", type=float, default=0.1, help="as in the recipe")
    parser.add_argument("--seed", type=int, default=1234, help="the recipe's, which draws valid")
    parser.add_argument("--folds", type=int, nargs="+", help="all by default")
    parser.add_argument("--whisper", help="a hub id, or a folder: a whole model or its encoder")
    parser.add_argument(
        "--layer", type=_layer, default="last", help="Whisper's: last, inner_folds, or a number"
    )
    parser.add_argument(
        "--context", choices=("padded", "utterance"), default="padded",
        help="what Whisper hears: 30 s, as it was trained on, or the utterance as it is",
    )  # fmt: skip
    parser.add_argument("--name", default=WHISPER, help="of the system with Whisper, in reports")
    parser.add_argument("--train", choices=SELECTIONS, default="train", help="what to fit on")
    parser.add_argument("--labels", nargs="+", default=["angry", "sad", "happy", "neutral"])
    parser.add_argument("--output", type=Path, required=True, help="the folder for runs")
    return parser.parse_args(arguments)


def _layer(text: str) -> int | str:
    return text if text in ("last", "inner_folds") else int(text)


def main() -> None:
    """Run what the command line asks for; a mistake in it, or in the corpus, is one message."""
    asked = read_arguments(sys.argv[1:])
    try:
        run(asked)
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
