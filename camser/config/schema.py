"""The settings of a recipe: their types and ranges, checked before anything begins.

An object to build is a table, {tag: arguments}. Whether a class, fold, plugin or parameter exists
is checked where it is used.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta, Struct

INNER_FOLDS = "inner_folds"  # in place of a number that inner folds choose
Table = dict[str, Any]
Count = Annotated[int, Meta(ge=0)]
Size = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Schedule(Struct, forbid_unknown_fields=True):
    """The course of the learning rates, see ``training.schedules.rate_factor``."""

    warmup: Share | None = None
    milestones: Annotated[list[Size], Meta(min_length=1)] | None = None
    newbob: Rate | None = None
    factor: Share | None = None


class SegmentHops(Struct, forbid_unknown_fields=True):
    """The seconds between the starts of two segments."""

    train: Rate
    test: Rate


class Required(TypedDict):
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
    segment_seconds: Rate | None
    modalities: list[str]
    encoders: Table
    fusion: str
    fusions: Table
    back_end: str | None
    back_ends: Table
    embedding_model: Table
    classifier: Table
    batch_size: Size
    eval_batch_size: Size
    num_workers: Count
    cache_features: bool
    num_inner_folds: Annotated[int, Meta(ge=2)]
    max_inner_epochs: Size
    learning_rate: Rate
    learning_rates: dict[str, Rate]
    schedule: Schedule | None
    class_weights: str | None
    label_smoothing: Share
    augment: Table | None
    average_from_epoch: Size | None
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


class Recipe(Required, total=False):
    """These, and others with a known type."""

    dropout: Share
    emobox: str
    number_of_epochs: Size | Literal["inner_folds"]
    grad_accumulation_factor: Size
    mask_padding: bool
    max_segment_seconds: Rate
    segment_hop_seconds: SegmentHops | None
    utterance_rule: str
    back_end_after_training: bool
    styles: list[str] | None
    optimizer_step_limit: Size | None


# The keys that the code uses, or a recipe's reading of its corpus. A key that is neither here nor
# referred to is an error.
KEYS = frozenset(Required.__annotations__) | {"back_end_after_training", "emobox", "styles"}
