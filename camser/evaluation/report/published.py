"""The published scores of Zou et al. (ICASSP 2022), and the row that matches a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAMES = {"mfcc_bilstm": "MFCC", "spectrogram_alexnet": "Spectrogram", "wav2vec2": "W2E"}
W2E_SOURCE = "wav2vec2-base-960h"
LABELS = {"angry", "happy", "sad", "neutral"}
WHOLE = "MFCC+Spectrogram+W2E (w/ co-att)"
SOURCE = "Zou et al., 2022"
CORPUS = "iemocap"

# Table 1: other systems on IEMOCAP by protocol, (WA, UA) in %; None where the paper has no value.
TABLE_1: dict[str, dict[str, tuple[float | None, float]]] = {
    "leave_one_session_out": {
        "CNN-ELM+STC attention": (61.32, 60.43),
        "Audio25": (60.64, 61.32),
        "IS09 - classification": (68.1, 63.8),
        f"CA-MSER, {SOURCE}": (69.80, 71.05),
    },
    "leave_one_speaker_out": {
        "RNN(prop.)-ELM": (62.85, 63.89),
        "3D ACRNN": (None, 64.74),
        "BLSTM-CTC-CA": (69.0, 67.0),
        "CNN GRU-SeqCap": (72.73, 59.71),
        "CNN_TF_Att.pooling": (71.75, 68.06),
        "HNSD": (70.5, 72.5),
        f"CA-MSER, {SOURCE}": (71.64, 72.70),
    },
}

# Table 2: the ablation under leave_one_speaker_out.
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
    if not {"modalities", "encoders", "fusion", "fusions"} <= settings.keys():
        return None
    fusion, encoders = settings["fusions"][settings["fusion"]], settings["encoders"]
    kept = fusion.get("output_modalities") or settings["modalities"]
    modalities = [name for name in settings["modalities"] if name in kept]
    joined = "+".join(_name(name, encoders[name]) for name in modalities)
    plugin = fusion["plugin"].rpartition(":")[2]
    if plugin == "co_attention":
        softmax = ", softmax" if fusion.get("activation") == "softmax" else ""
        return f"{joined} (w/ co-att{softmax})"
    if plugin == "concat":
        return f"{joined} (w/o co-att)" if len(modalities) > 1 else joined
    return None


def _name(modality: str, encoder: Mapping[str, Any]) -> str:
    """The name in the paper; for another checkpoint, the checkpoint's name."""
    plugin = encoder["plugin"].rpartition(":")[2]
    source = str(encoder.get("source") or "").rstrip("/").rpartition("/")[2]
    if plugin == "wav2vec2" and source not in ("", W2E_SOURCE):
        return source
    return NAMES.get(plugin, modality)


def published_scores(
    settings: Mapping[str, Any], corpus: str, protocol: str, labels: Sequence[str]
) -> tuple[float, float] | None:
    """The published (WA, UA) in % of exactly this pretrained system, or None.

    Table 2 is for four emotions of IEMOCAP under leave_one_speaker_out.
    """
    if (corpus, protocol) != (CORPUS, "leave_one_speaker_out") or {*labels} != LABELS:
        return None
    return TABLE_2.get(row_name(settings) or "") if _is_pretrained(settings) else None


def is_whole(settings: Mapping[str, Any]) -> bool:
    """Whether this is the paper's complete model, pretrained as there."""
    return row_name(settings) == WHOLE and _is_pretrained(settings)


def _is_pretrained(settings: Mapping[str, Any]) -> bool:
    """Whether every encoder that can be pretrained is pretrained."""
    encoders = settings.get("encoders", {}).values()
    return all(e.get("source", e.get("weights", "none needed")) is not None for e in encoders)
