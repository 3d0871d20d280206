"""The page of a plugin: its origin, parameters and sizes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.build import load_plugin_class
from camser.cli.plugins.model_summary import summarize_fusion
from camser.cli.plugins.text_table import format_columns
from camser.encoders.base import Encoder, FrameSpec
from camser.fusion.base import Fusion
from camser.runtime.messages import name_and_message, one_line

INDENT = "    "


def plugin_page(kind: str, name: str, params: Mapping[str, Any]) -> str:
    """The page of a plugin, in plain text.

    Arguments
    ---------
    kind : str
        "encoder" or "fusion".
    name : str
        As a recipe writes it.
    params : mapping
        Its parameters, for its sizes.

    Raises
    ------
    PluginError
        If it is unknown, cannot be loaded, or does not take the parameters.
    """
    point, plugin = registry.find(kind, name), load_plugin_class(kind, name)
    if params:
        registry.check_parameters(plugin, name, *PLACEHOLDERS[kind], **params)
    expected = getattr(plugin, "expected_failures", {})
    dist = registry.distribution_of(point)
    sections = [
        f"{kind} {point.name}, {dist.name} {dist.version}\n{_location(plugin)}",
        _indented(inspect.cleandoc(plugin.__doc__ or "no docstring")),
        _table("parameters", _parameters(kind, plugin)),
        _table("expected failures", [[check, reason] for check, reason in expected.items()]),
        _table(*of(kind, name, params)),
    ]
    return "\n\n".join(section for section in sections if section)


def _location(plugin: type) -> str:
    source = Path(inspect.getfile(plugin))
    line = inspect.getsourcelines(plugin)[1]
    return f"class {plugin.__module__}.{plugin.__qualname__}, {source}:{line}"


def _parameters(kind: str, plugin: type) -> list[list[str]]:
    """The name, annotation and default of each; without a fusion's first, the frame specs."""
    takes = list(inspect.signature(plugin).parameters.values())
    rows = []
    for parameter in takes[len(PLACEHOLDERS[kind]) :]:
        empty, variadic = parameter.empty, parameter.kind.name.startswith("VAR_")
        written = parameter.annotation
        if not isinstance(written, str):
            written = "" if written is empty else inspect.formatannotation(written)
        default = "required" if parameter.default is empty else repr(parameter.default)
        name = str(parameter.replace(annotation=empty, default=empty))
        rows.append([name, written, "" if variadic else default])
    return rows


def _table(title: str, rows: list[list[str]]) -> str:
    return "\n".join([title, *format_columns(rows, INDENT)]) if rows else ""


def _indented(text: str) -> str:
    return "\n".join((INDENT + line).rstrip() for line in text.splitlines())


SECONDS = (3, 1)  # of the paper's segments, and of short ones
PLACEHOLDERS: dict[str, tuple] = {"encoder": (), "fusion": ({},)}  # arguments before the parameters


def of(kind: str, name: str, params: Mapping[str, Any]) -> tuple[str, list[list[str]]]:
    """A title and the rows of a table. If it cannot be built, one row with the error message.

    Arguments
    ---------
    kind : str
        "encoder" or "fusion".
    name : str
        As a recipe writes it.
    params : mapping
        Its parameters.
    """
    arguments = ", ".join(f"{name}={value!r}" for name, value in params.items())
    built = f"built with {arguments or 'its defaults'}"
    try:
        if kind == "encoder":
            plugin = registry.build(kind, name, **params)
            rows = _of_encoder(plugin)
        else:
            built += " for the paper's modalities"
            plugin = registry.build(kind, name, paper_specs(), **params)
            rows = _of_fusion(plugin)
    except Exception as error:  # any error of the plugin
        message = (one_line if isinstance(error, ValueError) else name_and_message)(error)
        return f"it cannot be {built}", [[message]]
    return f"{built}: {_num_parameters(plugin)}", rows


def paper_specs() -> dict[str, FrameSpec]:
    """The frames of the paper's three encoders, for segments of 3 s."""
    encoders = {
        "mfcc": registry.build("encoder", "camser:mfcc_bilstm"),
        "spectrogram": registry.build("encoder", "camser:spectrogram_alexnet", weights=None),
    }
    with torch.device("meta"):  # only sizes: its 94 million weights are not loaded or initialized
        config = {"model_type": "wav2vec2"}
        encoders["wav2vec2"] = registry.build("encoder", "camser:wav2vec2", config=config)
    return {name: e.frame_spec(SECONDS[0] * SAMPLE_RATE) for name, e in encoders.items()}


def _of_encoder(encoder: Encoder) -> list[list[str]]:
    rows = []
    for seconds in SECONDS:
        try:
            frames, channels, pooling, _ = encoder.frame_spec(seconds * SAMPLE_RATE)
            sizes = [f"[{frames}, {channels}]", pooling]
        except ValueError as error:
            sizes = [str(error), ""]
        rows.append([f"segments of {seconds} s", *sizes])
    return rows


def _of_fusion(fusion: Fusion) -> list[list[str]]:
    rows = []
    for name, part in summarize_fusion(fusion).items():
        frames, channels, pooling, _ = fusion.specs[name]
        how = pooling if part["weighed_by"] is None else "weighed"
        size = "" if part["features"] is None else f"[{part['features']}]"
        rows.append([name, f"[{frames}, {channels}]", how, size])
    return [*rows, ["fused vector", "", "", f"[{fusion.out_features}]"]]


def _num_parameters(module: nn.Module) -> str:
    tensors = list(module.parameters())
    total = sum(p.numel() for p in tensors)
    trained = sum(p.numel() for p in tensors if p.requires_grad)
    if not total:
        return "no parameters"
    return f"{total:,} parameters, {'all' if trained == total else f'{trained:,}'} trained"
