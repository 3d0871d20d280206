"""An exported model is the model: the same log-probabilities, whatever comes in."""

import json
import sys

import pytest
import torch

import camser.export.onnx
from camser.encoders.base import Encoder
from camser.export.onnx import check
from camser.export.onnx import write as exporting
from camser.export.onnx.write import write_onnx
from camser.fusion.concat import Concat
from camser.inference import export_folder
from camser.model import EmotionHead, UtteranceEncoder
from tests.helpers.onnx_models import LABELS, Exported, build, cut, pad


@pytest.fixture(scope="module")
def paper(graphs):
    """The paper's composition, tiny and trained."""
    _, modules = export_folder.read(graphs)
    return Exported(graphs / "model.onnx", *modules.values())


def test_the_papers_composition_is_the_same_for_every_length_and_batch(paper, speech):
    paper.check_all(speech)


@pytest.mark.parametrize("beyond", [float("nan"), 9.0])
def test_what_lies_beyond_an_utterance_does_not_matter(paper, speech, beyond):
    files = [cut(speech, seconds) for seconds in (0.3, 3.1, 1.0)]
    expected = torch.cat([paper.check(file.unsqueeze(0), torch.ones(1)) for file in files])
    assert torch.allclose(paper.check(*pad(files, beyond)), expected, atol=1e-4)


@pytest.mark.parametrize("samples", [1, 400, 47999, 48000, 48001, 96000, 96001])
def test_the_edges_of_segments_are_where_they_were(paper, speech, samples):
    paper.check(cut(speech, samples / 16000).unsqueeze(0), torch.ones(1))


def test_a_large_batch_of_short_utterances(paper, speech):
    paper.check(speech[:, :8000].repeat(2, 1), torch.linspace(0.1, 1, 12))


def test_the_file_says_what_it_takes_and_gives(paper):
    inputs = {i.name: (i.type, i.shape) for i in paper.session.get_inputs()}
    assert inputs == {
        "wavs": ("tensor(float)", ["utterances", "samples"]),
        "lens": ("tensor(float)", ["utterances"]),
    }
    optional = {i.name: (i.type, i.shape) for i in paper.session.get_overridable_initializers()}
    assert optional == {"before": ("tensor(float)", ["one_or_utterances"])}
    assert {output.name: output.shape for output in paper.session.get_outputs()} == {
        "log_probabilities": ["utterances", 4],
        "embeddings": ["utterances", 128],
    }
    metadata = paper.session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == LABELS and metadata["sample_rate"] == "16000"
    assert metadata["temperature"] == "1.0"


def test_the_file_is_valid_alone_and_tells_nothing_of_the_machine(paper):
    import onnx

    onnx.checker.check_model(paper.path, full_check=True)
    assert not list(paper.path.parent.glob("*.data"))
    model = onnx.load(paper.path)
    del model.graph.initializer[:]
    assert b".py" not in model.SerializeToString()


def test_an_lstm_stays_one_operator_a_layer(paper):
    operators = paper.operators()
    assert operators.count("LSTM") == paper.model.encoders["mfcc"].lstm.num_layers
    assert len(operators) < 600


def test_labels_that_do_not_fit_are_refused(tmp_path):
    model, head = build(["mfcc"], {"plugin": "concat"})
    for labels in (LABELS[:3], ["angry"] * 4):
        with pytest.raises(ValueError, match=r"labels is \['angry'.*the model has 4 classes"):
            write_onnx(model, head, tmp_path / "a.onnx", labels)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    for name in ("lstm", "stft", "group_norm"):
        monkeypatch.delitem(sys.modules, f"camser.export.onnx.{name}", raising=False)
        monkeypatch.delattr(camser.export.onnx, name, raising=False)
    model, head = build(["mfcc"], {"plugin": "concat"})
    with pytest.raises(ValueError, match=r"needs onnxscript.*pip install \"camser\[onnx\]\""):
        write_onnx(model, head, tmp_path / "a.onnx", LABELS)
    assert model.training and head.training
    assert not list(tmp_path.iterdir())


def test_a_file_that_computes_something_else_is_refused(paper):
    _, other = build(["mfcc"], {"plugin": "concat"})
    whole = exporting.ModelWithHead(paper.model.eval(), other.eval())
    with pytest.raises(ValueError, match="as ONNX is wrong: its log-probabilities are off by"):
        check.check_onnx_outputs(paper.path.read_bytes(), paper.path.parent, whole)


class Branching(Encoder):
    """A plugin that looks at its data to decide what to do."""

    out_channels = 1

    def forward(self, waves):
        return waves.unsqueeze(2) if waves.sum() > 0 else -waves.unsqueeze(2)

    def num_frames(self, num_samples):
        return num_samples


def test_a_model_that_cannot_be_followed_is_refused(tmp_path):
    encoder = Branching()
    fusion = Concat({"odd": encoder.frame_spec(100)})
    model = UtteranceEncoder({"odd": encoder}, fusion, 100)
    with pytest.raises(ValueError, match=r"cannot be written as ONNX.*data-dependent"):
        write_onnx(model, EmotionHead(128, 4), tmp_path / "a.onnx", LABELS)
    assert model.training and not list(tmp_path.iterdir())
