"""The published scores of Zou et al. (ICASSP 2022), and whether a run is the very system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from camser.evaluation.report.runs import ProtocolResults, VariantResults
from camser.evaluation.schema import MODEL_SETTINGS

NAMES = {"mfcc_bilstm": "MFCC", "spectrogram_alexnet": "Spectrogram", "wav2vec2": "W2E"}
W2E_SOURCE = "wav2vec2-base-960h"
LABELS = {"angry", "happy", "sad", "neutral"}
WHOLE = "MFCC+Spectrogram+W2E (w/ co-att)"
SOURCE = "Zou et al., 2022"
CORPUS = "iemocap"

# The system, as in recipes/IEMOCAP/hparams/camser.yaml, by plugin.
COMPONENTS: dict[str, dict[str, Any]] = {
    "mfcc_bilstm": {
        "num_coefficients": 40, "hidden_size": 256, "num_layers": 2, "dropout": 0.5,
        "preemphasis": 0.97,
    },
    "spectrogram_alexnet": {
        "weights": "imagenet", "freeze": False, "reference": "segment", "preemphasis": 0.97,
    },
    "wav2vec2": {"source": W2E_SOURCE, "freeze": None, "layer": None, "preemphasis": 0.97},
    "concat": {"projection_size": 128, "dropout": 0.1},
    "co_attention": {
        "guides": ["mfcc", "spectrogram"], "target": "wav2vec2", "activation": "relu",
        "even_start": False, "projection_size": 128, "dropout": 0.1,
    },
}  # fmt: skip
SYSTEM = {
    "segment_seconds": 3.0, "mask_padding": False, "hidden_sizes": [128, 128], "dropout": 0.1,
    "merge_labels": {"excited": "happy"}, "batch_size": 64, "number_of_epochs": 100,
    "learning_rate": 1e-5, "learning_rates": {},
    "schedule": None, "class_weights": None, "label_smoothing": 0.0,
    "augment": None, "average_from_epoch": None, "segment_hop_seconds": None,
    "utterance_rule": "mean", "back_end_after_training": False, "styles": None,
}  # fmt: skip
# The words for settings that differ; the others are "settings".
KINDS = {
    **dict.fromkeys(("source", "weights"), "weights"),
    **dict.fromkeys(
        ("config", "num_coefficients", "hidden_size", "num_layers", "projection_size",
         "hidden_sizes", "segment_seconds", "segment_hop_seconds"), "sizes",
    ),
    **dict.fromkeys(
        ("batch_size", "number_of_epochs", "learning_rate", "learning_rates", "schedule",
         "class_weights", "label_smoothing", "augment", "average_from_epoch"), "training",
    ),
    "merge_labels": "labels", "styles": "utterances",
}  # fmt: skip

# Table 2: the ablation.
PROTOCOL_2 = "leave_one_speaker_out"
TABLE_2 = {
    "MFCC": (57.60, 58.09),
    "Spectrogram": (62.13, 62.25),
    "W2E": (64.03, 65.67),
    "MFCC+W2E (w/o co-att)": (64.62, 65.93),
    "Spectrogram+W2E (w/o co-att)": (66.20, 67.22),
    "MFCC+Spectrogram+W2E (w/o co-att)": (67.22, 67.81),
    "W2E (w/ co-att)": (67.55, 68.65),
    "MFCC+W2E (w/ co-att)": (69.11, 70.30),
    "Spectrogram+W2E (w/ co-att)": (70.05, 71.30),
    WHOLE: (71.64, 72.70),
}


def row_name(settings: Mapping[str, Any]) -> str | None:
    """The name of the settings' row in Table 2, in its form; None for another kind of system.

    Arguments
    ---------
    settings : mapping
        The ``settings`` of ``results.json``.

    Example
    -------
    >>> row_name({"modalities": ["m", "w"], "fusion": "concat",
    ...           "encoders": {"m": {"plugin": "mfcc_bilstm"}, "w": {"plugin": "wav2vec2"}},
    ...           "fusions": {"concat": {"plugin": "concat"}}})
    'MFCC+W2E (w/o co-att)'
    """
    if not settings.keys() >= MODEL_SETTINGS:
        return None
    fusion, encoders = settings["fusions"][settings["fusion"]], settings["encoders"]
    output = fusion.get("output_modalities") or settings["modalities"]
    modalities = [name for name in settings["modalities"] if name in output]
    joined = "+".join(_name(name, encoders[name]) for name in modalities)
    plugin = _plugin(fusion)
    if plugin == "co_attention":
        softmax = ", softmax" if fusion.get("activation") == "softmax" else ""
        return f"{joined} (w/ co-att{softmax})"
    if plugin == "concat":
        back_end = f", {settings['back_end']}" if settings.get("back_end") else ""
        return f"{joined} (w/o co-att){back_end}" if len(modalities) > 1 else joined + back_end
    return None


def subset(corpus: str, settings: Mapping[str, Any]) -> str:
    """The name of the utterances of a corpus that the settings select; empty for the usual ones.

    Example
    -------
    >>> subset("iemocap", {"styles": ["improvised"], "merge_labels": {}})
    'improvised, excited left out'
    """
    styles = list(settings.get("styles") or [])
    is_unmerged = corpus == CORPUS and settings.get("merge_labels") == {}
    return ", ".join([*styles, *(["excited left out"] if is_unmerged else [])])


def _name(modality: str, encoder: Mapping[str, Any]) -> str:
    """The name in the paper; for another checkpoint, the checkpoint's name."""
    plugin, source = _plugin(encoder), _checkpoint(encoder.get("source"))
    if plugin == "wav2vec2" and source not in ("", W2E_SOURCE):
        return source
    return NAMES.get(plugin, modality)


