"""Capsules, whose length is a probability, and routing by agreement (Sabour et al., 2017)."""

from __future__ import annotations

import torch
from torch import Tensor


def length(vectors: Tensor) -> Tensor:
    """[…, size] -> […, 1]; at 0 it has a finite gradient."""
    return (vectors.square().sum(dim=-1, keepdim=True) + 1e-7).sqrt()


def squash(vectors: Tensor) -> Tensor:
    """s |s| / (1 + |s|^2), so that the length is below 1.

    Example
    -------
    >>> squash(torch.tensor([3.0, 4.0])).norm().item() < 1
    True
    """
    size = length(vectors)
    return vectors * size / (1 + size.square())


def coupling(logits: Tensor, mask: Tensor | None = None) -> Tensor:
    """How much of each capsule goes to each emotion, which sums to 1 over emotions; padding's is 0.

    Arguments
    ---------
    logits : Tensor
        [items, capsules, emotions]
    mask : Tensor, optional
        [items, capsules], false for padding.
    """
    weights = logits.softmax(dim=2)
    return weights if mask is None else weights * mask.unsqueeze(2)


def route(votes: Tensor, iterations: int, mask: Tensor | None = None) -> Tensor:
    """The emotions' capsules v_j, which the capsules i vote for by u_ij:

        b_ij = 0, then repeatedly
        c_ij = softmax over j of b_ij
        v_j = squash(sum over i of c_ij u_ij)
        b_ij = b_ij + u_ij · v_j

    Arguments
    ---------
    votes : Tensor
        [items, capsules, emotions, size]
    iterations : int
        How often c is computed, at least once.
    mask : Tensor, optional
        [items, capsules], false for padding.

    Returns
    -------
    Tensor
        [items, emotions, size]
    """
    logits = torch.zeros_like(votes[..., 0])
    for _ in range(iterations):
        weights = coupling(logits, mask)
        capsules = squash(torch.einsum("nij,nijd->njd", weights, votes))
        logits = logits + torch.einsum("nijd,njd->nij", votes, capsules)
    return capsules
