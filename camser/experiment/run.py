"""One run of a recipe: prepare the corpus, choose the fold, train, test, write the results."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import speechbrain as sb
from speechbrain.utils.distributed import ddp_barrier, ddp_init_group, if_main_process

from camser.audio import AudioError
from camser.back_ends.base import BackEndError
from camser.build import MODEL_KEYS, build_back_end, validate_model_config
from camser.config import help
from camser.config.settings import Settings, read_arguments
from camser.data import folds
from camser.data.dataset import SegmentDataset
from camser.data.left_out import log_left_out
from camser.data.manifest import Utterance, fingerprint
from camser.data.prepare import CorpusScanner, prepare, prepare_settings
from camser.data.protocols import unit_of
from camser.evaluation import results
from camser.experiment import inner_folds, outputs, resume
from camser.experiment.cost import model_cost
from camser.experiment.objects import build_brain, build_objects
from camser.export.export_run import export_run
from camser.inference.export_files import ExportError
from camser.runtime.distributed import run_on_main
from camser.runtime.exit import STOP_NOTE, exit_with_message, tolerate_broken_pipe
from camser.runtime.lock import FolderInUseError, lock_folder
from camser.runtime.resource_errors import (
    BatchOutOfMemoryError,
    LostWorkerError,
    raise_on_log_failure,
)
from camser.runtime.signals import SIGNALS
from camser.training import determinism, device
from camser.training.brain import EmotionBrain
from camser.training.checkpoints import AtomicCheckpointer, CheckpointError
from camser.training.nonfinite import NonFiniteError
from camser.training.run_data import RunData

logger = logging.getLogger(__name__)
STOPPED = (
    AudioError, BackEndError, BatchOutOfMemoryError, CheckpointError, ExportError, LostWorkerError,
    NonFiniteError, results.ResultsError,
)  # fmt: skip


def main(scan: CorpusScanner | Mapping[str, CorpusScanner], recipe_folder: str | Path) -> None:
    """Run the recipe with the options of the command line.

    A mistake in the options, or in the corpus, ends the program with one message.

    Arguments
    ---------
    scan : callable, or mapping of str to callable
        Reads the corpus: takes the data folder, returns a ``Scan``. A recipe for several corpora
        passes one function per corpus name; ``data_folder`` is then a table that selects corpora.
    recipe_folder : str or Path
        The folder in which the YAML files of the command line are searched.
    """
    SIGNALS.install()
    tolerate_broken_pipe()
    help.exit_if_asked(help.train_parser(), recipe_folder)
    with exit_with_message(ValueError):
        settings = read_arguments(sys.argv[1:], recipe_folder)
        settings = settings._replace(run_opts=device.local_rank_device(settings.run_opts))
        SIGNALS.uninstall()
        ddp_init_group(settings.run_opts)
        SIGNALS.install()
    if if_main_process():
        for line in settings.overridden:
            print(line)
    folder = Path(settings.values["output_folder"])
    with exit_with_message(FolderInUseError, folder=folder), lock_folder(folder):
        with exit_with_message(ValueError, folder=folder, note=STOP_NOTE):
            run = Run(settings, scan)
        with (
            exit_with_message(*STOPPED, folder=folder, note=STOP_NOTE),
            run.brain.watching_workers(),
        ):
            run.train()
            run.test()


class Run:
    """The objects of a recipe, built in an order that finds cheap mistakes first.

    Arguments
    ---------
    settings : Settings
        The settings of the command line.
    scan : callable, or mapping of str to callable
        Reads the corpus, or one function per corpus, as for ``main``.
    """

    def __init__(
        self, settings: Settings, scan: CorpusScanner | Mapping[str, CorpusScanner]
    ) -> None:
        self.settings = settings
        self.output_folder = Path(settings.values["output_folder"])
        self._check()
        self._prepare(scan)
        self._build()
        self._write_description()

    def _check(self) -> None:
        """Find the mistakes that cost nothing to find."""
        values = self.settings.values
        determinism.set_deterministic(values["deterministic"])
        resume.check_checkpoints(self.output_folder)
        validate_model_config(*(values[name] for name in MODEL_KEYS))
        self.back_end = build_back_end(values["back_end"], values["back_ends"])
        resume.check_same_run(self.output_folder, values)

    def _prepare(self, scan: CorpusScanner | Mapping[str, CorpusScanner]) -> None:
        """Read the corpus and make the fold."""
        values = self.settings.values
        prepared = run_on_main(prepare, scan=scan, **prepare_settings(scan, values))
        self.utterances, self.left_out = prepared
        resume.check_same_corpus(self.output_folder, self.utterances)
        all_folds = folds.folds_of(self.utterances, values)
        self.num_folds, self.fold = len(all_folds), folds.choose_fold(all_folds, values)
        self.inner_splits = inner_folds.inner_splits(self.fold, values)

    def _build(self) -> None:
        """Build the model, its Brain and the data of both."""
        self.hparams = hparams = self._build_objects()
        sb.create_experiment_directory(str(self.output_folder), save_env_desc=False)
        raise_on_log_failure()
        if if_main_process():
            log_left_out(self.left_out, self.settings.values["labels"])
        if hparams["tensorboard"]:
            hparams["loggers"].append(outputs.tensorboard_logger(self.output_folder))
        model = hparams["embedding_model"]
        self.cost = run_on_main(model_cost, model, hparams["classifier"])
        self.brain = build_brain(hparams, self.settings.run_opts)
        self.data = RunData(
            self.utterances, model, hparams["data_folder"], hparams["prepared_folder"],
            hparams["cache_features"], self.brain.device, progress=not self.brain.noprogressbar,
            augmenter=hparams["augment"], seed=hparams["seed"],
        )  # fmt: skip
        sizes = {name: hparams[name] for name in ("batch_size", "eval_batch_size")}
        self.data.check_batch_sizes(model, sizes)
        self.brain.note = self.fold.note(hparams["selection"])

    def _build_objects(self, **overrides: Any) -> dict[str, Any]:
        if inner_folds.are_set(self.settings.values):
            overrides["number_of_epochs"] = self.settings.values["max_inner_epochs"]
        return build_objects(self.settings.text, self.back_end, **overrides)

    def _write_description(self) -> None:
        described = self.settings.text, self.utterances, outputs.architecture(self.hparams)
        run_on_main(resume.write_run_description, self.output_folder, *described)

    def train(self) -> None:
        """Train on the training split of the fold; the validation split selects the epoch."""
        logger.info(folds.describe_fold(self.fold, self.hparams["selection"]))
        if not self.back_end or self.settings.values.get("back_end_after_training"):
            self._train_epochs()
        if self.back_end:
            speakers = [unit_of(u) for u in self.fold.train]
            self.brain.fit_back_end(self.back_end, self._batches(self.fold.train), speakers)

    def _train_epochs(self) -> None:
        values = self.settings.values
        if self.inner_splits:
            self.cost["inner_folds"] = choice = inner_folds.choose_number_of_epochs(
                self.output_folder, self.inner_splits, values, self._train_inner_fold
            )
            self.hparams["epoch_counter"].limit = choice["number_of_epochs"]
            sb.utils.seed_everything(values["seed"])  # inner folds have drawn numbers
        self._fit(self.brain, self.fold)

    def _train_inner_fold(self, fold: folds.Fold, folder: Path) -> list[dict[str, Any]]:
        folder.mkdir(parents=True, exist_ok=True)
        hparams = self._build_objects(output_folder=str(folder))
        hparams["epoch_counter"].patience = hparams["epoch_counter"].limit
        brain = build_brain(hparams, self.settings.run_opts)
        with brain.watching_workers():
            self._fit(brain, fold)
        return brain.history

    def _fit(self, brain: EmotionBrain, fold: folds.Fold) -> None:
        brain.fit(
            brain.hparams.epoch_counter,
            self.data.dataset(fold.train, self.hparams["labels"], is_training=True),
            self._dataset(fold.valid) if fold.valid else None,
            train_loader_kwargs=self._loader("batch_size"),
            valid_loader_kwargs=self._loader("eval_batch_size"),
        )

    def test(self) -> None:
        """Score the best epoch on the test split of the fold, if any; write the results; export."""
        valid = () if self.fold.valid == self.fold.test else self.fold.valid
        named = {results.VALID_PREDICTIONS: valid, results.PREDICTIONS: self.fold.test}
        splits = {name: split for name, split in named.items() if split}
        scored = {name: self._score(split) for name, split in splits.items()}  # the test split last
        if not splits:
            self.brain.on_evaluate_start(max_key=AtomicCheckpointer.best_key)
        ddp_barrier()  # the first process to end deletes the folder of --debug
        if if_main_process() and not self.brain.debug:
            self._write(splits, scored)

    def _score(self, split: tuple[Utterance, ...]) -> list[list[float]]:
        """The log-probabilities of the best epoch, [utterances, classes]; the time is recorded."""
        start = time.monotonic()
        self.brain.evaluate(
            self._dataset(split),
            max_key=AtomicCheckpointer.best_key,
            test_loader_kwargs=self._loader("eval_batch_size"),
        )
        self.cost["test_seconds"] = round(time.monotonic() - start, 3)
        return self.brain.scored.log_probabilities.tolist()

    def _batches(self, split: tuple[Utterance, ...]) -> Any:
        loader = self._loader("eval_batch_size")
        dataset = self._dataset(split)
        return self.brain.make_dataloader(dataset, sb.Stage.TEST, ckpt_prefix=None, **loader)

    def _dataset(self, split: tuple[Utterance, ...]) -> SegmentDataset:
        return self.data.dataset(split, self.hparams["labels"])

    def _loader(self, batch_size: str) -> dict[str, Any]:
        return self.data.loader_kwargs(self.hparams[batch_size], self.hparams["num_workers"])

    def _write(self, splits: dict[str, tuple[Utterance, ...]], scored: dict[str, list]) -> None:
        """Write the arrays for figures, the predictions and the results; export the model."""
        values, folder, brain = self.settings.values, self.output_folder, self.brain
        test, audio = self.fold.test, self.data.audio
        if test:
            outputs.write_embeddings(folder, values, brain, self._batches(test))
            outputs.write_attention(folder, values, brain, self._batches, test, audio)
        outputs.write_back_end(folder, brain)
        outputs.write_predictions(folder, splits, scored, values["labels"], self.fold)
        facts = {
            "num_protocol_folds": self.num_folds, **self.cost,
            "manifest": fingerprint(self.utterances), "left_out": self.left_out,
        }  # fmt: skip
        written = outputs.write_results(folder, values, brain, self.fold, facts)
        paths = [written, *(folder / name for name in splits)]
        print(outputs.summary(self.fold, brain), *paths, sep="\n")
        if values["export_folder"]:
            print(export_run(folder, values["export_folder"], replace=True))
