"""An exported model is the model: the same log-probabilities, whatever comes in."""

import json
import sys
import time

import pytest
import torch
from conftest import TINY_WAV2VEC2, TINY_WHISPER

import camser.export
from camser.build import build_model
from camser.encoders.base import Encoder
from camser.export import onnx as exporting
from camser.export import parity
from camser.export.onnx import write_onnx
from camser.fusion.concat import Concat
from camser.model import EmotionHead, UtteranceEncoder

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

LABELS = ["angry", "sad", "happy", "neutral"]
SECONDS = (0.3, 1.0, 3.0, 3.1, 7.0, 60.0)
ENCODERS = {
    "mfcc": {"plugin": "mfcc_bilstm", "hidden_size": 8},
    "spectrogram": {"plugin": "spectrogram_alexnet", "weights": None},
    "wav2vec2": {"plugin": "wav2vec2", "config": TINY_WAV2VEC2},
    "hubert": {"plugin": "wav2vec2", "config": {**TINY_WAV2VEC2, "model_type": "hubert"}},
    "wavlm": {"plugin": "wav2vec2", "config": {**TINY_WAV2VEC2, "model_type": "wavlm"}},
    "data2vec": {
        "plugin": "wav2vec2",
        "config": {**TINY_WAV2VEC2, "model_type": "data2vec-audio", "conv_pos_kernel_size": 5},
    },
    "stable": {
        "plugin": "wav2vec2",
        "config": {**TINY_WAV2VEC2, "do_stable_layer_norm": True, "feat_extract_norm": "layer"},
        "layer": 2,
    },
    "mixture": {"plugin": "wav2vec2", "config": TINY_WAV2VEC2, "layer": "mixture"},
    "whisper": {"plugin": "whisper", "config": TINY_WHISPER},
    "whisper_mixture": {"plugin": "whisper", "config": TINY_WHISPER, "layer": "mixture"},
    "full_scale": {
        "plugin": "spectrogram_alexnet",
        "weights": None,
        "reference": "full_scale",
        "preemphasis": 0,
    },
}
PAPER = ["mfcc", "spectrogram", "wav2vec2"]
CO_ATTENTION = {"plugin": "co_attention", "guides": PAPER[:2], "target": "wav2vec2"}


def build(modalities, fusion, encoders=ENCODERS):
    """A model that tells sounds apart as a trained one does, and its head; in training mode."""
    torch.manual_seed(0)
    model = build_model(modalities, encoders, "f", {"f": fusion}, 3.0).eval()
    head = EmotionHead(model.embedding_size, len(LABELS))
    turns = torch.arange(48000) / 16000 * torch.tensor([[100.0], [500.0], [2500.0]])
    sounds = torch.cat([torch.sin(2 * torch.pi * turns), torch.randn(1, 48000)]) / 10
    with torch.no_grad():
        for layer in [m for m in model.hidden if isinstance(m, torch.nn.Linear)]:
            torch.nn.init.orthogonal_(layer.weight, 2**0.5)
        embeddings = model(sounds, torch.ones(4))
        torch.nn.init.orthogonal_(head.linear.weight, 4 / float(embeddings.std(dim=0).norm()))
        head.linear.bias -= head.linear(embeddings).mean(dim=0)
    return model.train(), head.train()


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Exported:
    """A model, its head, and its file in onnxruntime."""

    def __init__(self, path, model, head):
        self.path = write_onnx(model, head, path, LABELS)
        self.model, self.head, self.session = model, head, session_of(self.path)

    def check(self, wavs, lens):
        """Both say the same, and return what PyTorch says."""
        feeds = {"wavs": wavs.numpy(), "lens": lens.numpy()}
        names = ["log_probabilities", "embeddings"]
        theirs, means = map(torch.from_numpy, self.session.run(names, feeds))
        self.model.eval(), self.head.eval()
        with torch.no_grad():
            ours = self.head(self.model(wavs, lens))
            assert (self.head(means) - theirs).abs().max() <= 2e-5
        assert theirs.shape == ours.shape and theirs.dtype == ours.dtype
        # Float32 through two implementations; decisions are made by far larger differences.
        assert (theirs - ours).abs().max() <= 1e-4
        assert torch.equal(theirs.argmax(1), ours.argmax(1))
        return ours

    def check_all(self, speech):
        """Files of every length alone, silence, and all but the longest as one batch."""
        files = [cut(speech, seconds) for seconds in SECONDS]
        alone = [self.check(file.unsqueeze(0), torch.ones(1)) for file in files]
        self.check(torch.zeros(1, 80000), torch.ones(1))
        batch = [*files[:-1], torch.zeros(50000)]
        together = self.check(*pad(batch))
        assert (together[:-1] - torch.cat(alone[:-1])).abs().max() <= 1e-4
        # A test that any model would pass says nothing.
        assert torch.cat(alone).std(dim=0).max() > 0.05


