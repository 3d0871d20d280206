"""The model card of an exported model, written only from its results."""

from __future__ import annotations

from typing import Any

from camser.export.onnx.quantize import int8_summary
from camser.export.trained_run import TrainedRun
from camser.inference.export_files import INT8, ONNX
from camser.model import count_parameters

TEXT = """\
# Speech emotion recognition: {variant} on {corpus}

{labels_sentence}

{components}

Made with [camser](https://pypi.org/project/camser/) {camser}.

## Use

```python
from camser.inference import EmotionClassifier

classifier = EmotionClassifier.from_pretrained("path/to/this/folder")
print(classifier.classify("speech.wav"))
```

Recordings may have any format, sampling rate, number of channels and length.
`classifier.timeline("meeting.wav")` shows how the emotions change. This reads only data and runs no
code from this folder. SpeechBrain's own interface works too. It runs `hyperparams.yaml` as code, so
load it only from people whom you trust:

```python
from speechbrain.inference.classifiers import EncoderClassifier

classifier = EncoderClassifier.from_hparams(source="path/to/this/folder")
log_probabilities, score, index, labels = classifier.classify_file("speech.wav")
```

The classes are, in this order: {labels}.

{graphs}## What it was trained and tested on

| | |
|---|---|
{training}

{selection}

## How well it does

On {num_utterances} utterances of speakers that it was not trained on. This is **one fold of one
protocol**. Other speakers would give other figures, so compare systems by complete
cross-validations.

| measure | value |
|---|---|
| weighted accuracy (share of correct utterances) | {WA:.1%} |
| unweighted accuracy (mean recall of the classes) | {UA:.1%} |
| macro-F1 | {macro_F1:.1%} |

| class | utterances | recall | precision |
|---|---|---|---|
{classes}

Rows are the true classes, columns the decisions:

| | {labels_columns} |
|---|{rule}|
{confusion}

## Confidence

Probabilities are calibrated by a temperature of {temperature:.3f}, fitted on {calibrated}
utterances of the validation split (negative log-likelihood {nll_before:.3f} before,
{nll_after:.3f} after). The log-probabilities of SpeechBrain's interface and of ONNX are those of
the test, not calibrated.

## Limits

- It has {number} classes and chooses one of them for any input, also for music and noise. Give a
  `threshold` to let it abstain.
- In training it has seen only the speakers, the language, the microphones and the (possibly acted)
  emotions of {corpus}. On others it does worse. Only a test on them can show by how much.
- A voice shows how somebody sounds, not how they feel. Do not use it to judge people.
- The license of the corpus may also apply to models trained on it.

## Provenance

| | |
|---|---|
{provenance}
"""


def model_card(config: dict[str, Any], run: TrainedRun) -> str:
    """The ``README.md`` of an exported model, with the metadata that the hub reads.

    Arguments
    ---------
    config : dict
        The ``config.json`` of the exported model.
    run : TrainedRun
        The exported run.
    """
    labels, trained, scores = config["labels"], config["trained"], config["scores"]
    support = [sum(row) for row in scores["confusion"]]
    classes = [
        (name, count, _percent(scores["recall"][name]), _percent(scores["precision"][name]))
        for name, count in zip(labels, support, strict=True)
    ]
    text = TEXT.format(
        **{name: scores[name] for name in ("WA", "UA", "macro_F1", "num_utterances")},
        **{name: config["calibration"][name] for name in ("nll_before", "nll_after")},
        calibrated=config["calibration"]["utterances"],
        temperature=config["temperature"],
        variant=trained["variant"],
        corpus=trained["corpus"],
        camser=config["camser"],
        labels=", ".join(labels),
        graphs=_graphs(config),
        labels_sentence=f"It recognizes which of {len(labels)} emotions a voice expresses: "
        f"{', '.join(labels)}.",
        number=len(labels),
        components=_components(config, run),
        training=_rows(_training(trained)),
        selection=_selection(trained),
        classes=_rows(classes),
        labels_columns=" | ".join(labels),
        rule="|".join("---" for _ in labels),
        confusion=_rows(
            [(f"**{n}**", *r) for n, r in zip(labels, scores["confusion"], strict=True)]
        ),
        provenance=_rows(_provenance(config)),
    )
    return f"---\n{_metadata(config)}\n---\n\n{text}"


