"""Quantize the linear layers to int8, and measure the cost."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camser.evaluation import metrics


def write_int8(graph: Path, path: Path) -> None:
    """Write an ONNX file whose linear layers compute in int8.

    Their weights are rounded once, with one scale per output. Their inputs are rounded at run time,
    with one scale per batch, so a result depends slightly on the other items in the batch. Front
    ends, convolutions, LSTMs, attention and the classifier stay in float32.

    Arguments
    ---------
    graph : Path
        From ``write.write_onnx``.
    path : Path
        The file to write.

    Raises
    ------
    ValueError
        If onnxruntime is not installed.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise ValueError(
            f'int8 needs {error.name}, which is not installed: pip install "camser[onnx]"'
        ) from error
    from camser.export.onnx.write import LINEAR

    nodes = onnx.load(graph, load_external_data=False).graph.node
    float_nodes = [n.name for n in nodes if not n.name.startswith(LINEAR)]
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends steps that are already done
    try:
        quantize_dynamic(
            graph,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            # A Gemm is first replaced by a MatMul with another name.
            nodes_to_exclude=[*float_nodes, *(f"{name}_MatMul" for name in float_nodes)],
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    finally:
        logging.disable(before)


def compare_int8(folder: Path, paths: Sequence[str], truths: Sequence[str]) -> dict[str, Any]:
    """Compare int8 with float32 on the same recordings.

    Arguments
    ---------
    folder : Path
        A model folder with both ONNX files.
    paths : sequence of str
        Recordings.
    truths : sequence of str
        Their emotions.

    Returns
    -------
    dict
        ``utterances``; ``changed``, the number of different decisions; WA and UA of ``float32`` and
        of ``int8``; ``largest_difference`` of a probability.
    """
    from camser.inference import EmotionClassifier

    probabilities, scores = {}, {}
    for name, engine in (("float32", "onnx"), ("int8", "onnx-int8")):
        classifier = EmotionClassifier.from_pretrained(folder, device="cpu", engine=engine)
        probabilities[name] = classifier.calibrate(classifier.log_probabilities(paths))
        labels = [classifier.labels.index(truth) for truth in truths]
        predictions = probabilities[name].argmax(1).tolist()
        results = metrics.scores(labels, predictions, classifier.labels)
        scores[name] = {score: results[score] for score in ("WA", "UA")}
    before, after = probabilities.values()
    return {
        "utterances": len(paths),
        "changed": int((before.argmax(1) != after.argmax(1)).sum()),
        **scores,
        "largest_difference": float((before - after).abs().max()),
    }


def int8_summary(cost: Mapping[str, Any] | None) -> str:
    """The cost of int8, as a sentence.

    Arguments
    ---------
    cost : mapping or None
        From ``compare_int8``; None if it was not measured.

    Example
    -------
    >>> same = {"WA": 0.9, "UA": 0.8}
    >>> cost = {"utterances": 50, "changed": 0, "float32": same, "int8": same}
    >>> int8_summary({**cost, "largest_difference": 0.012})
    'int8 changes 0 of 50 decisions (WA 90.0% -> 90.0%, UA 80.0% -> 80.0%), a probability by at
    most 0.012'
    """
    if cost is None:
        return "the cost of int8 was not measured"
    shifts = ", ".join(
        f"{name} {cost['float32'][name]:.1%} -> {cost['int8'][name]:.1%}" for name in ("WA", "UA")
    )
    return (
        f"int8 changes {cost['changed']} of {cost['utterances']} decisions ({shifts}), a "
        f"probability by at most {cost['largest_difference']:.3f}"
    )
