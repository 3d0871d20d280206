"""Read and write the description of an exported model, ``config.json``, which is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from camser import registry
from camser.audio import SAMPLE_RATE
from camser.audio.windows import MAX_SEGMENT_SECONDS
from camser.inference.export_files import CONFIG, REEXPORT_HINT, ExportError
from camser.runtime.digests import DIGEST_KEY, FileRecord, add_digest, digest_matches
from camser.runtime.plugin_versions import check_installed
from camser.runtime.safe_io import mismatch, read_json

FORMAT = 4
READABLE = (1, 2, 3, 4)  # ``build_model`` keeps what former formats mean
KIND = rf"^({'|'.join(registry.GROUPS)})\Z"
MAX_CONFIG = 2**20  # bytes of ``config.json``; a typical file has five thousand
NAME = r"^\w[\w.+!-]*\Z"  # messages print it after "pip install"


class Origin(Struct):
    """Where a component of the model came from, as ``registry.origin_of`` returns it."""

    kind: Annotated[str, Meta(pattern=KIND)]
    plugin: Annotated[str, Meta(min_length=1)]
    distribution: Annotated[str, Meta(pattern=NAME)]
    version: Annotated[str, Meta(pattern=NAME)]


Seconds = Annotated[float, Meta(ge=1 / SAMPLE_RATE, le=600)]


class HopSeconds(Struct):
    """The argument ``segment_hop_seconds`` of ``build_model``."""

    train: Seconds
    test: Seconds


class Architecture(Struct):
    """The arguments of ``build_model`` that are checked before it is called."""

    encoders: dict[str, dict[str, Any]]
    segment_seconds: Seconds | None
    max_segment_seconds: Seconds = MAX_SEGMENT_SECONDS
    mask_padding: bool = False
    num_classes: int | None = None
    segment_hop_seconds: HopSeconds | None = None


class HeadSizes(Struct):
    """The other sizes of a head, see ``EmotionHead``."""

    hidden_size: Annotated[int, Meta(ge=1)]


class Config(Struct):
    """The fields of ``config.json`` that a model is loaded with; it has others."""

    format: int
    labels: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)]
    sample_rate: Annotated[int, Meta(ge=SAMPLE_RATE, le=SAMPLE_RATE)]
    architecture: Architecture
    plugins: dict[str, Origin]
    weights: FileRecord
    temperature: Annotated[float, Meta(gt=0)]
    head: HeadSizes | None = None


def read_config(folder: str | Path) -> dict[str, Any]:
    """Read and check the ``config.json`` of an exported model.

    Raises
    ------
    ExportError
        If it is missing, damaged or of a newer format, or one of its plugins is not installed.
    """
    path = Path(folder) / CONFIG
    if not Path(folder).is_dir():
        raise ExportError(f"{folder}: there is no such folder; {REEXPORT_HINT}")
    try:
        config = read_json(path, MAX_CONFIG)
    except FileNotFoundError:
        raise ExportError(
            f"{folder} is not an exported model: it has no {CONFIG}; {REEXPORT_HINT}"
        ) from None
    except (ValueError, OSError) as error:
        raise ExportError(f"{path} is damaged ({error}); {REEXPORT_HINT}") from error
    _check_config(config, str(path))
    if DIGEST_KEY in config and not digest_matches(config):  # the oldest models have none
        raise ExportError(
            f"{path} has changed since the export: its checksum differs; {REEXPORT_HINT}, "
            f"or remove its {DIGEST_KEY!r} if the change is yours"
        )
    return config


def _check_config(config: Any, where: str) -> None:
    """Raise an ExportError unless ``config`` describes a model that can be built here."""
    if not isinstance(config, dict) or config.get("model_type") != "camser":
        raise ExportError(f"{where} does not describe a camser model; {REEXPORT_HINT}")
    version = config.get("format")
    if version not in READABLE:
        newer = isinstance(version, int) and version > FORMAT
        remedy = "pip install --upgrade camser" if newer else REEXPORT_HINT
        raise ExportError(
            f"{where}: format is {version!r} (written by camser {config.get('camser')}); "
            f"camser {metadata.version('camser')} reads {FORMAT}: {remedy}"
        )
    problem = mismatch(config, Config) or _wrong_value(config)
    if problem:
        raise ExportError(f"{where}: {problem}; {REEXPORT_HINT}")
    try:
        check_installed(config["plugins"], where)
    except registry.PluginError as error:
        raise ExportError(str(error)) from error


def _wrong_value(config: Mapping[str, Any]) -> str | None:
    labels = config["labels"]
    if len({*labels}) < len(labels) or not all(map(str.isprintable, labels)):
        return f"labels is {labels!r:.80}; it must name each class once, in printable characters"
    classes = config["architecture"].get("num_classes")
    if classes not in (None, len(labels)):
        return f"it has {len(labels)} labels, but scores of {classes} classes"
    for name, table in config["architecture"]["encoders"].items():
        fetched = {key: table[key] for key in ("source", "weights") if table.get(key) is not None}
        if fetched:
            return f"the encoder {name!r} would fetch other weights ({fetched})"
    return None


def longest_segment(architecture: Mapping[str, Any]) -> float:
    """The seconds of the longest segment of a model.

    Example
    -------
    >>> longest_segment({"segment_seconds": 3.0})
    3.0
    """
    seconds = architecture["segment_seconds"]
    longest = architecture.get("max_segment_seconds", MAX_SEGMENT_SECONDS)
    return longest if seconds is None else seconds


def write_config(folder: str | Path, config: Mapping[str, Any]) -> None:
    """Write only ``config.json``, with a checksum of its content."""
    text = json.dumps(add_digest(config), indent=2) + "\n"
    (Path(folder) / CONFIG).write_text(text, encoding="utf-8")
