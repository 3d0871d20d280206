#!/usr/bin/env python3
"""How many decisions does int8 change, over a whole corpus?

    python bench/int8_decisions.py my-model --manifest results/prepared/manifest.csv \\
        --data_folder data/EmoDB --output bench/results/int8_decisions.json

The export has both ONNX files (``camser export RUN my-model --int8``). Most utterances are among
those that it was trained on: what counts is how far the two computations are apart, not how often
they are right.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import measurement

from camser.data.manifest import audio_path, read_manifest
from camser.export.onnx.quantize import compare_int8, int8_summary
from camser.inference.export_config import read_config

LIMIT = 3 / 339  # of the decisions


def row(config: dict[str, Any], cost: dict[str, Any]) -> dict[str, Any]:
    """The line of the table."""
    scores = {
        f"{name}, {engine}, %": 100 * cost[engine][name]
        for name in ("WA", "UA")
        for engine in ("float32", "int8")
    }
    return {
        "corpus": config["trained"]["corpus"],
        "modalities": ", ".join(config["architecture"]["modalities"]),
        "utterances": cost["utterances"],
        "decisions changed": cost["changed"],
        **scores,
        "largest change of a probability": cost["largest_difference"],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print a line, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="an export with model.onnx and model.int8.onnx")
    parser.add_argument("--manifest", required=True, help="of a run: its manifest.csv")
    parser.add_argument("--data_folder", required=True, help="where the corpus lies")
    asked = measurement.read_arguments(parser, argv, rounds=1)
    config = read_config(asked.model)
    rows = [u for u in read_manifest(asked.manifest) if u.emotion in config["labels"]]
    paths = [str(audio_path(asked.data_folder, u)) for u in rows]
    cost = compare_int8(Path(asked.model), paths, [u.emotion for u in rows])
    print(f"{int8_summary(cost)}; allowed: {int(LIMIT * len(rows))} decisions")
    measurement.report(asked, {"decisions": [row(config, cost)]})
    if cost["changed"] > LIMIT * len(rows):
        sys.exit("too many")


if __name__ == "__main__":
    main()
