"""One optimizer per component of the model: each has its own rate, and is clipped separately."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from speechbrain.utils.optimizers import rm_vector_weight_decay
from torch import nn
from torch.optim import Optimizer

from camser.registry import did_you_mean


def learning_rates(
    components: Mapping[str, nn.Module], default: float, given: Mapping[str, float]
) -> dict[str, float]:
    """The learning rate of each component.

    Arguments
    ---------
    components : mapping of str to Module
        The components of a model, by name.
    default : float
        The rate of components that are not in ``given``.
    given : mapping of str to float
        Rates by component.

    Raises
    ------
    ValueError
        If there is no such component.

    Example
    -------
    >>> learning_rates({"fusion": nn.ReLU(), "head": nn.ReLU()}, 0.1, {"head": 0.2})
    {'fusion': 0.1, 'head': 0.2}
    """
    for name in given:
        if name not in components:
            raise ValueError(
                f"learning_rates: no component {name!r}; there are: {', '.join(components)}."
                f"{did_you_mean(name, components)}"
            )
    return {name: float(given.get(name, default)) for name in components}


def build_optimizers(
    components: Mapping[str, nn.Module],
    opt_class: Callable[..., Optimizer],
    rates: Mapping[str, float],
    spare_vectors: bool,
) -> dict[str, Optimizer]:
    """The optimizers by component; a component without a trainable parameter has none.

    Arguments
    ---------
    components : mapping of str to Module
        The components of a model, by name.
    opt_class : callable
        Takes parameters and ``lr``.
    rates : mapping of str to float
        The learning rate of each component.
    spare_vectors : bool
        Whether biases and norms have no weight decay.
    """
    optimizers = {}
    for name, component in components.items():
        trained = [p for p in component.parameters() if p.requires_grad]
        if trained:
            groups = rm_vector_weight_decay(component) if spare_vectors else trained
            optimizers[name] = opt_class(groups, lr=rates[name])
    return optimizers


def set_rates(
    optimizers: Mapping[str, Optimizer], rates: Mapping[str, float], factor: float
) -> None:
    """Set the learning rate of each optimizer for the next step.

    Arguments
    ---------
    optimizers : mapping of str to Optimizer
        The optimizers by component.
    rates : mapping of str to float
        The recipe's learning rate of each component.
    factor : float
        Of all of them.
    """
    for name, optimizer in optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = factor * rates[name]
