"""The page of a plugin: its origin, parameters and sizes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.cli.plugins.model_summary import summarize_fusion
from camser.cli.plugins.text_table import format_columns
from camser.components import check_parameters, class_argument, load_plugin_class
from camser.encoders.base import Encoder, FrameSpec
from camser.fusion.base import Fusion
from camser.runtime.messages import name_and_message, one_line

INDENT = "    "
SECONDS = (3, 1)  # of the paper's segments, and of short ones
# The arguments before the parameters.
PLACEHOLDERS: dict[str, tuple] = {"encoder": (), "fusion": ({},), "back_end": ()}
# The frames of the paper's three encoders, for segments of 3 s.
PAPER_SPECS = {
    "mfcc": FrameSpec(300, 512, "flatten"),
    "spectrogram": FrameSpec(6, 1536, "flatten"),
    "wav2vec2": FrameSpec(149, 768, "mean"),
}
NUM_CLASSES = 4  # the paper's, for fusions that give scores


def plugin_page(kind: str, name: str, params: Mapping[str, Any]) -> str:
    """The page of a plugin, in plain text.

    Arguments
    ---------
    kind : str
        "encoder", "fusion" or "back_end".
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
        check_parameters(plugin, name, *PLACEHOLDERS[kind], **params)
    dist = registry.distribution_of(point)
    source, line = inspect.getfile(plugin), inspect.getsourcelines(plugin)[1]
    docstring = inspect.cleandoc(plugin.__doc__ or "no docstring").splitlines()
    expected: Mapping[str, str] = getattr(plugin, "expected_failures", {})
    sections = [
        f"{kind} {point.name}, {dist.name} {dist.version}\n"
        f"class {plugin.__module__}.{plugin.__qualname__}, {Path(source)}:{line}",
        "\n".join((INDENT + line).rstrip() for line in docstring),
        _table("parameters", _parameters(kind, plugin)),
        _table("expected failures", [list(item) for item in expected.items()]),
        "" if kind == "back_end" else _table(*_sizes(kind, name, params)),
    ]
    return "\n\n".join(section for section in sections if section)


def _parameters(kind: str, plugin: type) -> list[list[str]]:
    """The name, annotation and default of each; without what a model passes to a fusion."""
    rows = []
    takes = list(inspect.signature(plugin).parameters.values())[len(PLACEHOLDERS[kind]) :]
    for parameter in (p for p in takes if p.name not in class_argument(plugin, 0)):
        empty, written = parameter.empty, parameter.annotation
        if not isinstance(written, str):
            written = "" if written is empty else inspect.formatannotation(written)
        default = "required" if parameter.default is empty else repr(parameter.default)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            default = ""
        rows.append([str(parameter.replace(annotation=empty, default=empty)), written, default])
    return rows


def _table(title: str, rows: list[list[str]]) -> str:
    return "\n".join([title, *format_columns(rows, INDENT)]) if rows else ""


def _sizes(kind: str, name: str, params: Mapping[str, Any]) -> tuple[str, list[list[str]]]:
    """A title and the rows of a table. If it cannot be built, one row with the error message."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in params.items())
    built = f"built with {arguments or 'its defaults'}"
    try:
        if kind == "encoder":
            plugin = registry.build(kind, name, **params)
            rows = [_encoder_row(plugin, seconds) for seconds in SECONDS]
        else:
            fusion: Any = load_plugin_class(kind, name)
            built += f" for {'its example' if fusion.example_specs else 'the paper'}'s modalities"
            classes = class_argument(fusion, NUM_CLASSES)
            specs = fusion.example_specs or PAPER_SPECS
            plugin = registry.build(kind, name, specs, **classes, **params)
            rows = _fusion_rows(plugin)
    except Exception as error:  # any error of the plugin
        message = (one_line if isinstance(error, ValueError) else name_and_message)(error)
        return f"it cannot be {built}", [[message]]
    return f"{built}: {_num_parameters(plugin)}", rows


def _encoder_row(encoder: Encoder, seconds: int) -> list[str]:
    try:
        spec = encoder.frame_spec(seconds * SAMPLE_RATE)
    except ValueError as error:
        return [f"segments of {seconds} s", str(error), ""]
    return [f"segments of {seconds} s", f"[{spec.num_frames}, {spec.channels}]", spec.pooling]


def _fusion_rows(fusion: Fusion) -> list[list[str]]:
    rows = []
    for name, part in summarize_fusion(fusion).items():
        spec = fusion.specs[name]
        how = spec.pooling if part["weighed_by"] is None else "weighed"
        size = "" if part["features"] is None else f"[{part['features']}]"
        rows.append([name, f"[{spec.num_frames}, {spec.channels}]", how, size])
    return [*rows, ["fused vector", "", "", f"[{fusion.out_features}]"]]


def _num_parameters(module: nn.Module) -> str:
    total = sum(p.numel() for p in module.parameters())
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    if not total:
        return "no parameters"
    return f"{total:,} parameters, {'all' if trained == total else f'{trained:,}'} trained"
