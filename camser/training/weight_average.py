"""Stochastic weight averaging (Izmailov et al., 2018): the mean of the weights over epochs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks
from torch import Tensor, nn
from torch.optim.swa_utils import get_swa_avg_fn

from camser.training.early_stopping import EarlyStopping


@register_checkpoint_hooks
class WeightAverage:
    """The mean of a model's weights at the ends of epochs, from ``first_epoch`` on.

    Running statistics, such as those of batch normalization, are averaged like weights. Frozen
    parameters are left out, so their copies take no memory and no room in checkpoints.

    Arguments
    ---------
    modules : mapping of str to Module
        The modules of the model, by name, on their device.
    first_epoch : int
        From 1.

    Example
    -------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> average = WeightAverage({"layer": layer}, first_epoch=2)
    >>> for epoch, value in enumerate((9.0, 1.0, 5.0), start=1):
    ...     _ = nn.init.constant_(layer.weight, value)
    ...     average.add(epoch)
    >>> average.swap()
    >>> layer.weight.item(), average.tensors["layer.weight"].item()
    (3.0, 5.0)
    """

    def __init__(self, modules: Mapping[str, nn.Module], first_epoch: int) -> None:
        self.modules, self.first_epoch = nn.ModuleDict(modules), first_epoch
        self.num_epochs = 0
        self.tensors = {name: value.detach().clone() for name, value in self._current().items()}

    def delay_stopping(self, counter: EarlyStopping) -> None:
        """Let no run stop before its first mean.

        Raises
        ------
        ValueError
            If it has too few epochs.
        """
        if self.first_epoch > counter.limit:
            raise ValueError(
                f"average_from_epoch is {self.first_epoch}, but there are {counter.limit} epochs; "
                f"give an earlier one, or a larger number_of_epochs"
            )
        counter.min_epoch = max(counter.min_epoch, self.first_epoch)

    def _current(self) -> dict[str, Tensor]:
        """The trained parameters and the buffers of the model's state; not copies."""
        state = self.modules.state_dict(keep_vars=True)
        return {
            name: value
            for name, value in state.items()
            if value.requires_grad or not isinstance(value, nn.Parameter)
        }

    @torch.no_grad()
    def add(self, epoch: int) -> None:
        """Add the model's weights at the end of ``epoch`` to the mean, if they belong to it."""
        if epoch < self.first_epoch:
            return
        mean = get_swa_avg_fn()
        for name, value in self._current().items():
            before = self.tensors[name]
            is_counted = self.num_epochs and value.is_floating_point()
            before.copy_(mean(before, value, self.num_epochs) if is_counted else value)
        self.num_epochs += 1

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's weights and the mean, if there is one; twice changes nothing."""
        for name, value in self._current().items() if self.num_epochs else ():
            before = value.clone()
            value.copy_(self.tensors[name])
            self.tensors[name].copy_(before)

    @mark_as_saver
    def _save(self, path: str | Path) -> None:
        torch.save({"num_epochs": self.num_epochs, "tensors": self.tensors}, path)

    @mark_as_loader
    def _recover(self, path: str | Path, end_of_epoch: bool) -> None:
        state = read_average(path)
        self.num_epochs = state["num_epochs"]
        for name, value in self.tensors.items():
            value.copy_(state["tensors"][name])


def read_average(path: str | Path) -> dict[str, Any]:
    """A checkpoint's file of a ``WeightAverage``: ``num_epochs``, and ``tensors`` by name."""
    return torch.load(path, map_location="cpu", weights_only=True)
