"""Exports as strangers could make them: whatever could be run would leave a file behind.

A trap lies beside a good export (``lay``) or is built into a copy of one (``BUILT_IN``). Each one
that is sprung makes a file of its name in the folder ``sprung``.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from camser.inference.export_config import write_config
from camser.inference.export_files import CONFIG, INT8, ONNX, WEIGHTS
from camser.runtime.digests import file_record
from tests.helpers.tiny_export import write_export

# A copy of any of these in the working folder is imported where that folder is on Python's path.
MODULES = (
    "__init__", "__main__", "camser", "configuration_evil", "conftest", "custom", "evil",
    "fcntl", "json", "modeling_evil", "numpy", "onnxruntime", "setup", "sitecustomize",
    "soundfile", "speechbrain", "torch", "transformers", "usercustomize",
)  # fmt: skip
PICKLES = (
    "classifier.ckpt", "embedding_model.ckpt", "label_encoder.ckpt", "mean_var_norm.ckpt",
    "model.pt", "normalizer.ckpt", "pytorch_model.bin", "training_args.bin",
)  # fmt: skip
REMOTE = {"AutoModel": "modeling_evil.Evil", "AutoConfig": "configuration_evil.Evil"}
CONFIGURATIONS = (
    "adapter_config.json", "feature_extractor.json", "generation_config.json",
    "preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json",
)  # fmt: skip


def touching(sprung: Path, name: str) -> str:
    """Python that springs a trap."""
    return f"open({str(sprung / name)!r}, 'w').close()"


class Sprung:
    """What runs code when it is unpickled."""

    def __init__(self, sprung: Path, name: str) -> None:
        self.code = touching(sprung, name)

    def __reduce__(self) -> tuple:
        return exec, (self.code,)


def good(folder: Path) -> Path:
    """A small export with both ONNX files, which are not its model's but run as one."""
    write_export(folder)
    for name in (ONNX, INT8):
        write_graph(folder, name)
    return folder


def lay(folder: Path, sprung: Path) -> None:
    """Put traps beside an export, which stays what it is."""
    for name in MODULES:
        (folder / f"{name}.py").write_text(touching(sprung, f"{name}.py") + "\n")
    for name in PICKLES:
        (folder / name).write_bytes(pickle.dumps(Sprung(sprung, name)))
    for name in CONFIGURATIONS:
        told = {"auto_map": REMOTE, "trust_remote_code": True, "model_type": "evil"}
        (folder / name).write_text(json.dumps(told))
    (folder / "evil.pth").write_text(f"import sys; {touching(sprung, 'evil.pth')}\n")
    (folder / "hyperparams.yaml").write_text(_yaml(sprung))
    (folder / "matplotlibrc").write_text("backend: module://evil\ntext.usetex: True\n")
    points = folder / "evil-1.0.dist-info"
    points.mkdir()
    (points / "METADATA").write_text("Metadata-Version: 2.1\nName: camser\nVersion: 9\n")
    (points / "entry_points.txt").write_text("[camser.encoders]\nmfcc_bilstm = evil:Evil\n")


def _yaml(sprung: Path) -> str:
    code = touching(sprung, "hyperparams.yaml")
    return (
        f"ran: !apply:exec [{json.dumps(code)}]\n"
        f"made: !new:zipfile.ZipFile [{json.dumps(str(sprung / 'new'))}, w]\n"
        "pretrainer: !name:os.system\n"
    )


# Built into an export ------------------------------------------------------------------------


