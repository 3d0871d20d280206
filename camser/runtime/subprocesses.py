"""Start Python in a new process that imports from the same paths as this one.

``python -m`` searches the working folder first. It would run a ``torch.py`` there, which may be
untrusted.
"""

from __future__ import annotations

import os
import sys

# Before the path is set, only modules that the interpreter has already imported are named.
BEGIN = (
    "import os, sys; sys.path[:] = sys.argv.pop(1).split(os.pathsep); "
    "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module as ``python -m`` does.

    Arguments
    ---------
    module : str
        Its name.
    *arguments
        The module's ``sys.argv[1:]``.

    Example
    -------
    >>> import subprocess
    >>> subprocess.run(python_command("this"), capture_output=True).stdout[:17]
    b'The Zen of Python'
    """
    return [sys.executable, "-c", BEGIN, os.pathsep.join(sys.path), module, *arguments]
