#!/usr/bin/env python3
"""How long one waits for a command: each in a process of its own.

    python bench/startup.py --output bench/results/startup-cpu.json

``import camser`` must not import torch, and must take less than 0.1 s in an interpreter that runs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import camser_model, measurement, noise_corpus

CAMSER = Path(sys.executable).parent / "camser"
LIMIT = 0.1  # seconds
LIBRARIES = (  # that a model with wav2vec2 needs, each with how it is imported
    ("torch", "import torch"),
    ("SpeechBrain", "import speechbrain.inference.classifiers"),
    ("transformers' wav2vec2", "from transformers import Wav2Vec2Model"),
)
IMPORT = """
import json, sys, time
start = time.perf_counter()
import camser
print(json.dumps({"seconds": time.perf_counter() - start, "torch": "torch" in sys.modules}))
"""


def started(*command: object) -> Callable[[], subprocess.CompletedProcess]:
    """What runs a command to its end; a command that fails is an error."""
    return lambda: subprocess.run(
        list(map(str, command)), check=True, capture_output=True, text=True
    )


def imported() -> float:
    """Seconds of ``import camser`` inside an interpreter that runs already."""
    found = json.loads(started(sys.executable, "-c", IMPORT)().stdout)
    if found["torch"]:
        raise RuntimeError("import camser imports torch")
    return found["seconds"]


def candidates(folder: Path, sizes: Sequence[str]) -> dict[str, Callable]:
    """Commands by name; the first is the interpreter alone."""
    noise_corpus.write_corpus(folder / "clip", [3.0])
    (clip,) = (folder / "clip").rglob("*.wav")
    found = {
        "python -c pass": started(sys.executable, "-c", "pass"),
        "python -c 'import camser'": started(sys.executable, "-c", "import camser"),
        "import camser, inside": imported,
        "camser plugins list": started(CAMSER, "plugins", "list"),
    }
    for number in range(1, len(LIBRARIES) + 1):
        names, lines = zip(*LIBRARIES[:number], strict=True)
        name = f"only imports: {', '.join(names)}"
        found[name] = started(sys.executable, "-c", "\n".join(lines))
    for size in sizes:
        export = camser_model.write_export(folder / size, size, onnx=True)
        for engine, title in (("onnx", "ONNX"), ("torch", "PyTorch")):
            name = f"camser classify, {size} model, {title}"
            command = CAMSER, "classify", "--model", export, clip, "--engine", engine
            found[name] = started(*command)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measure; an import that is too slow is an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked = measurement.read_arguments(parser, argv, rounds=7)
    sizes = ["small", "paper"]
    if asked.quick:
        asked.rounds, sizes = 1, ["small"]
    with tempfile.TemporaryDirectory() as folder:
        times = measurement.rounds(candidates(Path(folder), sizes), asked.rounds)
    rows = measurement.rows(times, "python -c pass")
    for row in rows:
        del row["times as fast as python -c pass"]
    measurement.report(asked, {"start-up": rows})
    (inside,) = (row["median ms"] for row in rows if row["what"] == "import camser, inside")
    if inside > 1000 * LIMIT:
        sys.exit(f"import camser takes {inside:.0f} ms; allowed: {1000 * LIMIT:.0f}")


if __name__ == "__main__":
    main()
