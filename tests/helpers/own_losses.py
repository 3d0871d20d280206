"""Fusions that bring a loss of their own: one gives class scores, one adds a penalty."""

import torch
from torch import nn

from camser.encoders.masks import given
from camser.fusion import Fusion
from camser.fusion.pooling import PooledProjection, project_each


class NullRuns(Fusion):
    """The probability that all frames are of one emotion or of none, and one of them of it.

    With p_t(k) of the class k and p_t(0) of none, P(k) = Π (p_t(k) + p_t(0)) − Π p_t(0). Its
    logarithm is the score, and that of the label, negated, the loss.
    """

    gives_scores = True

    def __init__(self, specs, num_classes, dropout=0.1):
        super().__init__(specs)
        self.out_features, self.dropout = num_classes, nn.Dropout(dropout)
        self.frames = nn.ModuleDict(
            {name: nn.Linear(spec.channels, 1 + num_classes) for name, spec in specs.items()}
        )

    def forward(self, frames, masks=None):
        return sum(self._scores(n, frames[n], masks and masks[n]) for n in self.specs)

    def loss(self, frames, labels, masks=None):
        return -self(frames, *given(masks)).gather(1, labels.unsqueeze(1)).squeeze(1)

    def back_end_vector(self, frames, masks=None):
        """The largest probability of each class over frames, and the mean."""
        (name, *_) = self.specs
        own, mask = frames[name], masks[name] if masks else None
        each = self.frames[name](own).float().softmax(dim=2)[..., 1:]
        if mask is None:
            return torch.cat([each.amax(dim=1), each.mean(dim=1)], dim=1)
        each = each.masked_fill(~mask.unsqueeze(2), 0.0)
        means = each.sum(dim=1) / mask.sum(dim=1, keepdim=True)
        return torch.cat([each.amax(dim=1), means], dim=1)

    def _scores(self, name, frames, mask):
        logits = self.frames[name](self.dropout(frames)).float()
        none, each = logits.log_softmax(dim=2).split([1, self.out_features], dim=2)
        either = torch.logaddexp(each, none)
        if mask is not None:
            none, either = (x.masked_fill(~mask.unsqueeze(2), 0.0) for x in (none, either))
        none, either = none.sum(dim=1), either.sum(dim=1)
        return either + torch.log1p(-(none - either).clamp(max=-1e-6).exp())


class Small(Fusion):
    """Pooled projections, concatenated; their mean square is added to the cross-entropy."""

    def __init__(self, specs, size=4, weight=1.0):
        super().__init__(specs)
        self.weight, self.out_features = weight, size * len(specs)
        self.pooled = nn.ModuleDict({n: PooledProjection(s, size, 0.0) for n, s in specs.items()})

    def projections(self, frames, masks=None):
        return project_each(self.pooled, frames, masks)

    def loss(self, frames, labels, masks=None):
        return self.weight * self(frames, *given(masks)).float().square().mean(dim=1)
