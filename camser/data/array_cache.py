"""A cache of arrays on disk: written atomically, mapped into memory, or copied to a device.

A cached array is a ``.npy`` file. The ``.json`` index beside it, written last, holds a description
of the array and its checksum, which is verified by reading the complete file at a start.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from speechbrain.utils.distributed import ddp_barrier, if_main_process
from torch import Tensor

from camser.runtime.digests import file_record
from camser.runtime.files import DAY, atomic_write, remove_stale_temporaries

logger = logging.getLogger(__name__)
BLOCK = 1 << 26  # bytes copied at a time


def open_cached(
    path: Path, about: Mapping[str, Any], write: Callable[[Path], object]
) -> MappedArray:
    """Open a cached array. The main process writes it where it is missing, damaged or outdated.

    With several processes, all must call this.

    Arguments
    ---------
    path : Path
        The ``.npy`` file.
    about : mapping
        The description of the array, in values that JSON can store; its "format" among them.
    write : callable
        Writes the file.

    Raises
    ------
    OSError
        If it cannot be opened after that.
    """
    if if_main_process() and not _is_valid(path, about):
        write(path)
        write_index(path, about)
    ddp_barrier()
    try:
        return MappedArray(path)
    except (OSError, ValueError, EOFError) as error:
        raise OSError(
            f"{path} cannot be opened ({error}); all processes must share {path.parent}"
        ) from error


def write_index(path: Path, about: Mapping[str, Any]) -> None:
    """Write the index of a complete array; arguments as for ``open_cached``."""
    with atomic_write(path.with_suffix(".json")) as file:
        json.dump({**about, **file_record(path)}, file)


def _is_valid(path: Path, about: Mapping[str, Any]) -> bool:
    index = path.with_suffix(".json")
    if not index.is_file():
        return False
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if json.loads(index.read_text(encoding="utf-8")) == {**about, **file_record(path)}:
            return True
    logger.warning("%s is damaged or of another version: it is made again", path)
    return False


def write_array(
    path: Path,
    row_shape: Sequence[int],
    blocks: Iterable[np.ndarray],
    dtype: type[np.number] = np.float32,
) -> None:
    """Write an array block by block, so that few blocks are in memory.

    Arguments
    ---------
    path : Path
        The ``.npy`` file; its folder is created if needed.
    row_shape : sequence of int
        Shape of a row.
    blocks : iterable of array
        [rows, …] each, in order.
    dtype : type
        The type of the file's values.
    """
    remove_stale_temporaries(path.parent, "*.npy", DAY)
    num_rows = 0
    with atomic_write(path, "wb") as file:
        _write_header(file, dtype, (0, *row_shape))
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype))
            num_rows += len(block)
        file.seek(0)
        _write_header(file, dtype, (num_rows, *row_shape))


def _write_header(file: IO[bytes], dtype: type[np.number], shape: tuple[int, ...]) -> None:
    """Write the header of numpy's format. Its size does not depend on the number of rows."""
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


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
    ...     write_array(Path(folder, "a.npy"), (3,), [np.ones((1, 3))] * 2)
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
        self.copy = fill(torch.empty(self.host.shape, dtype=dtype, device=device), self.blocks())
        return self

    def blocks(self) -> Iterator[Tensor]:
        """The array in order, [rows, …] each, some 64 MB at a time."""
        step = max(1, BLOCK * len(self.host) // max(1, self.nbytes))
        for start in range(0, len(self.host), step):
            # torch needs writable memory.
            yield torch.from_numpy(np.array(self.host[start : start + step]))

    def gather(self, at: Tensor, on_host: np.ndarray | None = None) -> Tensor:
        """Read rows, [items, …], on the array's device: the host or the device of the copy.

        Arguments
        ---------
        at : Tensor
            [items], the row indices; on the array's device.
        on_host : array, optional
            As for ``RaggedArray``; not needed.
        """
        if self.copy is not None:
            return self.copy.index_select(0, at)
        return torch.from_numpy(self.host[at.numpy()])


def fill(array: Tensor, blocks: Iterable[Tensor]) -> Tensor:
    """Fill an array, on any device, with blocks of rows; returns it."""
    start = 0
    for block in blocks:
        array[start : start + len(block)] = block
        start += len(block)
    return array


def copy_to_device_if_fits(arrays: Sequence[Any], device: str | torch.device) -> torch.device:
    """Copy arrays to a GPU if all of them fit into half of its free memory.

    Arguments
    ---------
    arrays : sequence of MappedArray or PackedAudio
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
