"""The nine systems as models of camser, at the papers' sizes and tiny."""

from camser_rivals.encoders.acrnn import ACRNN
from camser_rivals.encoders.blstm import DescriptorBLSTM, LogMelBLSTM
from camser_rivals.encoders.is09_transformer import IS09Transformer
from camser_rivals.encoders.lstm_logmel import LSTMLogMel
from camser_rivals.encoders.seqcap_trunk import SeqCapTrunk
from camser_rivals.encoders.stc_cnn import STCCNN
from camser_rivals.encoders.tf_cnn import TFCNN
from camser_rivals.encoders.tsb_tdnn import TSBTDNN
from camser_rivals.fusions.acrnn_attention import ACRNNAttention
from camser_rivals.fusions.gmu_attention import GMUAttention
from camser_rivals.fusions.null_pooling import NullPooling
from camser_rivals.fusions.per_frame import PerFrame
from camser_rivals.fusions.self_attentive import SelfAttentive
from camser_rivals.fusions.seqcap import SeqCap

from camser.fusion.attentive import Attentive
from camser.fusion.concat import Concat

# By system: its encoders, with what makes each tiny, and its fusion, with its parameters and what
# makes it tiny.
SYSTEMS = {
    "acrnn": (
        {"speech": (ACRNN, {"num_convolutions": 2, "num_maps": 8, "linear_size": 8})},
        (ACRNNAttention, {}, {"projection_size": 4}),
    ),
    "tf_cnn": (
        {"speech": (TFCNN, {"num_maps": [1, 2, 2, 2, 3], "n_fft": 640, "num_bins": 80})},
        (Attentive, {"projection_size": None}, {}),
    ),
    "hnsd": (
        {
            "static": (LSTMLogMel, {"part": "static", "hidden_size": 8}),
            "dynamic": (LSTMLogMel, {"part": "dynamic", "hidden_size": 8}),
        },
        (GMUAttention, {}, {"size": 8, "projection_size": 4}),
    ),
    "tsb": (
        {"speech": (TSBTDNN, {"size": 8, "out_size": 8})},
        (SelfAttentive, {}, {"projection_size": 4}),
    ),
    "seqcap": (
        {"speech": (SeqCapTrunk, {"num_maps": 4})},
        (SeqCap, {}, {"capsule_size": 4, "hidden_size": 4}),
    ),
    "ctc_ca": (
        {"speech": (LogMelBLSTM, {"hidden_size": 4})},
        (NullPooling, {"context": 4}, {"context": 2}),
    ),
    "rnn_elm": (
        {"speech": (DescriptorBLSTM, {"hidden_size": 4})},
        (NullPooling, {"runs": "any"}, {}),
    ),
    "stc": (
        {"speech": (STCCNN, {"num_maps": [8, 8], "hidden_size": 8})},
        (PerFrame, {}, {}),
    ),
    "is09": (
        {"speech": (IS09Transformer, {"size": 8, "ffn_size": 8})},
        (Concat, {"projection_size": None}, {}),
    ),
}


def build(name, num_samples=48000, tiny=False):
    """The encoders of a system by modality, and its fusion."""
    encoders, (fusion, params, small) = SYSTEMS[name]
    built = {
        modality: cls(**{key: value for key, value in sizes.items() if tiny or key == "part"})
        for modality, (cls, sizes) in encoders.items()
    }
    specs = {modality: encoder.frame_spec(num_samples) for modality, encoder in built.items()}
    classes = {"num_classes": 4} if fusion.gives_scores else {}
    return built, fusion(specs, **{**params, **classes, **(small if tiny else {})})
