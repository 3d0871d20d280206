"""The figure of the architecture is what its script draws, with the shapes of the code."""

from camser.encoders.mfcc import MFCCBiLSTM
from camser.encoders.spectrogram import SpectrogramAlexNet
from camser.encoders.wav2vec2 import Wav2Vec2
from tests.helpers.recipe_runs import load_module

ARCHITECTURE = load_module("docs/architecture.py")
SAMPLES = 48000


def test_the_figure_is_what_the_script_draws():
    drawn = ARCHITECTURE.FILE.read_text(encoding="utf-8")
    assert drawn == ARCHITECTURE.figure(), "run: python docs/architecture.py"


def test_the_shapes_are_those_of_the_papers_encoders():
    base = {"model_type": "wav2vec2", "num_hidden_layers": 1}  # the other sizes are base's
    encoders = MFCCBiLSTM(), SpectrogramAlexNet(weights=None), Wav2Vec2(config=base)
    specs = [encoder.frame_spec(SAMPLES) for encoder in encoders]
    shapes = {arrow.shape for arrow in ARCHITECTURE.ARROWS}
    assert {f"{spec.num_frames} × {spec.channels}" for spec in specs} <= shapes
    assert {str(SAMPLES), str(specs[2].num_frames)} <= shapes  # a weight for each frame
