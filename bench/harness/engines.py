"""camser's inference by each engine that is here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import camser_model

from camser.inference import EmotionClassifier

# The file that an engine runs, and what from_pretrained is told.
ENGINES: dict[str, tuple[str, dict[str, Any]]] = {
    "camser, torch": ("model.safetensors", {"engine": "torch"}),
    "camser, torch, compiled": ("model.safetensors", {"engine": "torch", "compile": True}),
    "camser, onnx": ("model.onnx", {"engine": "onnx"}),
    "camser, onnx, int8": ("model.int8.onnx", {"engine": "onnx-int8"}),
}


def available(
    folder: Path, size: str, device: str, compiled: bool = True
) -> dict[str, Callable[[list[Path]], Any]]:
    """By name, what takes paths and gives predictions; ``folder`` gets an export.

    Left out are ONNX Runtime on a GPU, for which its usual package is not made, and, unless
    ``compiled``, what takes minutes to compile.
    """
    camser_model.write_export(folder, size, onnx=torch.device(device).type == "cpu")
    found = {}
    for name, (file, options) in ENGINES.items():
        if not (folder / file).is_file() or options.get("compile", False) > compiled:
            continue
        classifier = EmotionClassifier.from_pretrained(folder, device=device, **options)
        found[name] = classifier.classify
    return found
