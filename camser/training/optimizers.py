"""One optimiser a part of the model, so that each has a rate of its own and is clipped whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from speechbrain.utils.optimizers import rm_vector_weight_decay
from torch import nn
from torch.optim import Optimizer

from camser.registry import did_you_mean


def learning_rates(
    parts: Mapping[str, nn.Module], default: float, given: Mapping[str, float]
) -> dict[str, float]:
    """The rate of each part.

    Arguments
    ---------
    parts : mapping of str to Module
        Of a model, by name.
    default : float
        Of parts that are not given one.
    given : mapping of str to float
        By part.

    Raises
    ------
    ValueError
        If there is no such part.

    Example
    -------
    >>> learning_rates({"fusion": nn.ReLU(), "head": nn.ReLU()}, 0.1, {"head": 0.2})
    {'fusion': 0.1, 'head': 0.2}
    """
    for name in given:
        if name not in parts:
            raise ValueError(
                f"learning_rates: no part {name!r}; there are: {', '.join(parts)}."
                f"{did_you_mean(name, parts)}"
            )
    return {name: float(given.get(name, default)) for name in parts}


def build_optimizers(
    parts: Mapping[str, nn.Module],
    opt_class: Callable[..., Optimizer],
    rates: Mapping[str, float],
    spare_vectors: bool,
) -> dict[str, Optimizer]:
    """The optimisers by part; parts without a trainable parameter have none.

    Arguments
    ---------
    parts : mapping of str to Module
        Of a model, by name.
    opt_class : callable
        Takes parameters and ``lr``.
    rates : mapping of str to float
        By part.
    spare_vectors : bool
        Whether biases and norms are spared weight decay.
    """
    optimizers = {}
    for name, part in parts.items():
        trained = [p for p in part.parameters() if p.requires_grad]
        if trained:
            groups = rm_vector_weight_decay(part) if spare_vectors else trained
            optimizers[name] = opt_class(groups, lr=rates[name])
    return optimizers
