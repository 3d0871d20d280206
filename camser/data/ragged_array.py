"""Rows of unequal lengths in one array on disk, read as padded batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from camser.data.array_cache import MappedArray


class RaggedArray:
    """Rows of unequal numbers of steps, one after another in a mapped array.

    Arguments
    ---------
    steps : MappedArray
        [steps of all rows, …]
    counts : sequence of int
        The number of steps of each row.
    dim : int
        The dimension of the steps in a batch.

    Example
    -------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from camser.data.array_cache import write_array
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_array(Path(folder, "a.npy"), (1,), [np.arange(1, 7).reshape(6, 1)])
    ...     rows = RaggedArray(MappedArray(Path(folder, "a.npy")), [1, 3, 2])
    ...     rows.gather(torch.tensor([2, 0]), np.array([2, 0])).squeeze(2).tolist()
    [[5.0, 6.0], [1.0, 0.0]]
    """

    def __init__(self, steps: MappedArray, counts: Sequence[int], dim: int = 1) -> None:
        self.steps, self.dim = steps, dim
        self.counts = np.array(counts)
        self.count = torch.from_numpy(self.counts)
        self.first = self.count.cumsum(0) - self.count

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.steps.nbytes

    def to(self, device: str | torch.device) -> RaggedArray:
        """Copy the complete array to a device; rows are then read from the copy."""
        self.steps.to(device)
        self.count, self.first = self.count.to(device), self.first.to(device)
        return self

    def gather(self, at: Tensor, on_host: np.ndarray) -> Tensor:
        """Read rows, as many steps each as the longest one has, 0 behind a row's own.

        Arguments
        ---------
        at : Tensor
            [items], the row indices; on the array's device.
        on_host : array
            The same on the host, which must know the number of steps.
        """
        size = int(self.counts[on_host].max())
        step = torch.arange(size, device=at.device)
        inside = step < self.count[at].unsqueeze(1)
        positions = torch.where(inside, self.first[at].unsqueeze(1) + step, 0)
        values = self.steps.gather(positions.flatten()).unflatten(0, positions.shape)
        is_padding = (~inside).view(*inside.shape, *[1] * (values.dim() - 2))
        return values.masked_fill_(is_padding, 0.0).movedim(1, self.dim)