def cut(speech, seconds):
    """So many seconds of speech, beginning elsewhere each time."""
    samples = round(seconds * 16000)
    return speech.flatten().roll(-samples).repeat(4)[:samples]


def pad(files, beyond=float("nan")):
    lengths = torch.tensor([len(file) for file in files])
    padded = torch.nn.utils.rnn.pad_sequence(files, batch_first=True, padding_value=beyond)
    return padded, lengths / lengths.max()


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """The paper's composition, tiny."""
    shallow = {"plugin": "wav2vec2", "config": {**TINY_WAV2VEC2, "num_hidden_layers": 1}}
    model, head = build(PAPER, CO_ATTENTION, {**ENCODERS, "wav2vec2": shallow})
    return Exported(tmp_path_factory.mktemp("onnx") / "new" / "paper.onnx", model, head)


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
    assert {output.name: output.shape for output in paper.session.get_outputs()} == {
        "log_probabilities": ["utterances", 4],
        "embeddings": ["utterances", 128],
    }
    metadata = paper.session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == LABELS and metadata["sample_rate"] == "16000"


def test_the_file_is_valid_alone_and_tells_nothing_of_the_machine(paper):
    import onnx

    onnx.checker.check_model(paper.path, full_check=True)
    assert [p.name for p in paper.path.parent.iterdir()] == ["paper.onnx"]
    model = onnx.load(paper.path)
    del model.graph.initializer[:]
    assert b".py" not in model.SerializeToString()


def test_an_lstm_stays_one_operator_a_layer(paper):
    import onnx

    operators = [node.op_type for node in onnx.load(paper.path).graph.node]
    assert operators.count("LSTM") == 2 and len(operators) < 600


def test_labels_that_do_not_fit_are_refused(tmp_path):
    model, head = build(["mfcc"], {"plugin": "concat"})
    for labels in (LABELS[:3], ["angry"] * 4):
        with pytest.raises(ValueError, match=r"labels is \['angry'.*the model has 4 classes"):
            write_onnx(model, head, tmp_path / "a.onnx", labels)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.delitem(sys.modules, "camser.export.translations", raising=False)
    monkeypatch.delattr(camser.export, "translations", raising=False)
    model, head = build(["mfcc"], {"plugin": "concat"})
    with pytest.raises(ValueError, match=r"needs onnxscript.*pip install \"camser\[onnx\]\""):
        write_onnx(model, head, tmp_path / "a.onnx", LABELS)
    assert model.training and head.training
    assert not list(tmp_path.iterdir())


