"""Whatever computes an export, PyTorch or onnxruntime, the decisions are the same."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import parametrize

from camser import cli
from camser.export.hub_upload import plan
from camser.export.onnx.quantize import compare_int8
from camser.inference import EmotionClassifier, ExportError, export_folder, onnx_session
from camser.inference import graphs as graphs_of_engines
from camser.inference.export_config import write_config
from camser.inference.graphs import graph_for_engine
from camser.inference.onnx_encoder import OnnxEncoder
from camser.inference.skip_init import SkipWeightInit
from camser.runtime.digests import digest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def by_onnx(graphs):
    return EmotionClassifier.from_pretrained(graphs, "cpu")


@pytest.fixture
def damaged(graphs, tmp_path):
    """A copy, to be damaged."""
    return shutil.copytree(graphs, tmp_path / "damaged")


def runs_onnx(place, **options):
    classifier = EmotionClassifier.from_pretrained(place, **options)
    return isinstance(classifier.mods.embedding_model, OnnxEncoder)


def test_both_engines_say_the_same(classifier, by_onnx, wave):
    parts = [wave, wave[:5000], wave[:60000], np.zeros(3, np.float32)]
    ours, theirs = classifier.log_probabilities(parts), by_onnx.log_probabilities(parts)
    torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)
    torch.testing.assert_close(by_onnx.embed(parts), classifier.embed(parts), atol=1e-4, rtol=0)
    along = [c.timeline(wave, window=4, hop=2).probabilities for c in (classifier, by_onnx)]
    np.testing.assert_allclose(*along, atol=1e-4)


def test_a_cpu_takes_onnx_where_it_can(graphs, export, monkeypatch):
    assert runs_onnx(graphs, device="cpu") and not runs_onnx(export, device="cpu")
    assert not runs_onnx(graphs, device="cpu", engine="torch")
    monkeypatch.setattr(
        graphs_of_engines, "unavailable_reason", lambda: "onnxruntime is not installed"
    )
    assert not runs_onnx(graphs, device="cpu")


def test_onnx_builds_no_model(graphs, monkeypatch):
    monkeypatch.setattr(export_folder, "build_model", None)
    assert runs_onnx(graphs, engine="onnx", threads=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "tensorrt"}, "engine is 'tensorrt'; allowed: auto, torch, onnx, onnx-int8"),
        ({"threads": 0}, "threads is 0; allowed: 1 and more"),
        ({"engine": "onnx", "device": "cuda"}, "only on the CPU.*give engine='torch' for cuda"),
        ({"engine": "onnx", "compile": True}, "cannot be compiled.*torch' for compile=True"),
        ({"engine": "onnx", "dtype": "bfloat16"}, "in float32, .*torch' for .*bfloat16"),
        ({"dtype": "float16"}, "dtype is 'float16'; allowed: float32, bfloat16"),
    ],
)
def test_arguments_that_do_not_go_together(graphs, options, message):
    with pytest.raises(ValueError, match=message):
        EmotionClassifier.from_pretrained(graphs, **options)


@pytest.mark.parametrize("found", [None, "1.23.2"])
def test_an_onnxruntime_that_is_too_old_is_as_good_as_none(graphs, monkeypatch, found):
    def version(name):
        if found is None:
            raise onnx_session.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(onnx_session.metadata, "version", version)
    assert graph_for_engine("auto", "cpu") is None
    with pytest.raises(ExportError, match=r"model\.onnx cannot be run: .*engine=.torch."):
        OnnxEncoder(graphs / "model.onnx")


def test_the_graph_that_is_fetched_is_the_one_that_will_run():
    assert graph_for_engine("auto", "cpu") == graph_for_engine("onnx") == "model.onnx"
    assert graph_for_engine("onnx-int8") == "model.int8.onnx"
    assert graph_for_engine("auto", "cpu", needs_torch=True) is graph_for_engine("torch") is None


def test_what_only_pytorch_knows(by_onnx, wave):
    with pytest.raises(ValueError, match=r"model\.onnx gives embeddings.*engine='torch'"):
        by_onnx.attention(wave)


# Folders that are not what they say ---------------------------------------------------------------


def describe(place):
    """Have the description say what is there."""
    config, path = json.loads((place / "config.json").read_text()), place / "model.onnx"
    config["onnx"]["model.onnx"] = {"bytes": path.stat().st_size, "digest": digest(path)}
    write_config(place, config)


def test_a_graph_that_is_cut_off_or_missing(damaged):
    path = damaged / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ExportError, match=r"model\.onnx is not the file that config\.json"):
        EmotionClassifier.from_pretrained(damaged, "cpu")
    path.unlink()
    with pytest.raises(ExportError, match=r"model\.onnx is missing"):
        EmotionClassifier.from_pretrained(damaged, engine="onnx")
    assert not runs_onnx(damaged, device="cpu")


def test_what_is_pushed_is_what_is_described(damaged):
    sent = {path.name for path in plan(damaged, "user/name").files}
    assert {"model.onnx", "model.int8.onnx"} <= sent
    (damaged / "model.int8.onnx").write_bytes(b"another")
    with pytest.raises(ExportError, match=r"model\.int8\.onnx is not the file that"):
        plan(damaged, "user/name")
    config = json.loads((damaged / "config.json").read_text())
    del config["onnx"]["model.int8.onnx"]
    write_config(damaged, config)
    assert "model.int8.onnx" in plan(damaged, "user/name").left_out


def test_an_export_without_the_graph_says_how_to_get_it(export):
    with pytest.raises(ExportError, match=r"has no model\.int8\.onnx.*export RUN DIR --int8"):
        EmotionClassifier.from_pretrained(export, engine="onnx-int8")


def foreign(model, place):
    model.graph.node[0].domain, model.graph.node[0].op_type = "evil", "Run"
    model.opset_import.append(onnx.helper.make_opsetid("evil", 1))


def escaping(model, place):
    tensor = next(t for t in model.graph.initializer if len(t.raw_data) > 1000)
    (place.parent / "secret").write_bytes(tensor.raw_data)
    onnx.external_data_helper.set_external_data(tensor, "../secret")
    tensor.ClearField("raw_data")


def other(model, place):
    del model.graph.output[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (foreign, "is not a model that onnxruntime can run"),
        (escaping, "is not a model that onnxruntime can run.*escapes model directory"),
        (other, "does not map wavs and lens to embeddings"),
    ],
)
def test_a_graph_is_data(damaged, change, message):
    model = onnx.load(damaged / "model.onnx")
    change(model, damaged)
    (damaged / "model.onnx").write_bytes(model.SerializeToString())
    describe(damaged)
    with pytest.raises(ExportError, match=message):
        EmotionClassifier.from_pretrained(damaged, "cpu")


def test_a_changed_digit_of_the_head_is_found_though_the_file_is_not_read_whole(damaged):
    path = damaged / "model.safetensors"
    state = load_file(path)
    state["classifier.linear.weight"][0, 0] += 1
    save_file(state, path, {"format": "pt"})
    with pytest.raises(ExportError, match=r"checksum of its classifier differs from config\.json"):
        EmotionClassifier.from_pretrained(damaged, "cpu", engine="onnx")


def test_the_head_is_checked_though_it_is_all_that_is_read(damaged):
    config = json.loads((damaged / "config.json").read_text())
    config["labels"] = ["angry", "sad", "happy"]
    write_config(damaged, config)
    with pytest.raises(ExportError, match=r"linear.bias \[4\] float32 instead of \[3\]"):
        EmotionClassifier.from_pretrained(damaged, "cpu")
    (damaged / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ExportError, match="is not the file that"):
        EmotionClassifier.from_pretrained(damaged, "cpu")


# int8 ---------------------------------------------------------------------------------------------


def test_only_linear_layers_are_rounded(graphs):
    model = onnx.load(graphs / "model.int8.onnx")
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MatMulInteger") > 10 and "ConvInteger" not in kinds
    floats = {name for n in model.graph.node if n.op_type == "MatMul" for name in n.input}
    assert {"fb", "dct_mat"} <= {name.rpartition(".")[2] for name in floats}
    heads = [n.op_type for n in model.graph.node if "classifier.linear.bias" in n.input]
    assert heads in (["Gemm"], ["Add"])
    sizes = [(graphs / name).stat().st_size for name in ("model.int8.onnx", "model.onnx")]
    assert sizes[0] < sizes[1]


def test_what_int8_costs_is_measured(graphs, classifier, wave_path):
    truth = classifier.classify(wave_path).emotion
    cost = compare_int8(graphs, [wave_path] * 3, [truth] * 3)
    assert (cost["utterances"], cost["float32"]["WA"]) == (3, 1.0)
    assert 0 < cost["largest_difference"] < 0.2
    assert cost["changed"] in (0, 3) and cost["int8"]["WA"] == 1 - cost["changed"] / 3


@pytest.mark.slow
def test_an_export_tells_what_int8_costs(trained, tmp_path, capsys):
    cli.main(["export", str(trained.output_folder), str(tmp_path / "export"), "--int8"])
    told = capsys.readouterr().out.splitlines()[0]
    assert told.startswith("int8 changes ")
    assert told in (tmp_path / "export/README.md").read_text()


def test_without_a_test_the_card_says_that_nothing_was_measured(graphs):
    assert "the cost of int8 was not measured" in (graphs / "README.md").read_text()


def test_the_command_line_chooses(graphs, wave_path, capsys):
    command = ["classify", "--model", str(graphs), "--json", "--threads=1", str(wave_path)]
    found = {}
    for engine in ("onnx", "onnx-int8"):
        cli.main([*command, f"--engine={engine}"])
        (found[engine],) = json.loads(capsys.readouterr().out)
    assert found["onnx"]["probabilities"] != found["onnx-int8"]["probabilities"]
    with pytest.raises(SystemExit, match="engine is 'cuda'"):
        cli.main([*command, "--engine=cuda"])


# PyTorch's ----------------------------------------------------------------------------------------


def test_weight_norms_are_computed_once(classifier, export):
    whole = classifier.mods.embedding_model.modules()
    assert not any(parametrize.is_parametrized(module) for module in whole)
    _, modules = export_folder.read(export)  # what is loaded for other purposes keeps its names
    assert any(map(parametrize.is_parametrized, modules["embedding_model"].modules()))


class Odd(torch.nn.Module):
    """It draws a parameter in two ways, and buffers that a file holds or does not."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(3, 3))
        torch.nn.init.xavier_normal_(self.weight)
        self.other = torch.nn.Parameter(torch.empty(3))
        torch.nn.init.trunc_normal_(self.other, std=1e-9)
        self.register_buffer("drawn", torch.rand(3), persistent=False)
        self.register_buffer("filled", torch.empty(3).uniform_(1, 2))


def test_what_is_not_loaded_is_drawn_as_usual():
    with SkipWeightInit():
        odd = Odd()
    assert not odd.weight.any() and not odd.other.round(decimals=3).any()
    assert odd.drawn.any() and odd.filled.min() >= 1
    assert Odd().weight.any()
