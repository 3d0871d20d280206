"""Arrays of an npz that somebody else may have written: no pickles, and of bounded size."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from typing import IO

import numpy as np

MOST_ARRAYS = 2**30  # bytes, all arrays together
FORMAT = np.lib.format
WRITTEN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others fail in ways of their own
HEADERS = {(1, 0): FORMAT.read_array_header_1_0, (2, 0): FORMAT.read_array_header_2_0}


def read_npz(path: str | os.PathLike, most: int = MOST_ARRAYS) -> dict[str, np.ndarray]:
    """The arrays, by name.

    What a header promises is compared with what follows it before memory is taken for it.

    Arguments
    ---------
    path : str or Path
        Written by ``numpy.savez_compressed``.
    most : int
        Bytes that all arrays together may have.

    Raises
    ------
    OSError, ValueError
        If it is missing, damaged, larger, or holds Python objects.
    """
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
            if sum(member.file_size for member in members) > most:
                raise ValueError(f"its arrays have more than {most} bytes")
            arrays = {}
            for member in members:
                if member.compress_type not in WRITTEN:
                    raise ValueError(f"{member.filename} is packed as no npz is")
                with file.open(member) as content:
                    arrays[member.filename.removesuffix(".npy")] = _array(content, member.file_size)
            return arrays
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _array(content: IO[bytes], num_bytes: int) -> np.ndarray:
    version = FORMAT.read_magic(content)
    if version not in HEADERS:
        raise ValueError(f"arrays of format {version} are not read")
    shape, by_columns, dtype = HEADERS[version](content)
    count = math.prod(shape)
    size = count * dtype.itemsize
    fits = min(shape, default=0) >= 0 and content.tell() + size == num_bytes
    if dtype.hasobject or not fits or (count and not size):
        raise ValueError(f"an array of {dtype} {shape} does not fit its {num_bytes} bytes")
    array = np.frombuffer(bytearray(content.read(size)), dtype, count)
    return array.reshape(shape, order="F" if by_columns else "C")
