"""The sizes of a front end, which a recipe or a stranger's export chooses, and their bounds."""

from __future__ import annotations

from typing import Any

LONGEST_FFT = 2**16  # samples: 4 s
MOST_BANDS = 1024  # whose filters of the longest transform take 134 MB


def check_sizes(**sizes: tuple[Any, int, int]) -> None:
    """Raise a ValueError unless each size is a whole number within its bounds.

    Arguments
    ---------
    **sizes
        By name: the size that was given, the least and the greatest that are allowed.

    Example
    -------
    >>> check_sizes(n_fft=(0, 2, LONGEST_FFT))
    Traceback (most recent call last):
    ValueError: n_fft is 0; allowed: whole numbers from 2 to 65536
    """
    for name, (given, least, most) in sizes.items():
        if type(given) is not int or not least <= given <= most:
            raise ValueError(f"{name} is {given!r}; allowed: whole numbers from {least} to {most}")
