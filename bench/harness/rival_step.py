"""What rivals.py does in processes of their own: steps of training of one system of Table 1.

python -m harness.rival_step table1.yaml acrnn cpu 8 2

prints its parameters, the milliseconds of a step, those in which the processor worked for it, and
the peak of memory.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch
from harness import camser_model, noise_corpus
from harness.subprocess_memory import MEGABYTE, peak_megabytes
from harness.training_epoch import Epochs

from camser.config.settings import read_arguments
from camser.experiment.run import Run

TABLE_1, SMALL = "table1.yaml", "rivals.yaml"
SECONDS = 3.0  # of an utterance
RANDOM = {TABLE_1: f"--encoders={json.dumps(camser_model.SIZES['paper'])}"}  # the first weights


def arguments(table: str) -> list[str]:
    """The recipe, and the settings of all systems."""
    recipe = str(camser_model.RECIPE.parent / table)
    return [recipe, *filter(None, [RANDOM.get(table)])]


def variants(table: str) -> list[str]:
    """The names of the table's systems."""
    return list(read_arguments([*arguments(table), "--data_folder=."]).variants)


def measured(
    table: str, variant: str, folder: Path, device: str, batch_size: int, steps: int
) -> dict[str, float]:
    """The row of one system, after a step that does not count."""
    num_utterances = max(40, 2 * (1 + steps) * batch_size)  # eight of ten speakers train
    audio = noise_corpus.write_corpus(folder / "corpus", [SECONDS] * num_utterances)
    told = {
        "data_folder": audio, "prepared_folder": folder / "prepared", "variant": variant,
        "output_folder": folder / "run", "device": device, "batch_size": batch_size,
        "num_workers": 0, "back_end": "null", "back_end_after_training": "false",
    }  # fmt: skip
    overrides = [f"--{name}={value}" for name, value in told.items()]
    run = Run(read_arguments([*arguments(table), *overrides, "--noprogressbar"]), noise_corpus.scan)
    modules = run.brain.modules.values()
    parameters = sum(p.numel() for module in modules for p in module.parameters())
    epochs = Epochs(run, skip=0)
    before = peak_megabytes()
    first, *others = islice(epochs.loader, 1 + steps)
    epochs.loader = [first]
    epochs()
    epochs.loader, start = others, time.process_time()
    row = {"parameters": parameters, "ms a step": 1000 * epochs()}
    row["of the processor, ms"] = 1000 * (time.process_time() - start) / steps
    row["peak MB"] = peak_megabytes()
    row["more than before, MB"] = row["peak MB"] - before
    if torch.device(device).type == "cuda":
        row["peak GPU MB"] = torch.cuda.max_memory_allocated(device) / MEGABYTE
    return row


def main() -> None:
    """Do what the command line names, and print it."""
    table, variant, device, *sizes = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(table, variant, Path(folder), device, *map(int, sizes))))


if __name__ == "__main__":
    main()
