"""Models written as ONNX, and onnxruntime's answer beside PyTorch's."""

import pytest
import torch

from camser.build import build_model
from camser.export.onnx.write import write_onnx
from camser.model import EmotionHead
from tests.helpers.recipe_runs import TINY_WAV2VEC2, TINY_WHISPER

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

LABELS = ["angry", "sad", "happy", "neutral"]
SECONDS = (0.3, 1.0, 3.0, 3.1, 7.0, 60.0)
ENCODERS = {
    "mfcc": {"plugin": "mfcc_bilstm", "hidden_size": 8},
    "mfcc_statistics": {"plugin": "mfcc_statistics", "standardize": False},
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
    "weighted_sum": {"plugin": "wav2vec2", "config": TINY_WAV2VEC2, "layer": "weighted_sum"},
    "whisper": {"plugin": "whisper", "config": TINY_WHISPER},
    "whisper_mixture": {"plugin": "whisper", "config": TINY_WHISPER, "layer": "weighted_sum"},
    "full_scale": {
        "plugin": "spectrogram_alexnet",
        "weights": None,
        "reference": "full_scale",
        "preemphasis": 0,
    },
}
PAPER = ["mfcc", "spectrogram", "wav2vec2"]
CO_ATTENTION = {"plugin": "co_attention", "guides": PAPER[:2], "target": "wav2vec2"}


def build(modalities, fusion, encoders=ENCODERS, seconds=3.0, **options):
    """A model that tells sounds apart as a trained one does, and its head; in training mode."""
    torch.manual_seed(0)
    model = build_model(modalities, encoders, "f", {"f": fusion}, seconds, **options).eval()
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
    """A model, its head, and its file in onnxruntime.

    Float32 goes through two implementations; decisions are made by far larger differences than the
    ``bound`` of log-probabilities.
    """

    bound = 1e-4

    def __init__(self, path, model, head):
        self.path, self.model, self.head = path, model, head
        self.session = session_of(path)

    @classmethod
    def write(cls, path, model, head):
        """Write the file first."""
        return cls(write_onnx(model, head, path, LABELS), model, head)

    def operators(self):
        return [node.op_type for node in onnx.load(self.path).graph.node]

    def check(self, wavs, lens, before=None):
        """Both say the same, and return what PyTorch says; ``before`` is optional for both."""
        feeds = {"wavs": wavs.numpy(), "lens": lens.numpy()}
        feeds |= {} if before is None else {"before": before.numpy()}
        names = ["log_probabilities", "embeddings"]
        theirs, means = map(torch.from_numpy, self.session.run(names, feeds))
        self.model.eval(), self.head.eval()
        with torch.no_grad():
            ours = self.head(self.model(wavs, lens, before=before))
            # Float32 rounds what is large more coarsely: an untrained head says -19 of silence.
            assert (self.head(means) - theirs).abs().max() <= 2e-6 * theirs.abs().max().clip(10)
        assert theirs.shape == ours.shape and theirs.dtype == ours.dtype
        assert (theirs - ours).abs().max() <= self.bound
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
        wavs, lens = pad(batch, beyond=0.0)
        continued = self.check(wavs, lens, wavs[:, -1] + 0.5)
        if any(encoder.preemphasis for encoder in self.model.encoders.values()):
            assert not torch.equal(continued[:-1], together[:-1])
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
