"""The model card of an exported model, written only from its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined

from camser.data.folds import REASONS
from camser.export.calibration import MIN_ERRORS, MIN_UTTERANCES
from camser.export.onnx.quantize import int8_summary
from camser.export.trained_run import TrainedRun
from camser.inference.hub import HUB_ID
from camser.model import count_parameters

TEMPLATE = Path(__file__).with_name("model_card.md.jinja")


def model_card(config: dict[str, Any], run: TrainedRun) -> str:
    """The ``README.md`` of an exported model, with the metadata that the hub reads.

    Arguments
    ---------
    config : dict
        The ``config.json`` of the exported model.
    run : TrainedRun
        The exported run.
    """
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    written = config["trained"].get("note", "") + config.get("cross_validated", {}).get("note", "")
    environment.filters["percent"] = lambda value: "–" if value is None else f"{value:.1%}"
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        {"onnx": {}, "cross_validated": {}, "remarks": [], **config},
        components=_components(config["architecture"], run),
        min_utterances=MIN_UTTERANCES,
        min_errors=MIN_ERRORS,
        notes=[f"**Caution, {note}** ({REASONS[note]})." for note in REASONS if note in written],
        int8_summary=int8_summary(config.get("int8")),
    )
    return f"---\n{_metadata(config, run)}\n---\n\n{text}"


def _components(architecture: dict[str, Any], run: TrainedRun) -> list[tuple[str, str, int]]:
    """The name, the plugin and the number of parameters of each component."""
    counts = count_parameters(run.modules["embedding_model"], run.modules["classifier"])
    names = {name: architecture["encoders"][name]["plugin"] for name in architecture["modalities"]}
    names["fusion"] = architecture["fusions"][architecture["fusion"]]["plugin"]
    return [(name, names.get(name, ""), count) for name, (count, _) in counts.items()]


def _base_models(run: TrainedRun) -> list[str]:
    """The pretrained models on the hub that training began with."""
    settings = run.results["settings"]
    tables = [settings["encoders"][name] for name in settings["modalities"]]
    sources = [str(table.get("source") or "") for table in tables]
    return [s for s in sources if HUB_ID.fullmatch(s) and not Path(s).is_dir()]


def _metadata(config: dict[str, Any], run: TrainedRun) -> str:
    trained, scores = config["trained"], config["scores"]
    measures = {"WA": "Weighted accuracy", "UA": "Unweighted accuracy", "macro_F1": "Macro-F1"}
    eval_results = [
        EvalResult(
            task_type="audio-classification",
            task_name="Speech emotion recognition",
            dataset_type=trained["corpus"],
            dataset_name=trained["corpus"],
            dataset_split=f"{trained['protocol']}, {trained['fold_name']}",
            metric_type=kind,
            metric_value=scores[kind],
            metric_name=name,
        )
        for kind, name in measures.items()
        if scores
    ]
    data = ModelCardData(
        language=config.get("language"),
        license=config.get("license") or "unknown",
        datasets=[trained["corpus"]],
        base_model=_base_models(run) or None,
        metrics=[*measures] if scores else None,
        library_name="speechbrain",
        pipeline_tag="audio-classification",
        tags=["camser", "speech-emotion-recognition", "emotion-recognition"],
        model_name=f"{trained['variant']} on {trained['corpus']}",
        eval_results=eval_results or None,
    )
    return data.to_yaml()
