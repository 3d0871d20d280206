"""An encoder and a fusion that pass every check, and for each check one that fails it."""

import torch
from speechbrain.utils.autocast import fwd_default_precision
from torch import nn

from camser.encoders import Encoder
from camser.fusion import Fusion


class Bands(Encoder):
    """Log energies in a few bands, through a linear layer."""

    def __init__(self, size=4, floor=1e-3):
        super().__init__()
        self.args = {"size": size, "floor": floor}
        self.floor, self.out_channels = floor, size
        steps = torch.arange(400)[:, None] * torch.arange(1, 6)
        self.register_buffer("waves_of_bands", torch.cos(steps * 0.05), persistent=False)
        self.linear, self.again = nn.Linear(5, size), nn.Linear(size, size)

    @fwd_default_precision(cast_inputs=torch.float32)
    def front_end(self, waves):
        energies = (waves.unfold(1, 400, 160) @ self.waves_of_bands).square().mean(-1, True)
        return (energies.expand(-1, -1, 5) + self.floor).log()

    def back_end(self, features):
        return self.again(self.linear(features))

    def num_frames(self, num_samples):
        if num_samples < 400:
            raise ValueError(f"a segment of {num_samples} samples; allowed: 400 and more")
        return 1 + (num_samples - 400) // 160

    def init_config(self):
        return dict(self.args)


class EncoderSizes(Bands):
    def num_frames(self, num_samples):
        return super().num_frames(num_samples) + (num_samples < 1000)


class EncoderRebuild(Bands):
    def init_config(self):
        return {"size": self.out_channels}


class EncoderCache(Bands):
    def front_end(self, waves):
        return super().front_end(nn.functional.dropout(waves, 0.1, self.training))


class EncoderFinite(Bands):
    def front_end(self, waves):
        return super().front_end(waves / waves.std(dim=1, keepdim=True))


class EncoderBatch(Bands):
    def back_end(self, features):
        return super().back_end(features - features.mean(dim=0))


class EncoderPadding(Bands):
    def front_end(self, waves, num_samples=None):
        return super().front_end(waves)

    def back_end(self, features, num_samples=None):
        return super().back_end(features - features.mean(dim=1, keepdim=True))


class EncoderDeterministic(Bands):
    def back_end(self, features):
        return super().back_end(features + torch.rand(5, device=features.device))


class EncoderGradients(Bands):
    def back_end(self, features):
        lifted = self.linear(features) - self.linear(features).detach()
        return super().back_end(features) + lifted.square().sqrt()


class EncoderState(Bands):
    def __init__(self, **params):
        super().__init__(**params)
        self.gain = float(torch.rand(())) + 0.5

    def back_end(self, features):
        return super().back_end(features * self.gain)


class EncoderPrecision(Bands):
    def front_end(self, waves):
        energies = (waves.unfold(1, 400, 160) @ self.waves_of_bands).square().mean(-1, True)
        return (energies.expand(-1, -1, 5) + self.floor).log()


class EncoderDevice(Bands):
    def __init__(self, **params):
        super().__init__(**params)
        self.shift = torch.ones(5)

    def back_end(self, features):
        return super().back_end(features + self.shift)


class Compiled:
    """Does something else once compiled."""

    def forward(self, inputs):
        return super().forward(inputs) * (0.5 if torch.compiler.is_compiling() else 1.0)


class EncoderCompile(Compiled, Bands):
    pass


class EncoderUtterance(Bands):
    def front_end(self, waves):
        return super().front_end(waves.mul_(0.97))


class EncoderExport(Bands):
    def __init__(self, **params):
        super().__init__(**params)
        self.last = nn.Linear(self.out_channels, self.out_channels)
        self.last.weight = self.again.weight

    def back_end(self, features):
        return self.last(super().back_end(features))


class EncoderDdp(Bands):
    calls = 0

    def back_end(self, features):
        self.calls += 1
        frames = self.linear(features)
        return frames if self.training and self.calls % 2 else self.again(frames)


