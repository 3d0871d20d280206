"""Distributions as pip leaves them behind, with plugins that belong to nobody."""

import contextlib
import sys

ENERGY = """
import torch
from camser.encoders import Encoder

class Energy(Encoder):
    out_channels = 1

    def __init__(self, hop=400):
        super().__init__()
        self.hop = hop
        self.gain = torch.nn.Parameter(torch.ones(1))

    def num_frames(self, num_samples):
        return num_samples // self.hop

    def forward(self, waves):
        frames = waves.unfold(1, self.hop, self.hop)
        return self.gain * frames.square().mean(dim=2, keepdim=True)

    def init_config(self):
        return {"hop": self.hop}
"""


def write_distribution(
    folder, name, encoders=(), fusions=(), version="1.0", back_ends=(), **modules
):
    """Write what pip would; ``encoders``, ``fusions``, ``back_ends`` are lines of entry points."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    groups = {"encoders": encoders, "fusion": fusions, "back_ends": back_ends}
    lines = [line for group, points in groups.items() for line in (f"[camser.{group}]", *points)]
    info.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for module, source in modules.items():
        folder.joinpath(f"{module}.py").write_text(source, encoding="utf-8")


@contextlib.contextmanager
def installed(folder, *args, **kwargs):
    """A distribution that is there for a while; its modules are called fake_…"""
    write_distribution(folder, *args, **kwargs)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.startswith("fake_")]:
            del sys.modules[name]
