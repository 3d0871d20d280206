"""The description of an exported model: ``config.json``, and the YAML for SpeechBrain."""

from __future__ import annotations

from importlib import metadata
from textwrap import indent
from typing import Any

import yaml

from camser.audio import SAMPLE_RATE
from camser.export.calibration import fit_temperature
from camser.export.trained_run import TrainedRun
from camser.inference.export_config import FORMAT, longest_segment

TRAINED = (
    "corpus", "variant", "protocol", "fold", "fold_name", "selection", "seed", "parts",
    "best_epoch", "epochs", "device", "versions", "manifest",
)  # fmt: skip
OPTIONAL = (
    "speakers_known", "shared_speakers", "note", "averaged_epochs", "inner_folds", "back_end",
)  # fmt: skip
SCORES = (
    "WA", "UA", "macro_F1", "recall", "precision", "confusion", "absent", "num_utterances",
)  # fmt: skip


def export_config(run: TrainedRun) -> dict[str, Any]:
    """The ``config.json`` of an exported model, without its ``weights``.

    Arguments
    ---------
    run : TrainedRun
        The run to export.
    """
    results = run.results
    calibration = fit_temperature(run.validated, results["labels"])
    built = run.modules["embedding_model"].plugins
    hidden_size = (results.get("back_end") or {}).get("hidden_size")
    return {
        "model_type": "camser",
        "format": FORMAT,
        "camser": metadata.version("camser"),
        "labels": results["labels"],
        "sample_rate": SAMPLE_RATE,
        "temperature": calibration.pop("temperature"),
        "calibration": calibration,
        "architecture": run.architecture,
        **({"head": {"hidden_size": hidden_size}} if hidden_size else {}),
        # The versions are those of the training. Results need not have a ``kind``.
        "plugins": {name: {**o, **results["plugins"].get(name, {})} for name, o in built.items()},
        "trained": {
            **{name: results[name] for name in TRAINED},
            **{name: results[name] for name in OPTIONAL if results.get(name) is not None},
        },
        "scores": {name: results[name] for name in SCORES if name in results},
    }


SPEECHBRAIN_YAML = """\
# For SpeechBrain's pretrained interface:
#   EncoderClassifier.from_hparams(source="<this folder>")
# SpeechBrain runs the code that this YAML names, so load it only from people whom you trust.
# camser.inference.EmotionClassifier.from_pretrained reads config.json instead, and runs no code
# from this folder.
sample_rate: {sample_rate}
labels: {labels}
temperature: {temperature!r}
segment_seconds: {segment_seconds!r}
compute_features: !new:torch.nn.Identity
mean_var_norm: !new:speechbrain.nnet.containers.LengthsCapableSequential
    - !new:torch.nn.Identity
embedding_model: !apply:camser.build.build_model
{architecture}
classifier: !apply:camser.build.build_head
    embedding_model: !ref <embedding_model>
    num_classes: {num_classes}
    hidden_size: {hidden_size}
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    classifier: !ref <classifier>
label_encoder: !apply:camser.inference.pretrained.label_encoder [!ref <labels>]
audio_normalizer: !new:camser.inference.pretrained.AudioNormalizer
pretrainer: !new:camser.inference.pretrained.StrictPretrainer
    modules:
        embedding_model: !ref <embedding_model>
        classifier: !ref <classifier>
"""


def speechbrain_yaml(config: dict[str, Any]) -> str:
    """The ``hyperparams.yaml`` of an exported model.

    Arguments
    ---------
    config : dict
        From ``export_config``.
    """
    architecture = yaml.safe_dump(config["architecture"], sort_keys=False, allow_unicode=True)
    return SPEECHBRAIN_YAML.format(
        sample_rate=config["sample_rate"],
        labels=yaml.safe_dump(config["labels"], default_flow_style=True, width=10**6).strip(),
        temperature=config["temperature"],
        segment_seconds=longest_segment(config["architecture"]),
        architecture=indent(architecture.rstrip(), "    "),
        num_classes=len(config["labels"]),
        hidden_size=config.get("head", {}).get("hidden_size", "null"),
    )
