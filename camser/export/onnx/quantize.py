"""The linear layers in eight bits, and what that costs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camser.evaluation import metrics


def write_int8(graph: Path, path: Path) -> None:
    """Write an ONNX file whose linear layers compute in int8.

    Their weights are rounded once, a scale for each output; what they are given is rounded as it
    comes, with one scale for all of a batch, so that a result depends a little on what else is in
    it. Front ends, convolutions, LSTMs, attention and the classifier stay in float32.

    Arguments
    ---------
    graph : Path
        From ``onnx.write_onnx``.
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
    kept = [n.name for n in nodes if not n.name.startswith(LINEAR)]
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises what was done when the graph was written
    try:
        quantize_dynamic(
            graph,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            # A Gemm is first made a MatMul of another name.
            nodes_to_exclude=[*kept, *(f"{name}_MatMul" for name in kept)],
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
        An export with both ONNX files.
    paths : sequence of str
        Recordings.
    truths : sequence of str
        Their emotions.

    Returns
    -------
    dict
        ``utterances``; ``changed``, how many are decided otherwise; WA and UA of ``float32`` and
        of ``int8``; ``largest_difference`` of a calibrated probability.
    """
    from camser.inference import EmotionClassifier

    found, scores = {}, {}
    for name, engine in (("float32", "onnx"), ("int8", "onnx-int8")):
        classifier = EmotionClassifier.from_pretrained(folder, device="cpu", engine=engine)
        found[name] = classifier.calibrate(classifier.log_probabilities(paths))
        answers = [classifier.labels.index(truth) for truth in truths]
        decided = metrics.scores(answers, found[name].argmax(1).tolist(), classifier.labels)
        scores[name] = {score: decided[score] for score in ("WA", "UA")}
    before, after = found.values()
    return {
        "utterances": len(paths),
        "changed": int((before.argmax(1) != after.argmax(1)).sum()),
        **scores,
        "largest_difference": float((before - after).abs().max()),
    }


def int8_summary(cost: Mapping[str, Any] | None) -> str:
    """What int8 costs, as a sentence.

    Arguments
    ---------
    cost : mapping or None
        From ``compare_int8``; None where it was not measured.

    Example
    -------
    >>> same = {"WA": 0.9, "UA": 0.8}
    >>> cost = {"utterances": 50, "changed": 0, "float32": same, "int8": same}
    >>> int8_summary({**cost, "largest_difference": 0.012})
    'int8 changes 0 of 50 decisions (WA 90.0% -> 90.0%, UA 80.0% -> 80.0%), a probability by at
    most 0.012'
    """
    if cost is None:
        return "what int8 costs was not measured"
    shifts = ", ".join(
        f"{name} {cost['float32'][name]:.1%} -> {cost['int8'][name]:.1%}" for name in ("WA", "UA")
    )
    return (
        f"int8 changes {cost['changed']} of {cost['utterances']} decisions ({shifts}), a "
        f"probability by at most {cost['largest_difference']:.3f}"
    )
