"""The ways to ask a model for the probabilities of one recording."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from camser import audio
from camser.cli import main
from camser.cli.demo.analysis import DemoModel
from camser.cli.demo.app import serving
from camser.cli.demo.limits import Limits
from camser.export.model_card import TEMPLATE
from camser.inference import EmotionClassifier
from camser.inference.export_config import read_config
from camser.inference.graph_recognizer import load_recognizer


class Case(NamedTuple):
    """An exported model with ONNX, the same loaded with PyTorch, and a recording."""

    export: Path
    classifier: EmotionClassifier
    path: Path

    @property
    def samples(self) -> np.ndarray:
        """Mono, at 16 kHz."""
        return audio.load(self.path)

    def classified(self, recording: object) -> list[float]:
        """In Python, with PyTorch."""
        return list(self.classifier.classify(recording).probabilities.values())


def command_line(case: Case) -> list[float]:
    """``camser classify --json``."""
    asked = ["classify", str(case.path), f"--model={case.export}", "--json"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main([*asked, "--engine=torch", "--device=cpu", "--quiet"])
    return list(json.loads(printed.getvalue())[0]["probabilities"].values())


def page(case: Case) -> list[float]:
    """What the page shows."""
    answer = DemoModel(case.classifier, Limits()).classify(str(case.path))
    return list(answer.probabilities.values())


def over_http(case: Case) -> list[float]:
    """A program that asks the service."""
    from gradio_client import Client, handle_file

    with serving(case.classifier, read_config(case.export), port=0) as address:
        client = Client(address, verbose=False)
        answer = client.predict(handle_file(case.path), api_name="/classify")
    return list(answer["probabilities"].values())


def stock_class(case: Case) -> list[float]:
    """SpeechBrain's class, whose scores are calibrated here; it reads what libsndfile reads."""
    stock = EncoderClassifier.from_hparams(source=str(case.export), run_opts={"device": "cpu"})
    return case.classifier.calibrate(stock.classify_file(str(case.path))[0])[0].tolist()


def onnx_engine(case: Case) -> list[float]:
    """ONNX Runtime, without PyTorch."""
    recognizer = load_recognizer(case.export, device="cpu", engine="onnx")
    return list(recognizer.classify(case.path).probabilities.values())


def plain_onnx(case: Case, card: str | None = None) -> list[float]:
    """The program of the model card, without camser; for one channel at 16 kHz."""
    text = card or TEMPLATE.read_text(encoding="utf-8")
    (program,) = (b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "onnxruntime" in b)
    program = program.replace("path/to/this/folder", str(case.export))
    program = program.replace("speech.wav", str(case.path))
    found: dict = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(program, TEMPLATE.name, "exec"), found)
    return [float(value) for value in found["probabilities"].values()]


PYTORCH: dict[str, Callable[[Case], list[float]]] = {
    "Python: path": lambda case: case.classified(case.path),
    "Python: bytes": lambda case: case.classified(case.path.read_bytes()),
    "Python: open file": lambda case: case.classified(io.BytesIO(case.path.read_bytes())),
    "Python: array": lambda case: case.classified(case.samples),
    "Python: (rate, array)": lambda case: case.classified((16000, case.samples)),
    "Python: {array, sampling_rate}": lambda case: case.classified(
        {"array": case.samples, "sampling_rate": 16000}
    ),
    "Python: tensor [1, samples]": lambda case: case.classified(
        torch.from_numpy(case.samples)[None]
    ),
    "camser classify --json": command_line,
    "page": page,
}
HTTP = {"HTTP": over_http}
STOCK = {"SpeechBrain's EncoderClassifier": stock_class}
ONNX = {"ONNX Runtime by camser": onnx_engine, "ONNX Runtime alone": plain_onnx}
