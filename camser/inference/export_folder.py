"""Read and write the folder of an exported model; its description and weights are checked.

``config.json`` has plain values, ``model.safetensors`` has tensors. Nothing in the folder is run.
Plugins are looked up by name among those that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from camser.build import build_head, build_model
from camser.inference.export_config import read_config, write_config
from camser.inference.export_files import CONFIG, REEXPORT_HINT, WEIGHTS, ExportError
from camser.inference.skip_init import ParameterLimit, SkipWeightInit
from camser.inference.weights import load_weights, named_weights, weights_digest
from camser.runtime.digests import file_record
from camser.runtime.messages import one_line


def read(folder: str | Path) -> tuple[dict[str, Any], dict[str, nn.Module]]:
    """Read the configuration and the trained modules of an exported model.

    Raises
    ------
    ExportError
        If anything is missing, damaged, or does not fit.
    """
    config = read_config(folder)
    return config, read_modules(folder, config)


def read_modules(folder: str | Path, config: Mapping[str, Any]) -> dict[str, nn.Module]:
    """Read the trained ``embedding_model`` and ``classifier`` of an exported model.

    Arguments
    ---------
    folder : str or Path
        The folder of the model.
    config : mapping
        From ``read_config``.

    Raises
    ------
    ExportError
        If the model cannot be built, or its weights are missing, damaged, or do not fit.
    """
    folder = Path(folder)
    try:
        # The model must not be larger than the weights file.
        with SkipWeightInit(), ParameterLimit(config["weights"]["bytes"]):
            model = build_model(**config["architecture"])
            head = build_head(model, len(config["labels"]), **(config.get("head") or {}))
    except Exception as error:  # plugins and their packages raise any error
        raise ExportError(
            f"{folder / CONFIG}: the model cannot be built: {one_line(error)}; {REEXPORT_HINT}"
        ) from error
    modules: dict[str, nn.Module] = {"embedding_model": model, "classifier": head}
    load_weights(modules, folder / WEIGHTS, config)
    return modules


def write(folder: str | Path, config: dict[str, Any], modules: Mapping[str, nn.Module]) -> None:
    """Write the files that ``read`` reads; adds ``weights`` to ``config``.

    Arguments
    ---------
    folder : str or Path
        An existing folder.
    config : dict
        The fields of ``Config`` but ``weights``, and any others.
    modules : mapping of str to Module
        ``embedding_model`` and ``classifier``.
    """
    path = Path(folder) / WEIGHTS
    state = {name: value.contiguous() for name, value in named_weights(modules).items()}
    save_file(state, path, metadata={"format": "pt"})
    head = {name: value for name, value in state.items() if name.startswith("classifier.")}
    config["weights"] = {**file_record(path), "head": weights_digest(head)}
    write_config(folder, config)
