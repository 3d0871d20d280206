"""The systems have as many parameters as their papers' descriptions, and frames as declared."""

import pytest
import torch
from camser_rivals.encoders.acrnn import ACRNN
from camser_rivals.encoders.stc_cnn import STCCNN
from camser_rivals.encoders.tf_cnn import TFCNN
from camser_rivals.encoders.tsb_tdnn import TSBTDNN
from rival_systems import SYSTEMS, build

from camser.model import EmotionHead

HEAD_BIAS = 4
PARAMETERS = {
    "acrnn": 9_300_421 - 1,  # without the attention's bias, which softmax cancels
    "tf_cnn": 93_568 + HEAD_BIAS,
    "hnsd": 2_864_804,
    "tsb": 3_885_440 + HEAD_BIAS,
    "seqcap": 149_880,
    "ctc_ca": 701_957,
    "rnn_elm": 150_149,
    "stc": 16_835_856,
    "is09": 1_679_108,
}
SEGMENT_SAMPLES = {"tf_cnn": 32000, "tsb": 19200}


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def all_parameters(encoders, fusion):
    gives_scores = getattr(fusion, "gives_scores", False)
    head = [] if gives_scores else [EmotionHead(fusion.out_features, 4)]
    return count(*encoders.values(), fusion, *head)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_has_the_parameters_that_were_computed_from_its_description(name):
    assert all_parameters(*build(name, SEGMENT_SAMPLES.get(name, 48000))) == PARAMETERS[name]


def test_the_authors_acrnn_pools_twice_as_many_bands():
    _, fusion = build("acrnn")
    encoder = ACRNN(pool_bands=4)
    assert all_parameters({"speech": encoder}, fusion) == 7_334_341 - 1


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("acrnn", [50, 100, 150]),
        ("tf_cnn", [20 * 25, 20 * 50, 20 * 75]),  # with 80 bins
        ("hnsd", [100, 200, 300]),
        ("tsb", [82, 182, 282]),
        ("seqcap", [25, 50, 75]),
        ("ctc_ca", [100, 200, 300]),
        ("rnn_elm", [100, 200, 300]),
        ("stc", [6, 14, 22]),
        ("is09", [1, 5, 9]),
    ],
)
def test_a_second_has_so_many_frames(name, frames):
    encoders, _ = build(name, tiny=True)
    for encoder in encoders.values():
        for num_samples, wanted in zip((16000, 32000, 48000), frames, strict=True):
            assert encoder.num_frames(num_samples) == wanted
            assert encoder(torch.randn(1, num_samples)).shape[1] == wanted


def test_two_seconds_have_5000_positions_in_the_papers_spectrogram():
    assert TFCNN().num_frames(32000) == 5000


def test_a_window_of_118_frames_gives_100():
    encoder = TSBTDNN(size=8, out_size=4)
    assert encoder.num_frames(118 * 160) == 100
    features = torch.randn(2, 118, 82)
    assert encoder.back_end(features).shape == (2, 100, 4)


@pytest.mark.parametrize(
    ("encoder", "needed"),
    [(ACRNN(1, 8, 8, 4), 320), (TSBTDNN(8, 4), 3040), (STCCNN([8, 8], 4), 32 * 128)],
)
def test_what_is_shorter_than_a_frame_is_refused(encoder, needed):
    assert encoder.num_frames(needed) == 1
    message = f"a segment of {needed - 1} samples; allowed: {needed} and more"
    with pytest.raises(ValueError, match=message):
        encoder.num_frames(needed - 1)


@pytest.mark.parametrize("name", SYSTEMS)
def test_silence_behind_an_utterance_changes_no_score(name):
    from camser.model import UtteranceEncoder

    torch.manual_seed(0)
    encoders, fusion = build(name, tiny=True)
    sizes = 48000, []
    model = UtteranceEncoder(encoders, fusion, *sizes, mask_padding=True, whole_utterances=True)
    model.eval()
    waves = torch.randn(2, 20011) / 10
    waves[1, 12345:] = 0
    lengths = torch.tensor([20011.0, 12345.0])
    with torch.no_grad():
        wanted = model(waves, lengths / 20011)
        longer = model(torch.nn.functional.pad(waves, (0, 20000)), lengths / 40011)
        alone = model(waves[1:, :12345], torch.ones(1))
    size = wanted.abs().max().item()
    torch.testing.assert_close(longer, wanted, atol=1e-5 * size, rtol=0)
    torch.testing.assert_close(alone, wanted[1:], atol=1e-5 * size, rtol=0)
