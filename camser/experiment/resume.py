"""Checks whether an output folder holds this same run, so that it may be resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from speechbrain.utils.run_opts import RunOptions

from camser.audio.windows import MAX_SEGMENT_SECONDS
from camser.config.settings import RESULT_RUN_OPTIONS, SettingsError, read_arguments
from camser.data.manifest import (
    MANIFEST,
    Utterance,
    fingerprint,
    read_manifest,
    write_manifest,
)
from camser.evaluation.results import ARCHITECTURE, HISTORY, RECIPE, RESULTS
from camser.runtime.files import atomic_write, remove_stale_temporaries

# Paths, reading, saving and speed: these settings may differ when a run is resumed.
NON_RESULT_SETTINGS = (
    "data_folder", "emobox", "output_folder", "prepared_folder", "num_workers", "tensorboard",
    "ckpt_interval_minutes", "ckpt_interval_steps", "checkpointer", "train_logger",
    "save_embeddings", "num_attention_examples", "export_folder", "compiled",
    "skip_nonfinite_grads", "deterministic", "eval_batch_size",
)  # fmt: skip
RUN_DEFAULTS = {name: RunOptions()[name] for name in RESULT_RUN_OPTIONS} | {
    "mask_padding": False,
    "max_segment_seconds": MAX_SEGMENT_SECONDS,
    "segment_hop_seconds": None,
    "utterance_rule": "mean",
    "back_end_after_training": False,
    "styles": None,
}

FORMER_TAGS = {"!new:camser.model.EmotionHead": "!apply:camser.build.build_head"}  # the same head


def result_settings(values: dict[str, Any]) -> dict[str, Any]:
    """The settings that identify a run: without paths, and without tables of unused names."""
    decisive = {name: value for name, value in values.items() if name not in NON_RESULT_SETTINGS}
    decisive["encoders"] = {name: values["encoders"][name] for name in values["modalities"]}
    decisive["fusions"] = {values["fusion"]: values["fusions"][values["fusion"]]}
    back_ends = decisive.pop("back_ends")
    if values["back_end"]:
        decisive["back_ends"] = {values["back_end"]: back_ends[values["back_end"]]}
    for name in ("embedding_model", "classifier", "epoch_counter"):
        ((tag, arguments),) = values[name].items()
        # An argument that only repeats the setting of the same name is left out.
        repeated = {"num_classes"} | {k for k, v in arguments.items() if values.get(k) == v}
        kept = {k: v for k, v in arguments.items() if k not in repeated}
        decisive[name] = {FORMER_TAGS.get(tag, tag): kept}
    return decisive


def _has_begun(folder: Path) -> bool:
    """Whether the folder holds files that a run would resume from, or replace."""
    return _has_results(folder) or any((folder / "save").glob("CKPT*"))


def _has_results(folder: Path) -> bool:
    """Whether there is a file that a run writes only after a checkpoint."""
    return any((folder / name).is_file() for name in (RESULTS, HISTORY))


def check_checkpoints(folder: Path) -> None:
    """Raise a SettingsError if ``folder`` holds a run without any checkpoint."""
    if _has_results(folder) and not any((folder / "save").glob("CKPT*")):
        raise SettingsError(
            f"{folder} holds a run whose checkpoints are gone, so it cannot resume. Delete that "
            f"folder to train again, or give another output_folder"
        )


def check_same_run(folder: Path, values: dict[str, Any]) -> None:
    """Raise a SettingsError if ``folder`` holds a run with other settings than ``values``."""
    if not _has_begun(folder):
        return
    saved = RUN_DEFAULTS | _saved(folder / RECIPE)
    values = RUN_DEFAULTS | result_settings(values)
    names = {*saved, *values}
    is_chosen = any(not isinstance(s.get("number_of_epochs"), int) for s in (saved, values))
    falls_to_end = (values["schedule"] or {}).get("warmup") is not None  # so it needs the number
    if not falls_to_end and not is_chosen:
        names.discard("number_of_epochs")  # a run may be resumed for more
    for settings in (saved, values):
        ((_, counter),) = settings["epoch_counter"].items()
        counter.pop("limit", None)
    different = [n for n in sorted(names) if saved.get(n) != values.get(n)]
    if different:
        lines = "".join(f"\n  {n}: {saved.get(n)!r}, now {values.get(n)!r}" for n in different)
        raise SettingsError(
            f"{folder} holds a run with other settings:{lines}\n"
            f"Give another output_folder, or delete that one"
        )


def _saved(path: Path) -> dict[str, Any]:
    """The settings that identify the run stored at ``path``."""
    try:
        return result_settings(read_arguments([str(path)]).values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} cannot be read ({error}), so the run cannot be compared with this one. "
            f"Correct the file, delete the folder to train again, or give another output_folder"
        ) from error


def check_same_corpus(folder: Path, utterances: list[Utterance]) -> None:
    """Raise a SettingsError if ``folder`` holds a run on other utterances or other audio."""
    if not _has_begun(folder):
        return
    if fingerprint(read_manifest(folder / MANIFEST)) != fingerprint(utterances):
        raise SettingsError(
            f"{folder} holds a run on other data: its {MANIFEST} differs from the corpus as it "
            f"is now. Give another output_folder, or delete that one"
        )


def write_run_description(
    folder: Path, text: str, utterances: list[Utterance], architecture: dict[str, Any]
) -> None:
    """Write the recipe, the manifest and the architecture into the folder of the run.

    Recipe and manifest repeat the same run. The architecture builds the model without pretrained
    weights. Temporary files that killed processes left are deleted.
    """
    remove_stale_temporaries(folder)
    write_manifest(folder / MANIFEST, utterances)
    with atomic_write(folder / RECIPE) as file:
        file.write(text)
    with atomic_write(folder / ARCHITECTURE) as file:
        json.dump(architecture, file, indent=2, allow_nan=False)
        file.write("\n")
