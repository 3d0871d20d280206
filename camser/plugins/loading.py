"""Whether a plugin can be used."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

from camser import registry


def fault(kind: str, name: str) -> str:
    """What keeps a plugin from being used; empty where nothing does. It is imported.

    Arguments
    ---------
    kind : str
        "encoder" or "fusion".
    name : str
        As a recipe writes it.
    """
    try:
        # What a module prints on its way belongs to no table and to no JSON.
        with redirect_stdout(sys.stderr):
            from camser.build import plugin_class

            plugin_class(kind, name)
    except registry.PluginError as error:
        return str(error) if error.__cause__ is None else _not_imported(error.__cause__)
    except (ImportError, SystemExit) as error:  # torch is missing; a module leaves the interpreter
        return _not_imported(error)
    return ""


def _not_imported(error: BaseException) -> str:
    return f"cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}"
