"""Python in a process of its own, that imports what this one would and nothing else.

``python -m`` looks into the working folder first: a ``torch.py`` there, which may be a stranger's,
would be run.
"""

from __future__ import annotations

import os
import sys

# Only what the interpreter has imported by then is named before the path is this process's.
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
        What it finds in ``sys.argv[1:]``.

    Example
    -------
    >>> import subprocess
    >>> subprocess.run(python_command("this"), capture_output=True).stdout[:17]
    b'The Zen of Python'
    """
    return [sys.executable, "-c", BEGIN, os.pathsep.join(sys.path), module, *arguments]