def _change(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Another config.json, with the right digest, as a forger gives it."""
    config = json.loads((folder / "config.json").read_text())
    change(config)
    write_config(folder, config)


def _config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path, Path], None]:
    return lambda folder, sprung: _change(folder, change)


def _plugin(**said: str) -> Callable[[Path, Path], None]:
    def change(config: dict[str, Any]) -> None:
        name = f"{said['distribution']}:{said['plugin']}"
        config["architecture"]["encoders"]["mfcc"]["plugin"] = name
        config["plugins"]["mfcc"] |= said

    return _config(change)


def _transformers(**values: Any) -> Callable[[Path, Path], None]:
    return _config(lambda c: c["architecture"]["encoders"]["wav2vec2"]["config"].update(values))


def _encoder(**values: Any) -> Callable[[Path, Path], None]:
    return _config(lambda c: c["architecture"]["encoders"]["wav2vec2"].update(values))


def _weights_are_a_pickle(folder: Path, sprung: Path) -> None:
    (folder / WEIGHTS).write_bytes(pickle.dumps(Sprung(sprung, WEIGHTS)))
    _change(folder, lambda c: c.update(weights=file_record(folder / WEIGHTS)))


def _graph_is_a_pickle(folder: Path, sprung: Path) -> None:
    for name in (ONNX, INT8):
        (folder / name).write_bytes(pickle.dumps(Sprung(sprung, name)))
    describe_graphs(folder)


def _graph(**options: str) -> Callable[[Path, Path], None]:
    def build(folder: Path, sprung: Path) -> None:
        (folder.parent / "secret").write_bytes(bytes(4096))
        for name in (ONNX, INT8):
            write_graph(folder, name, **options)

    return build


def write_graph(folder: Path, name: str, operator: str = "MatMul", weights: str = "") -> None:
    """``embeddings`` = the mean of ``wavs`` times weights, which may lie in another file.

    ``log_probabilities`` = as many of them as there are labels, repeated.
    """
    from onnx import TensorProto, helper

    size = _embedding_size(folder)
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1, size], [0.1] * size)
    if weights:
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        told = {"location": weights, "offset": "0", "length": str(4 * size)}
        for key, value in told.items():
            tensor.external_data.add(key=key, value=value)
    count = len(json.loads((folder / CONFIG).read_text())["labels"])
    columns = helper.make_tensor("columns", TensorProto.INT64, [count], [0] * count)
    floats = TensorProto.FLOAT
    domain = "" if operator == "MatMul" else "evil"
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["wavs"], ["mean"], keepdims=1, axes=[1]),
            helper.make_node(operator, ["mean", "w"], ["embeddings"], domain=domain),
            helper.make_node("Gather", ["embeddings", "columns"], ["log_probabilities"], axis=1),
        ],
        "graph",
        [
            helper.make_tensor_value_info("wavs", floats, ["u", "s"]),
            helper.make_tensor_value_info("lens", floats, ["u"]),
        ],
        [
            helper.make_tensor_value_info("embeddings", floats, ["u", size]),
            helper.make_tensor_value_info("log_probabilities", floats, ["u", count]),
        ],
        [tensor, columns],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    model.metadata_props.add(key="ort_config", value='{"session_options": {}}')
    (folder / name).write_bytes(model.SerializeToString())
    describe_graphs(folder)


def describe_graphs(folder: Path) -> None:
    """Have config.json hold the digests of the ONNX files that are there."""
    there = {name: file_record(folder / name) for name in (ONNX, INT8) if (folder / name).is_file()}
    _change(folder, lambda c: c.update(onnx=there))


def _embedding_size(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(folder / WEIGHTS, framework="pt") as file:
        return file.get_slice("classifier.linear.weight").get_shape()[1]


BUILT_IN: dict[str, Callable[[Path, Path], None]] = {
    "model.safetensors is a pickle": _weights_are_a_pickle,
    "an ONNX file is a pickle": _graph_is_a_pickle,
    "an ONNX operator of a library of its own": _graph(operator="Evil"),
    "ONNX weights in a file outside of the folder": _graph(weights="../secret"),
    "ONNX weights at an absolute path": _graph(weights="/etc/hostname"),
    "config.json names os:system as a plugin": _plugin(distribution="os", plugin="system"),
    "config.json names a module of the folder": _plugin(distribution="evil", plugin="evil:Evil"),
    "config.json names a path as a plugin": _plugin(distribution="camser", plugin="../custom.py"),
    "config.json asks for remote code": _transformers(auto_map=REMOTE, trust_remote_code=True),
    "config.json asks for a kernel of the hub": _transformers(attn_implementation="evil/kernel"),
    "the same under transformers' inner name": _transformers(_attn_implementation="evil/kernel"),
    "the same under a name that it maps to that": _transformers(
        attribute_map={"evil": "_attn_implementation"}, evil="evil/kernel"
    ),
    "config.json has an encoder fetch weights": _encoder(source="evil/weights"),
    "config.json has YAML tags": _config(lambda c: c.update(labels=["!apply:os.system", "!new:x"])),
}
