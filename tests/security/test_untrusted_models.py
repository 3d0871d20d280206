"""Strangers' models, settings, packages: refused in one line, before they cost anything."""

import json
import re
from random import Random

import pytest
import torch
from safetensors.torch import load_file, save_file

from camser import registry
from camser.config.settings import SettingsError, read_arguments
from camser.encoders.mfcc import MFCC
from camser.encoders.spectrogram import SpectrogramImage
from camser.export.hub_upload import plan
from camser.inference import EmotionClassifier
from camser.inference.export_files import ExportError
from camser.inference.onnx_encoder import OnnxEncoder
from camser.inference.weights import load_head
from camser.runtime.digests import file_record
from robustness.fuzzing import command_lines, fuzz
from tests.helpers.recipe_runs import ROOT, TINY
from tests.helpers.tiny_export import write_export


@pytest.fixture
def export(tmp_path):
    return write_export(tmp_path / "export", fusion="concat")


@pytest.mark.filterwarnings("ignore::camser.runtime.plugin_versions.PluginVersionWarning")
@pytest.mark.parametrize("target", command_lines.all_targets(), ids=lambda target: target.name)
def test_a_few_hostile_files_of_each_command(target, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pytest"])
    for name in ("train", "test"):
        monkeypatch.setattr(f"camser.experiment.run.Run.{name}", lambda self: None)
    for number in range(1 if target.slow > 100 else 3):
        assert fuzz.trial(target, Random(f"quick/{target.name}/{number}"), tmp_path / "hostile")


@pytest.mark.parametrize("value", [torch.nan, torch.inf, "int32"])
def test_weights_that_are_no_finite_numbers_are_refused(export, value):
    path, key = export / "model.safetensors", "classifier.linear.weight"
    state = load_file(path)
    if value == "int32":
        state[key] = state[key].int()
    else:
        state[key][0, 0] = value
    save_file(state, path)
    config = json.loads((export / "config.json").read_text())
    del config["digest"]
    config["weights"] = file_record(path)
    (export / "config.json").write_text(json.dumps(config))
    told = f"{key}.* int32" if value == "int32" else f"has no finite numbers in {key}"
    with pytest.raises(ExportError, match=told):
        EmotionClassifier.from_pretrained(export, device="cpu", engine="torch")


def test_a_graph_that_gives_no_embeddings_is_refused(tmp_path):
    from robustness.fuzzing import malicious_exports

    path = malicious_exports.good(tmp_path / "good") / "model.onnx"
    waves, lens = torch.zeros(2, 1600), torch.ones(2)
    assert OnnxEncoder(path)(waves, lens).shape[0] == 2
    with pytest.raises(ExportError, match="gives no finite embeddings of 7 values"):
        OnnxEncoder(path, embedding_size=7)(waves, lens)
    with pytest.raises(ExportError, match="gives no finite embeddings"):
        OnnxEncoder(path)(waves * torch.nan, lens)


@pytest.mark.parametrize("size", [0, -1, 10**9, 1.5, "x", None, True])
@pytest.mark.parametrize("front_end", [MFCC, SpectrogramImage])
def test_no_size_of_a_front_end_takes_memory_unasked(front_end, size):
    for name in ("n_fft", "hop_samples"):
        with pytest.raises(ValueError, match=f"{name} is .*; allowed: whole numbers from"):
            front_end(**{name: size})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("labels=[null]", "labels[0] is None; it must be a string"),
        ("labels=[[a]]", "labels[0] is ['a']; it must be a string"),
        ("modalities=[{a: 1}]", "modalities[0] is {'a': 1}; it must be a string"),
        ("merge_labels={1: 2}",
         "merge_labels is {'excited': 'happy', '1': 2}; an entry of it must be a string"),
        ("merge_labels={a: [b]}",
         "merge_labels is {'excited': 'happy', 'a': ['b']}; an entry of it must be a string"),
        ("learning_rates={head: x}",
         "learning_rates is {'head': 'x'}; an entry of it must be a number"),
        ("learning_rates={head: -1}",
         "learning_rates is {'head': -1}; an entry of it must be a number at least 0.0"),
        ("seed=-1", "seed is -1; it must be a whole number at least 0"),
        ("batch_size=0", "batch_size is 0; it must be a whole number at least 1"),
        ("grad_accumulation_factor=0",
         "grad_accumulation_factor is 0; it must be a whole number at least 1"),
        ("export_folder=[x]", "export_folder is ['x']; it must be a string or null"),
        ("num_attention_examples=1.5",
         "num_attention_examples is 1.5; it must be a whole number"),
    ],
)  # fmt: skip
def test_a_setting_of_a_wrong_kind_is_refused_before_anything_begins(given, message):
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        read_arguments([TINY, "--data_folder=x", f"--{given}"], ROOT / "recipes/IEMOCAP")


@pytest.mark.parametrize("points", ["x", "[camser.encoders]\nx", "\xff[", "[camser.encoders]\na=b"])
def test_a_broken_package_hides_no_other_plugin(tmp_path, monkeypatch, points):
    broken = tmp_path / "broken-1.dist-info"
    broken.mkdir()
    (broken / "entry_points.txt").write_bytes(points.encode("latin-1"))
    before = [point.name for point in registry.entry_points_of_kind("encoder")]
    monkeypatch.syspath_prepend(tmp_path)
    found = [point.name for point in registry.entry_points_of_kind("encoder")]
    assert "mfcc_bilstm" in found and found == before


@pytest.mark.parametrize("shape", [[0, 2**40], [0, 2**29], [2**20, 0], [4, 0], [4]])
def test_a_head_takes_no_more_memory_than_the_file(export, shape):
    header = {"classifier.linear.weight": {"dtype": "F32", "shape": shape}}
    size = 16 if shape == [4] else 0
    header["classifier.linear.weight"]["data_offsets"] = [0, size]
    text, path = json.dumps(header).encode(), export / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    config = json.loads((export / "config.json").read_text())
    config["weights"] = file_record(path)
    with pytest.raises(ExportError, match=r"does not fit its config\.json"):
        load_head(path, config)


def test_the_hubs_cache_has_links_to_its_blobs(export, tmp_path):
    (tmp_path / "model/snapshots").mkdir(parents=True)
    (tmp_path / "model/blobs").mkdir()
    snapshot = export.rename(tmp_path / "model/snapshots/main")
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).rename(tmp_path / "model/blobs" / name)
        (snapshot / name).symlink_to(f"../../blobs/{name}")
    assert EmotionClassifier.from_pretrained(snapshot, device="cpu", engine="torch").labels


def test_no_link_is_pushed(export):
    (export / "README.md").symlink_to("/etc/hostname")
    with pytest.raises(ExportError, match=r"README.md is a link to /etc/hostname; .*copy"):
        plan(export, "some/body")


def test_no_setting_of_a_working_folder_reaches_a_figure(tmp_path, monkeypatch):
    from matplotlib import rc_context, rcParams

    from camser.evaluation.report.figures import style

    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no LaTeX
    with rc_context({"text.usetex": True}):
        with style.own_settings():
            figure = style.new_figure(1, 1)
            style.style_axes(figure.subplots(), "title")
            assert style.save(figure, tmp_path, "figure")["svg"].stat().st_size
        assert rcParams["text.usetex"]
