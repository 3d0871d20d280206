"""A client of every public call, for ``mypy --strict``: the types of the results are declared."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import camser
from camser.audio import AudioError
from camser.inference import EmotionClassifier, ExportError, Prediction, Timeline, Turn
from camser.inference.inputs import Recording
from camser.inference.timeline_formats import as_audacity, as_csv, as_json, as_rttm

Samples = NDArray[np.float32]


def load(folder: Path) -> EmotionClassifier:
    try:
        return EmotionClassifier.from_pretrained(folder, device="cpu", engine="onnx", threads=1)
    except ExportError:
        return camser.EmotionClassifier.from_pretrained("user/name", revision="v1", batch_size=4)


def one(classifier: EmotionClassifier, path: Path, samples: Samples, tensor: Tensor) -> None:
    content = path.read_bytes()
    found: Prediction = classifier.classify(path)
    found = classifier.classify(str(path), threshold=0.5, require_speech=True)
    found = classifier.classify(content)
    found = classifier.classify(bytearray(content))
    found = classifier.classify(io.BytesIO(content))
    with open(path, "rb") as file:
        found = classifier.classify(file)
    found = classifier.classify(samples, sample_rate=44100)
    found = classifier.classify(tensor)
    found = classifier.classify((44100, samples))
    found = classifier.classify((tensor, 44100))
    found = classifier.classify({"array": samples, "sampling_rate": 44100})
    emotion: str | None = found.emotion
    confidence: float = found.confidence
    probabilities: dict[str, float] = found.probabilities
    warnings: tuple[str, ...] = found.warnings
    plain: dict[str, Any] = found.to_dict()
    print(emotion, confidence, probabilities, warnings, json.dumps(plain))


def several(classifier: EmotionClassifier, paths: list[Path], samples: Samples) -> list[str | None]:
    mixed: list[Recording] = [paths[0], samples, (16000, samples), b"RIFF"]
    found: list[Prediction] = classifier.classify(paths)
    found += classifier.classify(mixed)
    found += classifier.classify(path for path in paths)
    stream: Iterator[Prediction] = classifier.stream(paths, on_error=report)
    return [prediction.emotion for prediction in [*found, *stream]]


def report(source: str, error: AudioError) -> None:
    print(f"{source}: {error}")


def along(classifier: EmotionClassifier, path: Path) -> list[Turn]:
    timeline: Timeline = classifier.timeline(path, window=3.0, hop=1.0, smoothing="median")
    text: str = as_csv(timeline) + as_json(timeline) + as_rttm(timeline) + as_audacity(timeline)
    columns: tuple[str, ...] = timeline.table(threshold=0.5).columns
    plain: dict[str, Any] = timeline.smoothed("mean", 3.0).to_dict()
    print(text, columns, plain, timeline.emotions(), timeline.starts, timeline.speech.mean())
    turns: list[Turn] = timeline.turns(0.5)
    for turn in turns:
        end: float = turn.end - turn.start
        print(turn.emotion, turn.confidence, end)
    return turns


def inside(classifier: EmotionClassifier, paths: list[Path]) -> Tensor:
    weights: dict[str, NDArray[Any]] = classifier.attention(paths[0])
    scores: Tensor = classifier.log_probabilities(paths)
    labels: list[str] = classifier.labels
    print(weights, classifier.calibrate(scores), labels, classifier.temperature)
    samples: Tensor = classifier.load_audio(paths[0])
    return torch.stack([samples, classifier.embed(paths)[0]])


def mistakes(classifier: EmotionClassifier, paths: list[Path]) -> None:
    """Each is an error of its own kind; if a call returned ``Any``, its mark would be unused."""
    print(classifier.classify(paths).emotion)  # type: ignore[attr-defined]
    classifier.classify(paths[0]).emotion.upper()  # type: ignore[union-attr]
    classifier.classify(3)  # type: ignore[call-overload]
    print(classifier.timeline(paths[0]).turns()[0].emotoin)  # type: ignore[attr-defined]
    classifier.labels.upper()  # type: ignore[attr-defined]