def _plugin(component: Mapping[str, Any]) -> str:
    return component["plugin"].rpartition(":")[2]


def _checkpoint(source: object) -> str:
    """The last part of a hub id or a path."""
    return str(source or "").rstrip("/").rpartition("/")[2]


def table_2_row(settings: Mapping[str, Any]) -> str | None:
    """The row of Table 2 that has the same modalities and fusion, with any weights."""
    encoders = settings.get("encoders", {})
    if not all(_plugin(encoder) in COMPONENTS for encoder in encoders.values()):
        return None
    without = {name: {**encoder, "source": None} for name, encoder in encoders.items()}
    name = row_name({**settings, "encoders": without})
    return name if name in TABLE_2 else None


def why_not(variant: VariantResults, section: ProtocolResults) -> list[str]:
    """Why the published values of a row of Table 2 are not beside a variant; [] if they may be.

    The settings of ``SYSTEM`` and of the row's components, the labels and the folds must be as
    published. A setting that the results lack is taken as published.
    """
    settings = variant.settings
    shared = {**settings}
    for arguments in settings.get("embedding_model", {}).values():
        shared |= arguments
    different = _unequal({k: v for k, v in shared.items() if k in SYSTEM}, SYSTEM)
    for component in (*settings["encoders"].values(), variant.fusion):
        given = {**component}
        if "source" in given:
            given["source"] = _checkpoint(given["source"])
        different += _unequal(given, COMPONENTS[_plugin(component)])
    kinds = {KINDS.get(name, "settings") for name in different}
    if {*section.labels} != LABELS:
        kinds.add("labels")
    reasons = [f"other {', '.join(sorted(kinds))}"] if kinds else []
    is_complete = len(variant.folds) == section.num_folds
    return reasons if is_complete else [*reasons, section.folds_of(variant)]


def _unequal(given: Mapping[str, Any], published: Mapping[str, Any]) -> list[str]:
    """The names of settings that differ."""
    names = {*given, *published} - {"plugin", "output_modalities"}
    return [n for n in names if given.get(n, published.get(n)) != published.get(n)]
