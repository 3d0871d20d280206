"""Recognize emotions without PyTorch, which takes seconds to import: with onnxruntime alone."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from camser.audio import SAMPLE_RATE
from camser.inference.batches import check_batch_size, embed_segments
from camser.inference.export_config import longest_segment, read_config
from camser.inference.export_files import ExportError
from camser.inference.graphs import (
    check_graph,
    check_threads,
    graph_for_engine,
    has_graph,
    trims_padding,
)
from camser.inference.hub import locate_model
from camser.inference.onnx_session import LOG_PROBABILITIES, OnnxSession
from camser.inference.prediction import calibrate
from camser.inference.recognizer import Recognizer
from camser.inference.timeline import WINDOW_SECONDS

logger = logging.getLogger(__name__)


class GraphRecognizer(Recognizer):
    """A recognizer whose embeddings are the log-probabilities of the complete graph.

    Where a head is linear, the mean of the segments' log-probabilities gives the same as the head
    of the mean of their embeddings, but for rounding. Other models need PyTorch.

    Arguments
    ---------
    session : OnnxSession
        Gives log-probabilities.
    config : mapping
        From ``export_config.read_config``.
    batch_size : int
        Number of segments that are computed together.
    """

    def __init__(self, session: OnnxSession, config: Mapping[str, Any], batch_size: int) -> None:
        check_batch_size(batch_size)
        self.session, self.batch_size = session, batch_size
        self.labels, self.temperature = list(config["labels"]), float(config["temperature"])
        self.trims_padding = trims_padding(config)
        seconds = longest_segment(config["architecture"])
        self.segment_samples = self.hop_samples = round(seconds * SAMPLE_RATE)
        self.utterance_rule = "mean"
        self.window_seconds = WINDOW_SECONDS if self.trims_padding else seconds

    def _encode(self, segments: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        options = self.segment_samples, self.trims_padding
        found = embed_segments(self.session.of_segments, segments, *options)
        return [values.astype(np.float64) for values in found]

    def _probabilities(self, embeddings: Sequence[np.ndarray]) -> np.ndarray:
        return calibrate(np.stack(embeddings), self.temperature)


def load_recognizer(
    source: str | Path,
    device: str | None = None,
    batch_size: int = 16,
    engine: str = "auto",
    threads: int | None = None,
) -> Recognizer:
    """Load an exported model as ``EmotionClassifier``; if onnxruntime runs it, without PyTorch.

    Arguments and errors are those of ``EmotionClassifier.from_pretrained``.
    """
    check_threads(threads)
    used = device or ("cuda" if engine in ("auto", "torch") and may_have_gpu() else "cpu")
    graph = graph_for_engine(engine, used)
    if graph and used == "cpu":
        source = folder = locate_model(source, graph=graph)
        config = read_config(folder)
        is_there = engine != "auto" or has_graph(folder, config, graph)
        if is_there and averages_scores(config):
            check_graph(folder, config, graph)
            size, count = len(config["labels"]), threads or _environment_threads()
            session = OnnxSession(folder / graph, count, LOG_PROBABILITIES, size)
            logger.info("%s: %s computes on cpu, without PyTorch", folder, graph)
            return GraphRecognizer(session, config, batch_size)
    try:
        from camser.inference.classifier import EmotionClassifier
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{source}: this model needs {error.name}, which is not installed; export it with "
            f"--onnx, or install camser with all that it requires"
        ) from error
    return EmotionClassifier.from_pretrained(
        source, device, batch_size, engine=engine, threads=threads
    )


def averages_scores(config: Mapping[str, Any]) -> bool:
    """Whether a model's decision is the mean of log-probabilities of segments side by side."""
    built = config["architecture"]
    is_mean = built.get("utterance_rule", "mean") == "mean"
    return is_mean and not built.get("segment_hop_seconds") and not config.get("head")


def may_have_gpu() -> bool:
    """Whether PyTorch is installed, and a driver of NVIDIA's: only PyTorch knows if it uses it."""
    if find_spec("torch") is None:
        return False
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _environment_threads() -> int:
    """What limits PyTorch's threads too; 0 if nothing does."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() else 0
