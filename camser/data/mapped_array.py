"""Arrays on disk: written atomically, mapped into memory, or copied to a device.

A cached array has an index file beside it, written last. The index holds a description of the
array and its checksum.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camser.runtime.digests import file_record
from camser.runtime.files import DAY, atomic_write, remove_stale_temporaries

logger = logging.getLogger(__name__)
BLOCK = 1 << 26  # bytes copied at a time


def write_array(
    path: Path, dtype: type[np.generic], shape: Sequence[int], blocks: Iterable[np.ndarray]
) -> None:
    """Write ``path`` in numpy's format, block by block, so that few blocks are in memory.

    Temporary files that killed runs left in its folder more than a day ago are removed.

    Arguments
    ---------
    path : Path
        The ``.npy`` file; its folder is created if needed.
    dtype : type
        Type of the elements.
    shape : sequence of int
        Shape of the complete array.
    blocks : iterable of array
        [rows, …] each; together they fill ``shape``.
    """
    remove_stale_temporaries(path.parent, "*.npy", DAY)
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": tuple(shape),
    }
    rows = 0
    with atomic_write(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype))
            rows += len(block)
        assert rows == shape[0], f"{path}: {rows} rows instead of {shape[0]}"


def open_array(
    path: Path, shape: Sequence[int], dtypes: Iterable[type[np.generic]]
) -> MappedArray | None:
    """Open the array in a file; None if it is missing or has another shape or type."""
    try:
        array = MappedArray(path)
    except (OSError, ValueError, EOFError):
        return None
    fits = array.host.shape == tuple(shape) and array.host.dtype in [np.dtype(d) for d in dtypes]
    return array if fits else None


def write_index(path: Path, about: Mapping[str, Any]) -> None:
    """Write the index of an array, beside it; written last, it shows that the array is complete.

    Arguments
    ---------
    path : Path
        The ``.npy`` file.
    about : mapping
        The description of the array, in values that JSON can store.
    """
    with atomic_write(path.with_suffix(".json")) as file:
        json.dump({**about, **file_record(path)}, file)


def is_valid_array(path: Path, about: Mapping[str, Any]) -> bool:
    """Whether an array exists, its checksum is right, and its index matches ``about``.

    If there is an index but the array is not valid, a warning is logged.
    """
    index = path.with_suffix(".json")
    if not index.is_file():
        return False
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if json.loads(index.read_text(encoding="utf-8")) == {**about, **file_record(path)}:
            return True
    logger.warning("%s is damaged: it is made again", path)
    return False


class MappedArray:
    """An array in a file, read through a memory map or from a copy on a device.

    Pickling sends only the path to another process, which maps the file again.

    Arguments
    ---------
    path : str or Path
        The ``.npy`` file.

    Attributes
    ----------
    host : numpy.memmap
        The memory map, read-only.
    copy : Tensor or None
        The copy on a device.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_array(Path(folder, "a.npy"), np.float32, (2, 3), [np.ones((1, 3))] * 2)
    ...     array = MappedArray(Path(folder, "a.npy"))
    ...     array.gather(torch.tensor([1])), array.to("cpu").gather(torch.tensor([1]))
    (tensor([[1., 1., 1.]]), tensor([[1., 1., 1.]]))
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.host = np.load(path, mmap_mode="r")
        self.copy: Tensor | None = None

    def __reduce__(self) -> tuple:
        return MappedArray, (self.path,)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.host.nbytes

    def to(self, device: str | torch.device) -> MappedArray:
        """Copy the complete array to a device; rows are then read from the copy."""
        dtype = torch.from_numpy(np.empty(0, self.host.dtype)).dtype
        copy = torch.empty(self.host.shape, dtype=dtype, device=device)
        step = max(1, BLOCK * len(self.host) // max(1, self.nbytes))
        for start in range(0, len(self.host), step):
            block = np.array(self.host[start : start + step])  # torch needs writable memory
            copy[start : start + step] = torch.from_numpy(block)
        self.copy = copy
        return self

    def gather(self, at: Tensor) -> Tensor:
        """Read rows, [items, …], on the array's device: the host or the device of the copy.

        Arguments
        ---------
        at : Tensor
            [items], the row indices; on the array's device.
        """
        if self.copy is not None:
            return self.copy.index_select(0, at)
        return torch.from_numpy(self.host[at.numpy()])


def copy_to_device_if_fits(
    arrays: Sequence[MappedArray], device: str | torch.device
) -> torch.device:
    """Copy arrays to a GPU if all of them fit into half of its free memory.

    Arguments
    ---------
    arrays : sequence of MappedArray
        All data of the batches.
    device : str or torch.device
        The model's device.

    Returns
    -------
    torch.device
        The device of the arrays after the call: ``device``, or the CPU.
    """
    device, size = torch.device(device), sum(array.nbytes for array in arrays)
    if device.type != "cuda":
        return torch.device("cpu")
    free = torch.cuda.mem_get_info(device)[0]
    fits = size <= free / 2
    logger.info(
        "data: %.2f GB; free on %s: %.2f GB; %s",
        size / 1e9, device, free / 1e9,
        "copying to the device" if fits else "read from disk: larger than half of the free memory",
    )  # fmt: skip
    if not fits:
        return torch.device("cpu")
    for array in arrays:
        array.to(device)
    return device