def test_a_file_that_computes_something_else_is_refused(paper):
    _, other = build(["mfcc"], {"plugin": "concat"})
    whole = exporting.Whole(paper.model.eval(), other.eval())
    with pytest.raises(ValueError, match="as ONNX is wrong: its log-probabilities are off by"):
        parity.check(paper.path.read_bytes(), paper.path.parent, whole)


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_alone(tmp_path, speech, name):
    Exported(tmp_path / "a.onnx", *build([name], {"plugin": "concat"})).check_all(speech)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fusion",
    [
        {"plugin": "concat", "pooling": {"mfcc": "last", "wav2vec2": "statistics"}},
        {"plugin": "concat", "pooling": {"mfcc": "mean", "wav2vec2": "flatten"}},
        {**CO_ATTENTION, "activation": "softmax"},
        {**CO_ATTENTION, "keep": ["wav2vec2"], "pooling": {"mfcc": "statistics"}},
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
    Exported(tmp_path / "a.onnx", model, head).check_all(speech)


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


@pytest.mark.slow
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
    exported = Exported(tmp_path / "a.onnx", model, EmotionHead(128, 4))
    for samples in (700, 2000, 6001):
        exported.check(speech[:3, :samples] * 10, torch.tensor([1.0, 0.3, 0.8]))


@pytest.mark.slow
def test_what_training_learned_to_standardise_by_is_kept(tmp_path, speech):
    table = {**ENCODERS["wav2vec2"], "standardise": True, "layer_drop": 0.1, "mask_time_prob": 0.1}
    model, head = build(["w"], {"plugin": "concat"}, {"w": table})
    model(speech, torch.ones(6))
    assert model.fusion.pooled["w"].project[0].num_batches == 1
    Exported(tmp_path / "a.onnx", model, head).check_all(speech)


@pytest.mark.slow
def test_weights_too_many_for_one_file_lie_beside_it(tmp_path, speech, monkeypatch):
    monkeypatch.setattr(exporting, "LARGEST", 1000)
    exported = Exported(tmp_path / "a.onnx", *build(["mfcc"], {"plugin": "concat"}))
    assert {p.name for p in tmp_path.iterdir()} == {"a.onnx", "a.onnx.data"}
    assert exported.path.stat().st_size < 1e6 < (tmp_path / "a.onnx.data").stat().st_size
    exported.check_all(speech)


@pytest.mark.slow
def test_the_papers_full_size(tmp_path, speech):
    encoders = {
        "mfcc": {"plugin": "mfcc_bilstm"},
        "spectrogram": ENCODERS["spectrogram"],
        "wav2vec2": {"plugin": "wav2vec2", "config": {"model_type": "wav2vec2"}},
    }
    begun = time.monotonic()
    exported = Exported(tmp_path / "a.onnx", *build(PAPER, CO_ATTENTION, encoders))
    size = exported.path.stat().st_size / 2**20
    print(f"{time.monotonic() - begun:.0f} s, {size:.0f} MiB")
    exported.check_all(speech)


# The operators of our own ------------------------------------------------------------------------


class Front(Encoder):
    """A plugin whose frames are what one operator makes of the waves."""

    def __init__(self, made, samples):
        super().__init__()
        self.made = made
        with torch.no_grad():
            self.frames, self.out_channels = made(torch.zeros(1, samples)).shape[1:]

    def forward(self, waves):
        return self.made(waves)

    def num_frames(self, num_samples):
        return self.frames


class Embedding(torch.nn.Module):
    """All frames of an encoder, as they are."""

    def __init__(self, encoder, samples):
        super().__init__()
        self.encoder, self.segment_samples = encoder, samples

    def forward(self, wavs, lens):
        frames = self.encoder(wavs[:, : self.segment_samples])
        return frames.flatten(1) * (lens > 0).unsqueeze(1)


def exact(made, samples, waves):
    """The operator's outputs by onnxruntime, and in float64."""
    whole = exporting.Whole(Embedding(Front(made, samples), samples), EmotionHead(1, 2))
    whole.classifier = torch.nn.Flatten()
    whole.classifier.linear = EmotionHead(1, 2).linear
    session = session_of(exporting._translate(whole.eval()).SerializeToString())
    feeds = {"wavs": waves.numpy(), "lens": torch.ones(len(waves)).numpy()}
    found = torch.from_numpy(session.run(["embeddings"], feeds)[0])
    with torch.no_grad():
        return found, made.double()(waves.double()).flatten(1)


class Spectrum(torch.nn.Module):
    def __init__(self, n_fft, hop, length):
        super().__init__()
        self.sizes = n_fft, hop, length
        self.register_buffer("window", torch.hann_window(length))

    def forward(self, waves):
        found = torch.stft(waves, *self.sizes, window=self.window, return_complex=True)
        return torch.view_as_real(found).flatten(2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes", [(2048, 160, 2048), (800, 160, 640), (400, 160, 400), (401, 100, 301), (97, 31, 96)]
)
def test_a_spectrum_is_exact_whatever_its_factors(sizes):
    waves = torch.randn(3, 4000, generator=torch.Generator().manual_seed(0))
    found, expected = exact(Spectrum(*sizes), 4000, waves)
    # In float32 a sum of so many terms of this size is off by as much.
    assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()


class Filters(torch.nn.Module):
    def __init__(self, channels, groups, size, bias):
        super().__init__()
        self.filters = torch.nn.Conv1d(1, channels, size, stride=3, bias=bias)
        self.norm = torch.nn.GroupNorm(groups, channels)
        torch.nn.init.normal_(self.norm.weight)
        torch.nn.init.normal_(self.norm.bias)

    def forward(self, waves):
        return self.norm(self.filters(waves.unsqueeze(1)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [(8, 8, 10, False), (8, 8, 10, True), (8, 2, 10, True), (4, 4, 80, False)]
)
def test_a_norm_over_many_frames_is_exact(shape):
    torch.manual_seed(0)
    waves = torch.randn(4, 30000) * torch.tensor([[0.0], [1e-4], [0.1], [1.0]])
    waves[2, 2000:] = 0.3  # most frames are equal, and far from zero
    found, expected = exact(Filters(*shape), 30000, waves)
    assert (found - expected).abs().max() <= 5e-6 * expected.abs().max()
