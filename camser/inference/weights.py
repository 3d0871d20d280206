"""Load all weights of a model from one file; missing or unexpected weights are an error."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from camser.heads import EmotionHead, Head, ScoreHead
from camser.inference.export_files import CONFIG, REEXPORT_HINT, ExportError, check_file
from camser.runtime.plugin_versions import warn_version_differences


def named_weights(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All weights by name, with the name of the module first: ``classifier.linear.weight``."""
    return {
        f"{name}.{key}": value.detach()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """A checksum of 16 hexadecimal digits over the names, shapes and bits of tensors."""
    sha = hashlib.sha256()
    for name, value in sorted(state.items()):
        sha.update(f"{name} {list(value.shape)} {value.dtype}".encode())
        sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()[:16]


def load_weights(modules: Mapping[str, Any], path: Path, config: Mapping[str, Any]) -> None:
    """Load all weights, or raise.

    If a plugin has another version than in training, a ``PluginVersionWarning`` is shown.

    Arguments
    ---------
    modules : mapping of str to Module
        ``embedding_model`` and ``classifier``.
    path : Path
        A safetensors file.
    config : mapping
        From ``export_config.read_config``: its ``weights`` has ``bytes`` and ``digest``.

    Raises
    ------
    ExportError
        If the file is missing or not the one that is described, or a tensor is missing,
        unexpected, of another shape or type, or not finite.
    """
    check_file(path, config["weights"])
    state = _read_tensors(path, "")
    _check_state(state, named_weights(modules), path)
    for name, module in modules.items():
        prefix = f"{name}."
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        module.load_state_dict(own, strict=True)
    warn_version_differences(config["plugins"], modules["embedding_model"].plugins)


def load_head(path: Path, config: Mapping[str, Any]) -> Head:
    """Load only the trained classifier; the other weights in the file are not read.

    Raises
    ------
    ExportError
        If the file is missing or of another size, or its classifier is missing or another one.
    """
    check_file(path, config["weights"], check_digest=False)
    prefix = "classifier."
    state = _read_tensors(path, prefix)
    head = _new_head(state, config)
    _check_state(state, named_weights({"classifier": head}), path)
    expected = config["weights"].get("head")  # the oldest models have none
    if expected is not None and expected != weights_digest(state):
        raise ExportError(
            f"{path}: the checksum of its classifier differs from {CONFIG}; {REEXPORT_HINT}"
        )
    head.load_state_dict({name.removeprefix(prefix): value for name, value in state.items()})
    return head


def _new_head(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> Head:
    num_classes, sizes = len(config["labels"]), config.get("head") or {}
    built = config["architecture"]
    if built.get("num_classes") is not None and not built.get("for_back_end"):
        return ScoreHead(num_classes)
    weight = state.get(f"classifier.{'hidden' if sizes else 'linear'}.weight")
    # A weight without rows may claim any number of columns, even in an empty file.
    size = weight.shape[1] if weight is not None and weight.ndim == 2 and weight.numel() else 1
    return EmotionHead(size, num_classes, **sizes)


def _read_tensors(path: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``; the others are not read."""
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise ExportError(f"{path} is damaged ({error}); {REEXPORT_HINT}") from error


def _check_state(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    shared = [name for name in sorted(wanted) if name in state]
    fits = {k: _shape_and_dtype(state[k]) == _shape_and_dtype(wanted[k]) for k in shared}
    problems = {
        "lacks": sorted(set(wanted) - set(state)),
        "has the unexpected": sorted(set(state) - set(wanted)),
        "has another shape or type for": [
            f"{k} {_shape_and_dtype(state[k])} instead of {_shape_and_dtype(wanted[k])}"
            for k in shared
            if not fits[k]
        ],
        # A new model's masks may be infinite.
        "has no finite numbers in": [
            k for k in shared if fits[k] and not _is_finite(state[k]) and _is_finite(wanted[k])
        ],
    }
    messages = [f"{text} {', '.join(names[:5])}" for text, names in problems.items() if names]
    if messages:
        raise ExportError(
            f"{path} does not fit its {CONFIG}: it {'; it '.join(messages)}; {REEXPORT_HINT}"
        )


def _shape_and_dtype(value: Tensor) -> str:
    return f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"


def _is_finite(value: Tensor) -> bool:
    if not value.is_floating_point() or not value.numel():
        return True
    extremes = torch.stack(torch.aminmax(value))  # one pass, without a second tensor of its size
    return bool(extremes.isfinite().all())