def _graphs(config: dict[str, Any]) -> str:
    """The use of ``model.onnx`` and ``model.int8.onnx``, if they are in the folder."""
    if ONNX not in config.get("onnx", {}):
        return ""
    text = (
        f"`{ONNX}` is the same model for ONNX runtimes; where onnxruntime is installed "
        f'(`pip install "camser[onnx]"`), `from_pretrained` runs it on CPUs.\n'
    )
    if INT8 in config["onnx"]:
        text += (
            f"`{INT8}` has linear layers in eight bits. It is faster and is run by "
            f'`from_pretrained(…, engine="onnx-int8")`: {int8_summary(config["int8"])}. Its '
            f"results depend slightly on the other recordings in a batch.\n"
        )
    return f"{text}\n"


def _metadata(config: dict[str, Any]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    trained, scores = config["trained"], config["scores"]
    shared = {
        "task_type": "audio-classification",
        "task_name": "Speech emotion recognition",
        "dataset_type": trained["corpus"],
        "dataset_name": trained["corpus"],
        "dataset_split": f"{trained['protocol']}, {trained['fold_name']}",
    }
    measures = {"WA": "Weighted accuracy", "UA": "Unweighted accuracy", "macro_F1": "Macro-F1"}
    eval_results = [
        EvalResult(**shared, metric_type=kind, metric_value=scores[kind], metric_name=name)
        for kind, name in measures.items()
    ]
    data = ModelCardData(
        library_name="speechbrain",
        pipeline_tag="audio-classification",
        tags=["camser", "speech-emotion-recognition", "emotion-recognition"],
        model_name=f"{trained['variant']} on {trained['corpus']}",
        eval_results=eval_results,
    )
    return data.to_yaml()


def _components(config: dict[str, Any], run: TrainedRun) -> str:
    architecture = config["architecture"]
    counts = count_parameters(run.modules["embedding_model"], run.modules["classifier"])
    names = {name: architecture["encoders"][name]["plugin"] for name in architecture["modalities"]}
    names["fusion"] = architecture["fusions"][architecture["fusion"]]["plugin"]
    rows = [(name, names.get(name, ""), f"{count:,}") for name, (count, _) in counts.items()]
    return f"| component | plugin | parameters |\n|---|---|---|\n{_rows(rows)}"


def _training(trained: dict[str, Any]) -> list[tuple]:
    sizes = trained["parts"]
    return [
        ("corpus", f"{trained['corpus']} (manifest {trained['manifest']})"),
        ("protocol", trained["protocol"]),
        ("tested on", f"{trained['fold_name']}, {sizes['test']} utterances"),
        ("trained on", f"{sizes['train']} utterances"),
        ("validated on", f"{sizes['valid']} utterances"),
        ("epoch", f"{trained['best_epoch']} of {trained['epochs']}, seed {trained['seed']}"),
    ]


def _selection(trained: dict[str, Any]) -> str:
    if "note" in trained:
        return (
            f"**The epoch was {trained['note']}**: the same utterances are used to choose the "
            f"epoch and for the scores below, so the scores are too good."
        )
    return "The epoch was chosen on the validation split, which is not used in training or test."


def _provenance(config: dict[str, Any]) -> list[tuple]:
    plugins = [
        (f"{p['kind']} `{name}`", f"{p['plugin']} of {p['distribution']} {p['version']}")
        for name, p in config["plugins"].items()
    ]
    versions = [(name, version) for name, version in config["trained"]["versions"].items()]
    verified = config.get("verified")
    checked = "not verified"
    if verified:
        checked = (
            f"loaded in a new process, {verified['utterances']} test utterances: log-probabilities "
            f"within {verified['largest_difference']:.1e} of the test's"
        )
        if "largest_difference_onnx" in verified:
            checked += f", by onnxruntime within {verified['largest_difference_onnx']:.1e}"
    weights = f"{config['weights']['bytes']:,} bytes, SHA-256 {config['weights']['digest']}…"
    return [*plugins, *versions, ("weights", weights), ("export", checked)]


def _rows(rows: list[tuple]) -> str:
    return "\n".join(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
