"""Write the complete model, with its front ends, as one ONNX file: samples to decisions."""

from __future__ import annotations

import itertools
import json
import os
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from camser.audio import SAMPLE_RATE
from camser.export.onnx import check
from camser.heads import EmotionHead, Head
from camser.inference.export_files import data_of
from camser.inference.onnx_session import BEFORE, EMBEDDINGS, LOG_PROBABILITIES
from camser.model import UtteranceEncoder
from camser.runtime.files import atomic_write
from camser.runtime.messages import exception_chain

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20  # the first opset with GELU, which every transformer here uses
MAX_INLINE_WEIGHTS = 2**31 - 2**24  # bytes of weights in one file; protobuf allows 2 GiB
ALIGNMENT = 4096  # bytes; weights in a second file can then be mapped into memory
OUTPUTS = [LOG_PROBABILITIES, EMBEDDINGS]
LINEAR = "linear:"  # prefix of the nodes of linear layers, except those of heads
SMALL = 1024  # bytes; sizes and axes must be in the first file, for the inference of shapes


def write_onnx(
    embedding_model: UtteranceEncoder,
    classifier: Head,
    path: str | os.PathLike,
    labels: Sequence[str],
    temperature: float = 1.0,
) -> Path:
    """Write a model in evaluation mode for any ONNX runtime.

    Its inputs are ``wavs`` [utterances, samples] and ``lens`` [utterances], both float32, as for
    ``UtteranceEncoder.forward``. Its outputs are ``log_probabilities`` [utterances, classes] and
    ``embeddings`` [utterances, embedding_size], the means over the segments. The numbers of
    utterances and samples are dynamic. A third input is optional: ``before`` [utterances], the
    sample before each, if it is a part of a recording; by default 0. The metadata has ``labels``
    (JSON), ``sample_rate`` (Hz) and ``temperature``.

    Arguments
    ---------
    embedding_model : UtteranceEncoder
        The model; its mode is restored.
    classifier : EmotionHead or ScoreHead
        Its head.
    path : str or Path
        The file to write; it is complete or does not appear. Weights of 2 GB and more are in a
        second file, with ``.data`` at the end of its name. It must stay in the same folder.
    labels : sequence of str
        The emotions, in the order of the classes.
    temperature : float
        The log-probabilities divided by it are logits of calibrated probabilities.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ValueError
        If a package is missing, the labels do not fit the classes, a component of the model cannot
        be expressed in ONNX, or onnxruntime (if installed) gives other results.
    """
    path, labels = Path(path), list(labels)
    classes = classifier.num_classes
    if len(labels) != classes or len(set(labels)) != classes:
        raise ValueError(f"labels is {labels}; the model has {classes} classes: name each once")
    torch_model = ModelWithHead(embedding_model, classifier)
    modes = {module: module.training for module in torch_model.modules()}
    torch_model.eval()
    try:
        model = _translate(torch_model)
        described = {
            "labels": json.dumps(labels),
            "sample_rate": str(SAMPLE_RATE),
            "temperature": repr(float(temperature)),
        }
        _describe(model, described, torch_model.head_weights)
        if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > MAX_INLINE_WEIGHTS:
            _move_weights(model, path.with_name(data_of(path.name)))
        content = model.SerializeToString()
        check.check_onnx_outputs(content, path.parent, torch_model)
    finally:
        for module, mode in modes.items():
            module.training = mode
    with atomic_write(path, "wb") as file:
        file.write(content)
    return path


