"""The fields of a run's ``results.json`` and their types."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from camser.runtime.digests import FileRecord

# The settings that describe a model: all of them, or none.
MODEL_SETTINGS = frozenset({"modalities", "encoders", "fusion", "fusions"})


class ModelSettings(Struct):
    """The settings of a run that describe its model; other systems may have none of them."""

    modalities: list[str] = []
    encoders: dict[str, dict[str, Any]] = {}
    fusion: str = ""
    fusions: dict[str, dict[str, Any]] = {}
    embedding_model: dict[str, dict[str, Any]] = {}
    segment_seconds: float | None = 0.0
    target_corpus: str | None = None
    back_end: str | None = None


Count = Annotated[int, Meta(ge=1)]


class Parts(Struct):
    """The numbers of utterances in the splits of a fold."""

    train: Count
    valid: Annotated[int, Meta(ge=0)]
    test: Count


class UntestedParts(Parts):
    """Those of a fold without a test split."""

    test: Annotated[int, Meta(ge=0, le=0)]


class Parameters(Struct):
    """The numbers of all and of the trained parameters of a component."""

    total: int
    trained: int


class InnerFolds(Struct):
    """How inner folds chose the number of epochs, see ``experiment.inner_folds``."""

    number_of_epochs: Count
    folds: Count
    scores: list[float]
    seconds: float


class FittedBackEnd(Struct):
    """The back end that fitted the classifier: its plugin's origin, and what it has chosen."""

    plugin: dict[str, str]
    chosen: dict[str, Any]
    seconds: float
    hidden_size: Count | None = None
    after_training: bool = False


class UntestedResults(Struct, kw_only=True):
    """The fields of ``results.json`` of a run without a test split; it may have more.

    Files of earlier versions lack the last.
    """

    corpus: str
    protocol: str
    selection: str
    fold: int
    fold_name: str
    seed: int
    variant: str
    settings: ModelSettings
    labels: Annotated[list[str], Meta(min_length=1)]
    parts: UntestedParts
    best_epoch: int
    epochs: int
    seconds: float
    device: str
    versions: dict[str, str]
    plugins: dict[str, dict[str, str]]
    manifest: str
    files: dict[str, FileRecord]
    num_protocol_folds: Count | None = None
    parameters: dict[str, Parameters] = {}
    segment_flops: int | None = None
    test_seconds: float | None = None
    left_out: dict[str, int] = {}
    speakers_known: bool = True
    shared_speakers: Count = 0
    averaged_epochs: tuple[Count, Count] | None = None
    inner_folds: InnerFolds | None = None
    back_end: FittedBackEnd | None = None


class Results(UntestedResults, kw_only=True):
    """The fields of any other ``results.json``."""

    parts: Parts  # type: ignore[assignment]
    WA: float
    UA: float
    macro_F1: float
    recall: dict[str, float | None]
    precision: dict[str, float | None]
    confusion: list[list[int]]
    absent: list[str]
    num_utterances: int
