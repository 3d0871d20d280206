#!/usr/bin/env python3
"""The probabilities of one recording, whichever way a model is asked: a table of the docs.

    python bench/interfaces.py --model my-model speech.wav --output bench/results/interfaces.json
    python bench/harness/tables.py docs/how_to/use_a_model.md

The model has ONNX (``camser export --onnx``), the recording one channel at 16 kHz. Needs
camser[demo].
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import measurement
from harness.asked_ways import HTTP, ONNX, PYTORCH, STOCK, Case

from camser.inference import EmotionClassifier

BOUNDS = {"PyTorch": 1e-6, "ONNX": 1e-4}  # of the difference of a probability


def rows(case: Case) -> list[dict[str, Any]]:
    """A row for each way; the first is the reference."""
    engines = {"PyTorch": {**PYTORCH, **HTTP, **STOCK}, "ONNX": ONNX}
    found = [
        (engine, name, ask(case)) for engine, ways in engines.items() for name, ask in ways.items()
    ]
    expected = found[0][2]
    return [
        {
            "asked": name,
            "computed by": engine,
            **{label: f"{p:.6f}" for label, p in zip(case.classifier.labels, given, strict=True)},
            "largest difference": max(abs(p - q) for p, q in zip(given, expected, strict=True)),
        }
        for engine, name, given in found
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Ask; another answer is an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path, help="WAV, one channel, 16 kHz")
    parser.add_argument("--model", type=Path, required=True, help="an export with model.onnx")
    asked = measurement.read_arguments(parser, argv, rounds=1)
    classifier = EmotionClassifier.from_pretrained(asked.model, device="cpu", engine="torch")
    table = rows(Case(asked.model, classifier, asked.recording))
    shown = [{**row, "largest difference": f"{row['largest difference']:.0e}"} for row in table]
    measurement.report(asked, {"interfaces": shown}, bounds=BOUNDS)
    for row in table:
        if row["largest difference"] > BOUNDS[row["computed by"]]:
            sys.exit(f"{row['asked']}: other probabilities than {table[0]['asked']}")


if __name__ == "__main__":
    main()