class ModelWithHead(nn.Module):
    """Model and head as one module."""

    def __init__(self, embedding_model: UtteranceEncoder, classifier: Head) -> None:
        super().__init__()
        self.embedding_model, self.classifier = embedding_model, classifier

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(itertools.chain(self.parameters(), self.buffers())).device

    @property
    def head_weights(self) -> list[str]:
        """The names of the weights of its heads: one, or none if it gives scores."""
        heads = [name for name, m in self.named_modules() if isinstance(m, EmotionHead)]
        return [f"{name}.linear.weight" for name in heads]

    def forward(self, wavs: Tensor, lens: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        before = before + 0 * wavs[:, 0]  # in ONNX, a single value then serves all utterances
        if missing := self.embedding_model.min_samples:  # a graph cannot ask how long it is
            padded = nn.functional.pad(wavs, (0, missing))
            wavs, lens = padded, lens * wavs.shape[1] / padded.shape[1]
        embeddings = self.embedding_model(wavs, lens, before=before)
        return self.classifier(embeddings), embeddings


def _translate(model: ModelWithHead) -> ModelProto:
    try:
        from camser.export.onnx import lstm
    except ImportError as error:
        raise ValueError(
            f'writing ONNX needs {error.name}, which is not installed: pip install "camser[onnx]"'
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from the internals of torch's exporter
            return _export(model, lstm.KeepLSTM(), lstm.TABLE)
    except Exception as error:  # torch's exporter raises many kinds of nested errors
        *_, cause = exception_chain(error)
        raise ValueError(
            f"this model cannot be written as ONNX: {str(cause).strip() or repr(cause)}\nThe "
            f"built-in encoders and fusions can; torch.export and torch.onnx must be "
            f"able to trace the forward of a plugin"
        ) from error


@torch.no_grad()
def _export(
    model: ModelWithHead, mode: AbstractContextManager, table: Mapping[Callable, Callable]
) -> ModelProto:
    # Sizes of 1 would become constants, so use two utterances, of three and of two segments.
    samples = 2 * model.embedding_model.segment_samples + 77
    device = model.device
    wavs, lens = torch.zeros(2, samples, device=device), torch.tensor([1.0, 0.5], device=device)
    inputs = wavs, lens, torch.zeros(2, device=device)
    dynamic = torch.export.Dim.DYNAMIC
    with mode:
        program = torch.export.export(
            model,
            inputs,
            dynamic_shapes=({0: dynamic, 1: dynamic}, {0: dynamic}, {0: dynamic}),
            strict=False,
        )
    exported = torch.onnx.export(
        program,
        dynamo=True,
        verbose=False,
        opset_version=OPSET,
        input_names=["wavs", "lens", BEFORE],
        output_names=OUTPUTS,
        custom_translation_table=dict(table),
    )
    assert exported is not None, "with dynamo it is a program"
    exported.model.graph.sort()  # as the format requires; older optimizers do not sort it
    return exported.model_proto


def _describe(model: ModelProto, metadata: Mapping[str, str], heads: Collection[str]) -> None:
    """Add the metadata and a default for users, and remove the debug information of torch."""
    from onnx import TensorProto
    from onnx.helper import make_tensor, set_model_props

    set_model_props(model, dict(metadata))
    for node in model.graph.node:
        properties = {entry.key: entry.value for entry in node.metadata_props}
        is_product = node.op_type in ("MatMul", "Gemm") and not {*heads} & {*node.input}
        if is_product and "aten.linear" in properties.get("pkg.torch.onnx.fx_node", ""):
            node.name = f"{LINEAR}{node.name}"
        del node.metadata_props[:]  # they include paths of this machine
    model.graph.doc_string = ""
    del model.graph.metadata_props[:], model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "utterances"
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "samples"
    # A tensor of an input's name is its default.
    model.graph.initializer.append(make_tensor(BEFORE, TensorProto.FLOAT, [1], [0.0]))
    model.graph.input[2].type.tensor_type.shape.dim[0].dim_param = "one_or_utterances"


def _move_weights(model: ModelProto, path: Path) -> None:
    """Move the weights to a second file, since a protobuf of 2 GiB cannot be read."""
    from onnx.external_data_helper import set_external_data

    with atomic_write(path, "wb") as file:
        for tensor in model.graph.initializer:
            if len(tensor.raw_data) < SMALL:
                continue
            file.write(bytes(-file.tell() % ALIGNMENT))
            set_external_data(tensor, path.name, file.tell(), len(tensor.raw_data))
            file.write(tensor.raw_data)
            tensor.ClearField("raw_data")