class Means(Fusion):
    """Mean frames, each through a linear layer of its modality's, then one over all."""

    def __init__(self, specs, size=4):
        super().__init__(specs)
        self.each = nn.ModuleDict({n: nn.Linear(s.channels, size) for n, s in specs.items()})
        self.out_features = size * len(specs)
        self.last = nn.Linear(self.out_features, self.out_features)

    def projections(self, frames):
        return {name: self.each[name](frames[name].mean(dim=1)) for name in self.specs}

    def forward(self, frames):
        return self.last(super().forward(frames))


class FusionSizes(Means):
    def attention_weights(self, frames):
        return {"wav2vec2": frames["wav2vec2"].mean(dim=2)[:, 1:]}


class FusionLoss(Means):
    def loss(self, frames, labels):
        return self(frames).square().mean()


class FusionFinite(Means):
    def forward(self, frames):
        return super().forward({n: f / f.std(dim=(1, 2), keepdim=True) for n, f in frames.items()})


class FusionBatch(Means):
    def forward(self, frames):
        fused = super().forward(frames)
        return fused - fused.mean(dim=0)


class FusionPadding(Means):
    def projections(self, frames, masks=None):
        return super().projections(frames)

    def forward(self, frames, masks=None):
        return super().forward(frames)


class FusionDeterministic(Means):
    def forward(self, frames):
        fused = super().forward(frames)
        return fused + torch.rand(self.out_features, device=fused.device)


class FusionGradients(Means):
    def forward(self, frames):
        fused = super().forward(frames)
        return fused + (fused - fused.detach()).square().sqrt()


class FusionState(Means):
    def __init__(self, specs, **params):
        super().__init__(specs, **params)
        self.gain = float(torch.rand(())) + 0.5

    def forward(self, frames):
        return super().forward(frames) * self.gain


class FusionPrecision(Means):
    def forward(self, frames):
        return super().forward(frames) + 1000 - 1000


class FusionDevice(Means):
    def __init__(self, specs, **params):
        super().__init__(specs, **params)
        self.shift = torch.ones(self.out_features)

    def forward(self, frames):
        return super().forward(frames) + self.shift


class FusionCompile(Compiled, Means):
    pass


class FusionUtterance(Means):
    def projections(self, frames):
        return super().projections({name: tensor.mul_(0.5) for name, tensor in frames.items()})


class FusionExport(Means):
    def __init__(self, specs, **params):
        super().__init__(specs, **params)
        self.more = nn.Linear(self.out_features, self.out_features)
        self.more.weight = self.last.weight

    def forward(self, frames):
        return self.more(super().forward(frames))


class FusionDdp(Means):
    calls = 0

    def forward(self, frames):
        self.calls += 1
        fused = Fusion.forward(self, frames)
        return fused if self.training and self.calls % 2 else self.last(fused)


class UnusedParameter(Bands):
    def __init__(self):
        super().__init__()
        self.idle = nn.Linear(2, 2)


class UnusedModality(Means):
    def projections(self, frames):
        return {**super().projections(frames), "mfcc": self.each["mfcc"].bias.expand(3, -1)}


ENCODERS = {
    name.removeprefix("Encoder").lower(): cls
    for name, cls in list(globals().items())
    if name.startswith("Encoder") and cls is not Encoder
}
FUSIONS = {
    name.removeprefix("Fusion").lower(): cls
    for name, cls in list(globals().items())
    if name.startswith("Fusion") and cls is not Fusion
}


class Recurrent(Bands):
    def __init__(self, **params):
        super().__init__(**params)
        self.gru = nn.GRU(5, 5, batch_first=True)

    def back_end(self, features):
        return super().back_end(self.gru(features)[0])


class BrokenRegion(Bands):
    compiled_submodules = ("",)

    def back_end(self, features):
        torch._dynamo.graph_break()
        return super().back_end(features)


class PassedOverRegion(Bands):
    compiled_submodules = ("linear",)
