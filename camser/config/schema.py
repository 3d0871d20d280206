"""The settings of a recipe: their types and ranges, checked before anything begins.

Whether a class, fold, plugin or parameter exists is checked where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from msgspec import Meta

from camser.config.command_line import SettingsError
from camser.runtime.safe_io import mismatch

Table = dict[str, Any]
Count = Annotated[int, Meta(ge=0)]
Size = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Recipe(TypedDict, total=False):
    """The settings that every recipe has."""

    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)]  # outside this range SpeechBrain draws a seed
    data_folder: Any
    output_folder: str
    prepared_folder: str
    corpus: str
    variant: str
    labels: list[str]
    merge_labels: dict[str, str]
    allow_missing: bool
    protocol: str
    selection: str
    fold: int
    num_folds: int | None
    valid_fraction: Share
    target_corpus: str | None
    segment_seconds: Rate
    modalities: list[str]
    encoders: Table
    fusion: str
    fusions: Table
    embedding_model: Table
    classifier: Table
    batch_size: Size
    eval_batch_size: Size
    num_workers: Count
    cache_features: bool
    learning_rate: Rate
    learning_rates: dict[str, Rate]
    compiled: Any
    deterministic: bool
    opt_class: Table
    epoch_counter: Table
    checkpointer: Table
    train_logger: Table
    tensorboard: bool
    save_embeddings: bool
    num_attention_examples: int
    export_folder: str | None


class Checked(Recipe, total=False):
    """The settings with a known type: these, and some that a recipe may have."""

    dropout: Share
    grad_accumulation_factor: Size
    optimizer_step_limit: Size | None


# The keys that the code uses. A key that is neither here nor referred to is an error.
KEYS = frozenset(Recipe.__annotations__)


def validate_values(values: Mapping[str, Any]) -> None:
    """Raise a SettingsError unless every value has its type and is in its range.

    Arguments
    ---------
    values : mapping
        Plain values, references resolved. Objects to build are skipped: their values are unknown.

    Example
    -------
    >>> validate_values({"batch_size": 0})
    Traceback (most recent call last):
    camser.config.command_line.SettingsError: batch_size is 0; it must be a whole number at least 1
    """
    plain = {name: value for name, value in values.items() if not _is_object(value)}
    if problem := mismatch(plain, Checked):
        raise SettingsError(problem)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and any(key.startswith("!") for key in value)
