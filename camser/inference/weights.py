"""All weights of a model from one file, or an error: nothing is left random, nothing left over."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from camser.inference.export_files import CONFIG, REEXPORT_HINT, ExportError, check_file
from camser.model import EmotionHead
from camser.runtime.plugin_versions import warn_version_differences


def named_weights(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All weights by name, each module's under its own: ``classifier.linear.weight``."""
    return {
        f"{name}.{key}": value.detach()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """16 hexadecimal digits that change with any name, shape or bit of some tensors."""
    sha = hashlib.sha256()
    for name, value in sorted(state.items()):
        sha.update(f"{name} {list(value.shape)} {value.dtype}".encode())
        sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()[:16]


def load_weights(modules: Mapping[str, Any], path: Path, config: Mapping[str, Any]) -> None:
    """Load all weights, or raise.

    A plugin of another version than the one that trained them is a ``PluginVersionWarning``.

    Arguments
    ---------
    modules : mapping of str to Module
        As from ``folder.build``.
    path : Path
        A safetensors file.
    config : mapping
        From ``folder.read_config``: its ``weights`` tell ``bytes`` and ``digest``.

    Raises
    ------
    ExportError
        If the file is missing or not the one that is described, or a tensor is missing, left
        over, of another shape or type, or holds what is no finite number.
    """
    check_file(path, config["weights"])
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ExportError(f"{path} is damaged ({error}); {REEXPORT_HINT}") from error
    _check_state(state, named_weights(modules), path)
    for name, module in modules.items():
        prefix = f"{name}."
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        module.load_state_dict(own, strict=True)
    warn_version_differences(config["plugins"], modules["embedding_model"].plugins)


def load_head(path: Path, config: Mapping[str, Any]) -> EmotionHead:
    """The trained classifier alone; of the file, nothing else is read.

    Raises
    ------
    ExportError
        If the file is missing, of another length, or holds no such classifier or another one.
    """
    check_file(path, config["weights"], whole=False)
    prefix = "classifier."
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            state = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise ExportError(f"{path} is damaged ({error}); {REEXPORT_HINT}") from error
    weight = state.get("classifier.linear.weight")
    # A weight without rows could have any number of columns, and the file be empty.
    size = weight.shape[1] if weight is not None and weight.ndim == 2 and weight.numel() else 1
    head = EmotionHead(size, len(config["labels"]))
    _check_state(state, named_weights({"classifier": head}), path)
    told = config["weights"].get("head")  # the first exports do not tell
    if told is not None and told != weights_digest(state):
        raise ExportError(
            f"{path} is damaged: its classifier is not what {CONFIG} tells; {REEXPORT_HINT}"
        )
    head.load_state_dict({name.removeprefix(prefix): value for name, value in state.items()})
    return head


def _check_state(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    problems = {
        "lacks": sorted(set(wanted) - set(state)),
        "has, besides,": sorted(set(state) - set(wanted)),
        "has in another form": [
            f"{k} {_shape_and_dtype(state[k])} instead of {_shape_and_dtype(wanted[k])}"
            for k in sorted(set(state) & set(wanted))
            if _shape_and_dtype(state[k]) != _shape_and_dtype(wanted[k])
        ],
        "has no finite numbers in": [
            k for k in sorted(wanted) if _is_unexpectedly_nonfinite(k, state, wanted)
        ],
    }
    found = [f"{what} {', '.join(names[:5])}" for what, names in problems.items() if names]
    if found:
        raise ExportError(
            f"{path} does not fit its {CONFIG}: it {'; it '.join(found)}; {REEXPORT_HINT}"
        )


def _shape_and_dtype(value: Tensor) -> str:
    return f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"


def _is_unexpectedly_nonfinite(
    name: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> bool:
    """Whether there is what the model as it was built, with its masks, would not hold."""
    there = name in state and _shape_and_dtype(state[name]) == _shape_and_dtype(wanted[name])
    return there and not _is_finite(state[name]) and _is_finite(wanted[name])


def _is_finite(value: Tensor) -> bool:
    if not value.is_floating_point() or not value.numel():
        return True
    ends = torch.stack(torch.aminmax(value))  # one pass, and nothing of its size beside it
    return bool(ends.isfinite().all())
