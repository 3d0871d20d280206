"""AlexNet and the BiLSTM, and the noise that encoders train with: each does what it says."""

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices

from camser.encoders.adaptive_pool import AdaptiveMeanPool2d
from camser.encoders.mfcc import MFCCBiLSTM
from camser.encoders.regularization import LayerDrop, SpecAugment
from camser.encoders.spectrogram import SpectrogramAlexNet


def test_alexnet_frames_are_the_pooled_map_in_time(speech):
    encoder = SpectrogramAlexNet(weights=None, preemphasis=0.0).eval()
    image = encoder.image(speech[:1])
    resized = torchvision.transforms.functional.resize(image.unsqueeze(1), 256).expand(
        -1, 3, -1, -1
    )
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    resized = torchvision.transforms.functional.normalize(resized, mean, deviation)
    assert resized.shape == (1, 3, 256, 384)
    maps = torch.nn.Sequential(*encoder.alexnet)(resized)
    assert maps.shape == (1, 256, 6, 6)
    expected = torch.stack([maps[0, :, :, t].flatten() for t in range(6)])
    # Enlarging by torch's and torchvision's bilinear filters differs by rounding alone.
    assert torch.allclose(encoder(speech[:1])[0], expected, atol=1e-4)


def test_alexnet_weights_from_a_file_are_loaded_strictly(tmp_path):
    state = torchvision.models.alexnet(weights=None).features.state_dict()
    path = tmp_path / "alexnet.safetensors"
    save_file({f"features.{k}": v for k, v in state.items()}, path)
    encoder = SpectrogramAlexNet(weights=str(path))
    assert torch.equal(encoder.alexnet[0][0].weight, state["0.weight"])
    save_file({f"features.{k}": v for k, v in state.items() if k != "3.bias"}, path)
    with pytest.raises(ValueError, match=r"missing or of another size: features\.3\.bias"):
        SpectrogramAlexNet(weights=str(path))
    with pytest.raises(ValueError, match="cannot be read"):
        SpectrogramAlexNet(weights=str(tmp_path / "absent.safetensors"))
    path.write_bytes(b"not a safetensors file")
    with pytest.raises(ValueError, match="cannot be read"):
        SpectrogramAlexNet(weights=str(path))


def test_frozen_alexnet_is_constant_and_keeps_its_keys():
    frozen, trained = SpectrogramAlexNet(None, freeze=True), SpectrogramAlexNet(None)
    assert frozen.is_frozen and not trained.is_frozen
    frozen.load_state_dict(trained.state_dict(), strict=True)


@pytest.mark.parametrize("rows, columns", [(7, 11), (6, 6), (1, 3), (13, 5)])
def test_deterministic_pooling_is_pytorchs(rows, columns):
    ours, pytorchs = AdaptiveMeanPool2d(6), torch.nn.AdaptiveAvgPool2d(6)
    maps = torch.rand(2, 4, rows, columns, requires_grad=True)
    weight = torch.randn(2, 4, 6, 6)
    gradients = []
    for pool in (ours, pytorchs):
        (gradient,) = torch.autograd.grad((pool(maps) * weight).sum(), maps)
        gradients.append(gradient)
    # Rounding: sums of at most a few dozen values of about 1.
    assert torch.allclose(ours(maps), pytorchs(maps), rtol=0, atol=5e-7)
    assert torch.allclose(*gradients, rtol=0, atol=5e-6)
    with torch.autocast("cpu", torch.bfloat16):
        rough = ours(maps)
    assert torch.allclose(rough.float(), ours(maps), rtol=0, atol=2**-7)  # two roundings to 8 bits


def test_the_bilstm_is_in_float32_under_autocast():
    encoder, waves = MFCCBiLSTM(hidden_size=4), torch.randn(2, 16000)

    def check(module, inputs):
        assert not torch.is_autocast_enabled("cpu") and inputs[0].dtype == torch.float32

    encoder.lstm.register_forward_pre_hook(check)
    with torch.autocast("cpu", torch.bfloat16):
        frames = encoder(waves)
        assert encoder.back_end(encoder.front_end(waves).bfloat16()).dtype == torch.float32
    assert frames.dtype == torch.float32


@pytest.mark.gpu
def test_on_a_gpu_bf16_leaves_the_bilstm_its_small_gradients():
    encoder = MFCCBiLSTM().cuda()
    with torch.autocast("cuda", torch.bfloat16):
        (encoder(torch.randn(8, 48000, device="cuda")).mean() * 1e-3).backward()
    zeros = [(p.grad == 0).float().mean().item() for p in encoder.parameters()]
    assert max(zeros) < 0.01


def test_bilstm_reads_both_ways():
    encoder = MFCCBiLSTM(hidden_size=4, num_layers=1).eval()
    waves = torch.randn(1, 16000)
    changed = waves.clone()
    changed[:, 8000:] = torch.randn(1, 8000)
    difference = (encoder(waves) - encoder(changed)).abs()[0]
    # The change begins at frame 50; half a window of 2048 samples reaches it from frame 44.
    assert difference[:43, :4].max() == 0 and difference[42, 4:].max() > 0


@pytest.mark.parametrize(
    ("size", "prob", "length", "min_masks"),
    [
        (149, 0.05, 10, 2),  # wav2vec2's defaults on 3 s: 13.0 % of the frames
        (149, 0.05, 10, 0),  # no span in a quarter of the segments
        (149, 0.4, 7, 2),
        (40, 1.0, 10, 0),
        (25, 0.1, 10, 5),  # only two fit
        (9, 0.5, 10, 2),  # none fits; transformers refuses that
    ],
)
def test_spec_augment_masks_the_share_that_transformers_masks(size, prob, length, min_masks):
    augment = SpecAugment(prob, length, min_masks).train()
    masked = augment(torch.ones(10000, size, 1))[..., 0] == 0
    expected = 0.0
    if size >= length:
        draws = [
            _compute_mask_indices((1, size), prob, length, min_masks=min_masks)
            for _ in range(10000)
        ]
        expected = np.concatenate(draws).mean()
    assert masked.float().mean() == pytest.approx(expected, abs=0.005)


def test_spec_augment_masks_whole_spans():
    augment = SpecAugment(time_prob=0.05, time_length=10, time_min_masks=1).train()
    masked = augment(torch.ones(4000, 149, 1))[..., 0] == 0
    assert torch.equal(masked.sum(1), torch.full((4000,), 10))  # 0.7 spans on average, at least 1
    starts = masked.float().argmax(1)
    assert masked[torch.arange(4000), starts + 9].all()
    assert starts.min() == 0 and starts.max() == 139  # every position
    fill = torch.tensor([7.0])
    assert set(augment(torch.ones(4, 300, 1), fill).unique().tolist()) == {1.0, 7.0}


def test_spec_augment_draws_a_number_for_each_segment():
    augment = SpecAugment(channel_prob=0.05, channel_length=10).train()
    masked = augment(torch.ones(2000, 20, 149)) == 0
    assert torch.equal(masked.any(dim=1), masked.all(dim=1))
    assert masked.any(2).any(1).float().mean() == pytest.approx(0.745, abs=0.04)


def test_layer_drop_skips_the_layer_as_often_as_it_says():
    layer = torch.nn.Linear(1, 1).train()
    layer.register_forward_hook(LayerDrop(0.3))
    x = torch.ones(1, 1)
    kept = [not torch.equal(layer(x), x) for _ in range(2000)]
    assert sum(kept) / 2000 == pytest.approx(0.7, abs=0.04)  # four deviations
