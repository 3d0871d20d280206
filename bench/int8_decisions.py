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
import json
import sys
from collections.abc import Sequence

LIMIT = 3 / 339  # of the decisions


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print a line, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="an export with model.onnx and model.int8.onnx")
    parser.add_argument("--manifest", required=True, help="of a run: its manifest.csv")
    parser.add_argument("--data_folder", required=True, help="where the corpus lies")
    parser.add_argument("--output", help="a JSON file")
    arguments = parser.parse_args(argv)

    from pathlib import Path

    from camser.corpus import locate, read_manifest
    from camser.export.int8 import measure, tell
    from camser.files import replacing
    from camser.inference.folder import read_config

    labels = read_config(arguments.model)["labels"]
    rows = [row for row in read_manifest(arguments.manifest) if row.emotion in labels]
    paths = [str(locate(arguments.data_folder, row)) for row in rows]
    cost = measure(Path(arguments.model), paths, [row.emotion for row in rows])
    print(f"{tell(cost)}; allowed: {int(LIMIT * len(rows))} decisions")
    if arguments.output:
        with replacing(arguments.output) as file:
            json.dump(cost, file, indent=2)
            file.write("\n")
    if cost["changed"] > LIMIT * len(rows):
        sys.exit("too many")


if __name__ == "__main__":
    main()
