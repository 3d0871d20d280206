"""What reads a stranger's model, or a command line: slower to start than the other readers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file

from camser.config import settings
from camser.inference import engines, export_files
from camser.inference.export_config import longest_segment
from camser.runtime.digests import file_record
from robustness.fuzzing import mutations
from robustness.fuzzing.readers import Target
from robustness.harness.report import ROOT
from tests.helpers import tiny_export

# Exports --------------------------------------------------------------------------------------

_OWN = tempfile.TemporaryDirectory(prefix="camser-fuzz-")  # deleted when the process ends
EXPORT = Path(_OWN.name) / "export"


def export(hurt: str) -> Callable[[Random, Path], Path]:
    """An export whose description or weights are hostile, the digests right, as a forger's are."""
    if not EXPORT.exists():
        tiny_export.write_export(EXPORT)
    config = json.loads((EXPORT / export_files.CONFIG).read_text())
    weights = (EXPORT / export_files.WEIGHTS).read_bytes()

    def write(random: Random, place: Path) -> Path:
        path, data = place / export_files.WEIGHTS, weights
        if hurt == export_files.WEIGHTS:
            data = mutations.safetensors_of(random, weights)
        path.write_bytes(data)
        told = json.dumps({**config, "weights": file_record(path)}).encode()
        if hurt == export_files.CONFIG:
            told = mutations.tree_of(random, config)
        (place / export_files.CONFIG).write_bytes(mutations.forged(told))
        return place

    return write


def load(place: Path) -> None:
    """A model that loads gives probabilities."""
    config, modules, _ = engines.load(place, "torch", "cpu")
    state = load_file(place / export_files.WEIGHTS)
    assert all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point())
    with torch.inference_mode():
        size = round(longest_segment(config["architecture"]) * 16000)
        waves = torch.randn(1, size) * 0.1
        embedding = modules["embedding_model"](waves, torch.ones(1))
        assert len(modules["classifier"](embedding)[0]) == len(config["labels"])


# Settings -------------------------------------------------------------------------------------

YAML = str(ROOT / "tests/hparams/tiny.yaml")
BOMB = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}' if n else 'x'] * 9)}]" for n in range(12)]
PIECES = (
    f"{{{', '.join(BOMB)}}}",
    "1", "concat", "[mfcc]", "{mfcc: {plugin: mfcc_bilstm}}", "!ref <seed>", "!ref <fold>",
    "!new:collections.Counter", "!apply:os.getcwd", "!!python/object/apply:os.getcwd []", "!name:x",
    "&a [*a]", "&a {b: *a}", "[&a [x, x], &b [*a, *a], *b]", "!!binary x", "!!timestamp 1", "? x",
    "!PLACEHOLDER", "!include:x.yaml", "!copy <encoders>", "!tuple (1, 2)", "1e999", "<x>",
    "2001-02-30", "!!int x", "!!float x", "<<: 1", "{<<: 1}", "'", '"\\x"', "%TAG", "--- a", "|",
    "[" * 300, "[" * 20_000, "!ref <a>\nb: !ref <c>", "!ref <number_of_epochs>", *mutations.TEXTS,
)  # fmt: skip


def command_line(random: Random, place: Path) -> Path:
    """Overrides, a line each."""
    keys = (
        "seed", "fold", "fusion", "modalities", "encoders", "labels", "merge_labels", "x", "x y",
        "embedding_model", "variants", "variant", "learning_rates", "include",
    )  # fmt: skip
    lines = [
        f"--{random.choice(keys)}={''.join(random.choices(PIECES, k=random.choice((1, 1, 2))))}"
        for _ in range(random.choice((1, 1, 2, 3)))
    ]
    (place / "arguments.json").write_text(json.dumps(lines))
    return place / "arguments.json"


def parse(path: Path) -> None:
    """What is understood gives the same again."""
    given = json.loads(path.read_text())
    argv = [YAML, "--data_folder=x", "--output_folder=y", *given]
    found = settings.read_arguments(argv, ROOT / "recipes/IEMOCAP")
    again = path.with_name("again.yaml")
    again.write_text(found.text)
    assert settings.read_arguments([str(again)]).values == found.values


def targets() -> list[Target]:
    """All of them."""
    return [
        *(
            Target(f"an export's {name}", export(name), load, (export_files.ExportError,), 20)
            for name in (export_files.CONFIG, export_files.WEIGHTS)
        ),
        Target("overrides", command_line, parse, (settings.SettingsError,), 10),
    ]
