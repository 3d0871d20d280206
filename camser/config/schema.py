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
    """The settings that every recipe has; other meanings stand beside the keys in the recipe.

    Attributes
    ----------
    seed : int
        The random numbers of a run: weights, order of the data, dropout.
    data_folder : str
        The folder of the corpus, such as the one that holds Session1 … Session5. Of several
        corpora: their folders by name.
    variant : str
        A name for this experiment; a part of the output folder's name.
    output_folder : str
        Where the run writes all its files.
    prepared_folder : str
        Where the manifest, the packed audio and cached features are; runs share it.
    corpus : str
        The name of the corpus in results and folders.
    labels : list of str
        The emotions, in the model's order. Utterances with other labels are left out.
    merge_labels : dict
        Labels of the corpus that count as another label.
    styles : list of str
        Use only utterances of these styles: improvised, scripted, acted. null: all.
    allow_missing : bool
        true: use the recordings that can be read. false: any problem is an error.
    protocol : str
        Which data a fold tests: leave_one_speaker_out, leave_one_session_out, speaker_k_fold,
        cross_corpus, given, given_shared, or all (no test).
    fold : int
        The fold to train and test, from 0.
    selection : str
        How the epoch is chosen. held_out: on speakers or dialogues that are neither trained on nor
        tested. test_fold: on the test fold, as in the published code; scores are optimistic. none:
        train on everything but the test fold for number_of_epochs, and keep the last epoch.
    num_folds : int
        For speaker_k_fold: the number of groups of speakers.
    valid_fraction : float
        The share of the validation split, for leave_one_session_out (dialogues), cross_corpus,
        given and all (speakers).
    target_corpus : str
        For cross_corpus: the corpus to test on.
    segment_seconds : float
        The length of a segment. null: an utterance is one segment.
    max_segment_seconds : float
        The longest segment where segment_seconds is null; longer utterances are cut.
    segment_hop_seconds : dict
        Seconds between the starts of two segments: {train: 1.0, test: 0.5}. null: they follow each
        other without overlap.
    utterance_rule : str
        How an utterance gets one decision. mean: of its segments' embeddings. max: of each class,
        the largest probability among its segments.
    mask_padding : bool
        true: the silence that fills up a segment changes nothing. No modality may have the pooling
        flatten then.
    preemphasis : float
        The coefficient c of the filter y[n] = x[n] - c x[n-1]; 0: no filter.
    modalities : list of str
        The encoders that run, by their names in encoders.
    encoders : dict
        The parameters of each encoder, by a name that you choose; plugin is the plugin's name.
    fusion : str
        The fusion that runs, by its name in fusions.
    projection_size : int
        The features of each modality's projection.
    dropout : float
        The dropout before projections and in hidden layers.
    fusions : dict
        The parameters of each fusion, by name.
    back_end : str
        The back end that is fitted in place of training, by its name in back_ends. The encoders
        must be frozen. null: the model is trained.
    back_end_after_training : bool
        true: the model is trained, and then the back end classifies its fused vectors.
    back_ends : dict
        The parameters of each back end, by name.
    embedding_size : int
        The size of an utterance's embedding.
    embedding_model : dict
        The model without its head; its arguments name the settings above.
    classifier : dict
        The head: embeddings to log-probabilities.
    cache_features : bool
        Compute features that depend on the audio alone once, and store them: MFCC, spectrograms,
        the output of frozen encoders.
    batch_size : int
        Segments in a training batch.
    eval_batch_size : int
        Segments in a batch of the validation or the test.
    num_workers : int
        Processes that load data; 0: none but the main one.
    number_of_epochs : int
        The largest number of epochs. inner_folds: with the selection none, inner folds of the
        training speakers choose it.
    num_inner_folds : int
        The number of inner folds, each of which is a run more.
    max_inner_epochs : int
        The epochs of each inner fold.
    patience : int
        Stop after so many epochs without a better WA + UA.
    min_epoch : int
        Count patience from the best epoch, or from this one if it is later.
    average_from_epoch : int
        From this epoch on, the mean of the weights is validated, tested and exported.
    learning_rate : float
        The learning rate of all components.
    learning_rates : dict
        Other learning rates, by component: a modality's name, fusion, hidden or head.
    class_weights : str
        balanced: each emotion has the same share of the loss, however rare it is.
    label_smoothing : float
        This share of each target is spread over all emotions.
    augment : dict
        SpeechBrain's Augmenter for the training audio; see camser:augmentation.yaml.
    ckpt_interval_minutes : float
        Minutes between checkpoints within an epoch.
    max_grad_norm : float
        The largest norm of a component's gradient; -1: no clipping.
    precision : str
        fp32, bf16 or fp16. auto: bf16 on a GPU that has it, otherwise fp32.
    compiled : bool
        Whether torch.compile compiles transformer layers, AlexNet and fusion. auto: on a GPU.
    deterministic : bool
        true: the same seed gives the same weights on a GPU too, at lower speed.
    opt_class : dict
        The optimizer.
    epoch_counter : dict
        Counts epochs, and stops early.
    checkpointer : dict
        Writes and reads checkpoints.
    train_logger : dict
        Writes the scores of each epoch.
    tensorboard : bool
        Write curves for TensorBoard too; needs camser[tensorboard].
    save_embeddings : bool
        Write embeddings.npz: projections, fused vectors and embeddings of the test utterances.
    num_attention_examples : int
        The utterances of each emotion whose attention weights go into attention.npz.
    export_folder : str
        Export the trained model into this folder; null: no export.
    """

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
