"""Whatever a model is made of, its file is the model: every encoder, every fusion, every size."""

import time

import pytest
import torch

from camser.encoders.base import Encoder
from camser.export.onnx import write as exporting
from camser.fusion.concat import Concat
from camser.model import EmotionHead, UtteranceEncoder
from tests.helpers.onnx_models import CO_ATTENTION, ENCODERS, PAPER, Exported, build, cut

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_alone(tmp_path, speech, name):
    exported = Exported.write(tmp_path / "a.onnx", *build([name], {"plugin": "concat"}))
    if name == "data2vec":  # with random weights it normalizes silence: 1.1e-4 on some processors
        exported.bound = 2e-4
    exported.check_all(speech)


@pytest.mark.parametrize(
    "fusion",
    [
        {"plugin": "concat", "pooling": {"mfcc": "last", "wav2vec2": "statistics"}},
        {"plugin": "concat", "pooling": {"mfcc": "mean", "wav2vec2": "flatten"}},
        {**CO_ATTENTION, "activation": "softmax"},
        {**CO_ATTENTION, "output_modalities": ["wav2vec2"], "pooling": {"mfcc": "statistics"}},
        {"plugin": "gated", "pooling": {"mfcc": "mean"}},
        {"plugin": "low_rank", "pooling": {"mfcc": "mean"}},
        {"plugin": "attentive", "statistics": True, "pooling": {"mfcc": "last"}},
    ],
    ids=[
        *["last+statistics", "mean+flatten", "softmax", "keep"],
        *["gated", "low_rank", "attentive"],
    ],
)
def test_every_fusion(tmp_path, speech, fusion):
    model, head = build(PAPER, fusion)
    with torch.no_grad():
        for parameter in model.fusion.parameters():
            if not parameter.any():  # so that attention has something to say
                parameter.normal_()
    Exported.write(tmp_path / "a.onnx", model, head).check_all(speech)


WHOLE = {"seconds": None, "max_segment_seconds": 8.0, "mask_padding": True}


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_on_whole_utterances(tmp_path, speech, name):
    fusion = {"plugin": "concat", "pooling": {name: "statistics"}}
    exported = Exported.write(tmp_path / "a.onnx", *build([name], fusion, **WHOLE))
    exported.check_all(speech)
    for samples in (4000, 127999, 128000, 128001):
        exported.check(cut(speech, samples / 16000).unsqueeze(0), torch.ones(1))
    for samples in (1, 300):  # less than a frame
        wavs, lens = cut(speech, samples / 16000).unsqueeze(0), torch.ones(1)
        feeds = {"wavs": wavs.numpy(), "lens": lens.numpy()}
        (found,) = exported.session.run(["embeddings"], feeds)
        assert torch.allclose(torch.from_numpy(found), exported.model(wavs, lens), atol=1e-5)


@pytest.mark.parametrize(
    "fusion",
    [
        {**CO_ATTENTION, "activation": "softmax"},
        {"plugin": "low_rank"},
        {"plugin": "attentive", "statistics": True},
    ],
)
def test_fusions_on_whole_utterances(tmp_path, speech, fusion):
    pooled = {**fusion, "pooling": {"mfcc": "last", "spectrogram": "mean"}}
    exported = Exported.write(tmp_path / "a.onnx", *build(PAPER, pooled, **WHOLE))
    exported.check_all(speech)


@pytest.mark.parametrize("fusion", [CO_ATTENTION, {**CO_ATTENTION, "activation": "softmax"}])
def test_the_co_attention_with_masked_padding(tmp_path, speech, fusion):
    pooled = {**fusion, "pooling": {"mfcc": "last", "spectrogram": "mean"}}
    model, head = build(PAPER, pooled, mask_padding=True)
    Exported.write(tmp_path / "a.onnx", model, head).check_all(speech)


class Recurrent(Encoder):
    """A plugin that uses an LSTM otherwise than ours does: its last states are the frames."""

    def __init__(self, **options):
        super().__init__()
        self.lstm = torch.nn.LSTM(100, 6, **options)
        self.out_channels = 6

    def forward(self, waves):
        frames = waves.unflatten(1, (-1, 100))
        states = self.lstm(frames if self.lstm.batch_first else frames.transpose(0, 1))[1]
        return torch.cat(states).transpose(0, 1)

    def num_frames(self, num_samples):
        return 2 * self.lstm.num_layers * (2 if self.lstm.bidirectional else 1)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_first": True},
        {"bias": False, "num_layers": 2},
        {"bidirectional": True, "num_layers": 3, "dropout": 0.5, "batch_first": True},
    ],
)
def test_every_kind_of_lstm(tmp_path, speech, options):
    encoder = Recurrent(**options)
    fusion = Concat({"r": encoder.frame_spec(2000)}, pooling={"r": "flatten"})
    model = UtteranceEncoder({"r": encoder}, fusion, 2000)
    exported = Exported.write(tmp_path / "a.onnx", model, EmotionHead(128, 4))
    assert exported.operators().count("LSTM") == encoder.lstm.num_layers
    for samples in (700, 2000, 6001):
        exported.check(speech[:3, :samples] * 10, torch.tensor([1.0, 0.3, 0.8]))


def test_what_training_learned_to_standardise_by_is_kept(tmp_path, speech):
    table = {**ENCODERS["wav2vec2"], "standardize": True, "layer_drop": 0.1, "mask_time_prob": 0.1}
    model, head = build(["w"], {"plugin": "concat"}, {"w": table})
    model(speech, torch.ones(6))
    assert model.fusion.pooled["w"].project[0].num_batches == 1
    Exported.write(tmp_path / "a.onnx", model, head).check_all(speech)


def test_weights_too_many_for_one_file_lie_beside_it(tmp_path, speech, monkeypatch):
    monkeypatch.setattr(exporting, "MAX_INLINE_WEIGHTS", 1000)
    exported = Exported.write(tmp_path / "a.onnx", *build(["mfcc"], {"plugin": "concat"}))
    assert {p.name for p in tmp_path.iterdir()} == {"a.onnx", "a.onnx.data"}
    assert exported.path.stat().st_size < 1e6 < (tmp_path / "a.onnx.data").stat().st_size
    exported.check_all(speech)


def test_the_papers_full_size(tmp_path, speech):
    encoders = {
        "mfcc": {"plugin": "mfcc_bilstm"},
        "spectrogram": ENCODERS["spectrogram"],
        "wav2vec2": {"plugin": "wav2vec2", "config": {"model_type": "wav2vec2"}},
    }
    begun = time.monotonic()
    exported = Exported.write(tmp_path / "a.onnx", *build(PAPER, CO_ATTENTION, encoders))
    size = exported.path.stat().st_size / 2**20
    print(f"{time.monotonic() - begun:.0f} s, {size:.0f} MiB")
    exported.check_all(speech)
