"""What no fusion can be built of, and the words that say what can."""

import pytest

from camser.fusion.attentive import Attentive
from camser.fusion.co_attention import CoAttention
from camser.fusion.concat import Concat
from camser.fusion.gated import Gated
from camser.fusion.low_rank import LowRank
from tests.fusion.test_fusion import GUIDED, SPECS


@pytest.mark.parametrize(
    "params, message",
    [
        ({"guides": ["prosody"]}, r"guide 'prosody' is not among the modalities \[mfcc, spect"),
        ({"target": "whisper"}, r"target 'whisper' is not among the modalities \[mfcc, spect"),
        (
            {"output_modalities": ["mfcc"]},
            "without the target 'wav2vec2' the attention weights would not be used; add it to "
            "output_modalities",
        ),
        (
            {"output_modalities": ["prosody", "wav2vec2"]},
            "output_modalities' 'prosody' is not among",
        ),
        ({"guides": []}, "must name at least one modality other than the target"),
        ({"guides": ["wav2vec2"]}, "must name at least one modality other than the target"),
        (
            {"guides": ["mfcc"], "output_modalities": ["wav2vec2"]},
            "spectrogram is neither in guides nor in output_modalities",
        ),
        ({"activation": "tanh"}, "activation is 'tanh'; allowed: relu, softmax"),
        (
            {"pooling": {"mfcc": "medium"}},
            "no pooling 'medium'; allowed: flatten, mean, last, stat",
        ),
        ({"pooling": {"prosody": "mean"}}, "pooling's 'prosody' is not among"),
        ({"even_start": True}, "even_start is True with activation 'relu'; allowed: false, or"),
        ({"even_start": "yes", "activation": "softmax"}, "even_start is 'yes' with .*softmax"),
    ],
)
def test_what_does_not_fit_is_an_error_when_built(params, message):
    with pytest.raises(ValueError, match=message):
        CoAttention(SPECS, **{**GUIDED, **params})


@pytest.mark.parametrize(
    "fusion, specs, params, message",
    [
        (LowRank, ["mfcc"], {}, "there is only mfcc; add another modality, or .*concat"),
        (LowRank, SPECS, {"rank": 0}, "rank is 0; it must be a whole number, 1 or more"),
        (LowRank, SPECS, {"rank": 2.5}, "rank is 2.5; it must be a whole number, 1 or more"),
        (LowRank, SPECS, {"pooling": {"prosody": "mean"}}, "pooling's 'prosody' is not among"),
        (Gated, SPECS, {"pooling": {"mfcc": "medium"}}, "no pooling 'medium'; allowed: flatten"),
        (LowRank, SPECS, {"rank": True}, "rank is True; it must be a whole number, 1 or more"),
        (Gated, SPECS, {"projection_size": 0}, "projection_size is 0; it must be a whole number"),
        (Attentive, SPECS, {"projection_size": 9.5}, "projection_size is 9.5; it must be a whole"),
        (Attentive, SPECS, {"pooling": {"prosody": "mean"}}, "pooling's 'prosody' is not among"),
        (Attentive, ["mfcc"], {"pooling": {"mfcc": "last"}}, r"every modality \(mfcc\), so no"),
    ],
)
def test_what_does_not_fit_the_others_is_an_error_when_built(fusion, specs, params, message):
    with pytest.raises(ValueError, match=message):
        fusion({name: SPECS[name] for name in specs}, **params)


def test_gated_takes_projections_of_one_size_alone():
    specs = {**SPECS, "mfcc": SPECS["mfcc"]._replace(projection_size=3)}
    with pytest.raises(ValueError, match=r"of 'mfcc' is 3, the fusion's is 128; .* give them one"):
        Gated(specs)
    assert Gated({"mfcc": specs["mfcc"]}, projection_size=3).out_features == 3


def test_a_size_of_a_projection_is_a_whole_number():
    with pytest.raises(ValueError, match="projection_size is 'big'; it must be a whole number"):
        Concat({"mfcc": SPECS["mfcc"]._replace(projection_size="big")})
