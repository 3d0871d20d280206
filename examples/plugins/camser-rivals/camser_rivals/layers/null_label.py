"""Probabilities that an utterance has an emotion in runs of frames, and Null in between.

Each frame t is emotional with probability p_t(y) or Null with probability p_t(0). Summed over the
sequences of frames of y and Null, in logarithms: with exactly r runs of y, which is what CTC gives
for the label sequence of r times y, or with any number of runs, but at least one.

Neither is a loop over frames, and both are deterministic on a GPU, as torch's CTC loss is not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

from camser_rivals.layers.scan import NOTHING, cumulative_log_sum, cumulative_sum, log_sum

IMPOSSIBLE = -1e9  # a logarithm; finite, so that differences are
SMALL, TINY = 1e-6, 1e-300


def masked(null: Tensor, label: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Padding is Null with probability 1, so that it changes no sum.

    Arguments
    ---------
    null : Tensor
        [segments, 1, frames], log p_t(0).
    label : Tensor
        [segments, classes, frames], log p_t(y).
    mask : Tensor, optional
        [segments, frames], true for real frames.
    """
    if mask is None:
        return null, label
    is_padding = ~mask.unsqueeze(1)
    return null.masked_fill(is_padding, 0.0), label.masked_fill(is_padding, IMPOSSIBLE)


def in_runs(null: Tensor, label: Tensor, runs: int, max_frames: int) -> Tensor:
    """log of the sum over all sequences with exactly ``runs`` runs of the label.

    With N_k(t) and R_k(t) over the first t frames with k runs, of which the last frame is Null or
    emotional, and the products of probabilities P(t) = p_1(y) … p_t(y) and Q(t) = p_1(0) … p_t(0),

        N_0(t) = Q(t)
        R_k(t) = P(t) sum over s < t of N_{k-1}(s) / P(s)
        N_k(t) = Q(t) sum over s < t of R_k(s) / Q(s)

    and the result is R_r(T) + N_r(T). Each sum is one cumulative sum.

    Arguments
    ---------
    null, label : Tensor
        [segments, 1, frames] and [segments, classes, frames], see ``masked``.
    runs : int
        At least 1.
    max_frames : int
        At least the number of frames, see ``scan``.

    Returns
    -------
    Tensor
        [segments, classes]
    """
    # Small differences of sums over hundreds of frames count.
    null, label = null.double(), label.double()

    def product(logarithms: Tensor) -> Tensor:  # over the first 0, 1, … frames
        return pad(cumulative_sum(logarithms, max_frames), (1, 0))

    def delayed(products: Tensor, terms: Tensor) -> Tensor:  # the sums over s < t, times a product
        sums = cumulative_log_sum(terms - products, 1 + max_frames)
        return products + pad(sums[..., :-1], (1, 0), value=NOTHING)

    p, q = product(label), product(null).expand(-1, label.shape[1], -1)
    ended = q
    for _ in range(runs):
        emotional = delayed(p, ended)
        ended = delayed(q, emotional)
    return log_sum(emotional[..., -1], ended[..., -1]).float()


def in_any_runs(null: Tensor, label: Tensor) -> Tensor:
    """log of the sum over all sequences but that of Null alone; arguments as for ``in_runs``.

    The product of p_t(y) + p_t(0), less that of p_t(0). With B, the logarithm of the latter, and
    E, the sum of ln(1 + p_t(y) / p_t(0)), this is B + E + ln(1 - exp(-E)).
    """
    evidence = softplus(label - null).double().sum(dim=2).clamp_min(TINY)
    # As it is near 0, where ONNX has no expm1.
    share = torch.where(evidence < SMALL, evidence, 1 - (-evidence.clamp_min(SMALL)).exp())
    return (null.double().sum(dim=2) + evidence + share.log()).float()
