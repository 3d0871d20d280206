"""One run of a recipe: prepare, fold, train, test, write down."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.distributed import ddp_barrier, ddp_init_group, if_main_process

from camser.audio import AudioError
from camser.build import MODEL_KEYS, validate_model_config
from camser.config.settings import Settings, explain_build_errors, read_arguments
from camser.data import folds
from camser.data.dataset import SegmentDataset
from camser.data.manifest import Utterance, fingerprint
from camser.data.prepare import PREPARE_KEYS, CorpusScanner, prepare
from camser.evaluation import results
from camser.experiment import outputs, resume
from camser.experiment.outputs import tensorboard_logger
from camser.export.export_run import export_run
from camser.inference.export_folder import ExportError
from camser.model import count_parameters
from camser.runtime.distributed import is_single_process, run_on_main
from camser.runtime.exit import exit_with_message, tolerate_broken_pipe
from camser.runtime.lock import FolderInUseError, FolderLock
from camser.runtime.resource_errors import BatchOutOfMemoryError, raise_on_log_failure
from camser.runtime.signals import SIGNALS
from camser.training import determinism, device
from camser.training.brain import EmotionBrain
from camser.training.checkpoints import AtomicCheckpointer, CheckpointError, check_plugins
from camser.training.nonfinite import NonFiniteError
from camser.training.run_data import RunData

logger = logging.getLogger(__name__)
STOPPED = (
    AudioError, BatchOutOfMemoryError, CheckpointError, ExportError, NonFiniteError,
    results.ResultsError,
)  # fmt: skip


def main(scan: CorpusScanner | Mapping[str, CorpusScanner], recipe_folder: str | Path) -> None:
    """Run what the command line asks for; a mistake in it, or in the corpus, is one message.

    Arguments
    ---------
    scan : callable, or mapping of str to callable
        The recipe's reading of its corpus: a data folder to a ``Scan``. A recipe for several
        corpora gives each one's by name; ``data_folder`` is then a table that chooses among them.
    recipe_folder : str or Path
        Where the YAMLs of the command line are looked for.
    """
    SIGNALS.install()
    tolerate_broken_pipe()
    with exit_with_message(ValueError):
        settings = read_arguments(sys.argv[1:], recipe_folder)
        settings = settings._replace(run_opts=device.local_rank_device(settings.run_opts))
        with SIGNALS.default_handlers():
            ddp_init_group(settings.run_opts)
    folder = Path(settings.values["output_folder"])
    with exit_with_message(FolderInUseError, folder=folder), FolderLock(folder):
        with exit_with_message(ValueError, folder=folder, note=_where_it_stopped):
            run = Run(settings, scan)
        with (
            exit_with_message(*STOPPED, folder=folder, note=_where_it_stopped),
            run.brain.watching_workers(),
        ):
            run.train()
            run.test()


def _where_it_stopped() -> str:
    """What can be said of any error: this line invents no cause."""
    told = "The run stopped here. Once that is mended, the same command goes on where it was saved"
    if is_single_process():
        return told
    number, others = torch.distributed.get_rank(), torch.distributed.get_world_size() - 1
    return f"{told}. This is process {number}; the other {others} may have said more"


class Run:
    """A recipe's objects, built in the order in which mistakes are cheap to find.

    Arguments
    ---------
    settings : Settings
        What the command line asks for.
    scan : callable, or mapping of str to callable
        The recipe's reading of its corpus, or of several, as for ``main``.
    """

    def __init__(
        self, settings: Settings, scan: CorpusScanner | Mapping[str, CorpusScanner]
    ) -> None:
        self.settings, values = settings, settings.values
        determinism.set_deterministic(values["deterministic"])
        self.output_folder = Path(values["output_folder"])
        resume.check_checkpoints(self.output_folder)
        check_plugins(self.output_folder / "save")
        validate_model_config(*(values[name] for name in MODEL_KEYS))
        resume.check_same_run(self.output_folder, values)
        asked = {name: values[name] for name in PREPARE_KEYS}
        self.utterances = run_on_main(prepare, scan=scan, **asked)
        resume.check_same_corpus(self.output_folder, self.utterances)
        self.fold = choose_fold(self.utterances, values)
        self.hparams = _build_objects(settings.text)
        sb.create_experiment_directory(str(self.output_folder), save_env_desc=False)
        raise_on_log_failure()
        self.hparams["loggers"] = [self.hparams["train_logger"]]
        if self.hparams["tensorboard"]:
            self.hparams["loggers"].append(tensorboard_logger(self.output_folder / "tensorboard"))
        self.brain = self._build_brain()
        self.data = self._prepare_data()
        self.brain.check_batches(self.data.kept)
        architecture = self.hparams["embedding_model"].architecture
        run_on_main(
            resume.write_run_description,
            self.output_folder,
            settings.text,
            self.utterances,
            architecture,
        )

    def _build_brain(self) -> EmotionBrain:
        hparams, model = self.hparams, self.hparams["embedding_model"]
        for name, (total, trainable) in count_parameters(model, hparams["classifier"]).items():
            logger.info("parameters: %-12s %11d, %11d trained", name, total, trainable)
        brain = EmotionBrain(
            modules={"embedding_model": model, "classifier": hparams["classifier"]},
            opt_class=hparams["opt_class"],
            hparams=hparams,
            run_opts=self.settings.run_opts,
            checkpointer=hparams["checkpointer"],
        )
        return brain

    def _prepare_data(self) -> RunData:
        hparams, brain = self.hparams, self.brain
        return RunData(
            self.utterances,
            hparams["embedding_model"],
            hparams["data_folder"],
            hparams["prepared_folder"],
            hparams["keep_features"],
            brain.device,
            progress=not brain.noprogressbar,
        )

    def train(self) -> None:
        """Fit on the fold's training part; the epoch is chosen on its validation part."""
        hparams = self.hparams
        logger.info(folds.describe_fold(self.fold, hparams["selection"]))
        self.brain.fit(
            hparams["epoch_counter"],
            self._dataset(self.fold.train),
            self._dataset(self.fold.valid),
            train_loader_kwargs=self._loader("batch_size"),
            valid_loader_kwargs=self._loader("eval_batch_size"),
        )

    def test(self) -> None:
        """Score the best epoch on the fold's test part, write the results, and export."""
        parts = {results.VALID_PREDICTIONS: self.fold.valid, results.PREDICTIONS: self.fold.test}
        if self.fold.valid == self.fold.test:
            del parts[results.VALID_PREDICTIONS]
        scored = {name: self._score(part) for name, part in parts.items()}  # the test part last
        ddp_barrier()  # the first to end takes the folder of --debug with it
        if if_main_process() and not self.brain.debug:
            self._inspect()
            for name, part in parts.items():
                self._write_predictions(name, part, scored[name])
            self._write()
            self._export()

    def _score(self, part: tuple[Utterance, ...]) -> dict[str, list[float]]:
        """The best epoch's log-probabilities of each utterance, by its id."""
        self.brain.evaluate(
            self._dataset(part),
            max_key=AtomicCheckpointer.best_key,
            test_loader_kwargs=self._loader("eval_batch_size"),
        )
        scored = self.brain.scored
        return dict(zip(scored.ids, scored.log_probabilities.tolist(), strict=True))

    def _inspect(self) -> None:
        """Write what the best epoch makes of the test part; what is not asked for goes."""
        values, folder = self.settings.values, self.output_folder
        chosen = outputs.select_examples(self.fold.test, values["labels"], values["save_attention"])
        embeddings, attention = {}, {}
        if values["save_embeddings"]:
            embeddings = outputs.embedding_arrays(self.brain, self._batches(self.fold.test))
        if chosen:
            batches = self._batches(chosen)
            attention = outputs.attention_arrays(self.brain, batches, chosen, self.data.audio)
        results.write_arrays(folder / results.EMBEDDINGS, embeddings)
        results.write_arrays(folder / results.ATTENTION, attention)

    def _batches(self, part: tuple[Utterance, ...]) -> Any:
        loader = self._loader("eval_batch_size")
        dataset = self._dataset(part)
        return self.brain.make_dataloader(dataset, sb.Stage.TEST, ckpt_prefix=None, **loader)

    def _dataset(self, part: tuple[Utterance, ...]) -> SegmentDataset:
        return self.data.dataset(part, self.hparams["labels"])

    def _loader(self, batch_size: str) -> dict[str, Any]:
        return self.data.loader_kwargs(self.hparams[batch_size], self.hparams["num_workers"])

    def _write_predictions(
        self, name: str, part: tuple[Utterance, ...], scored: dict[str, list[float]]
    ) -> None:
        by_id, labels = {u.id: u for u in part}, self.settings.values["labels"]
        utterances, heard = [by_id[i] for i in scored], {u.text for u in self.fold.train}
        scores = list(scored.values())
        results.write_predictions(self.output_folder, utterances, scores, labels, heard, name)

    def _export(self) -> None:
        """Write the trained model as a folder that loads anywhere, where that is asked for."""
        folder = self.settings.values["export_folder"]
        if folder:
            print(export_run(self.output_folder, folder, replace=True))

    def _write(self) -> None:
        brain, values = self.brain, self.settings.values
        history = results.read_history(self.output_folder)
        caution = folds.selection_note(values["selection"], ", ")
        copied = ("corpus", "protocol", "selection", "fold", "seed", "variant", "labels")
        written = results.write_results(
            self.output_folder,
            {
                **{name: values[name] for name in copied},
                "fold_name": self.fold.name,
                **({"note": folds.OPTIMISTIC} if caution else {}),
                "settings": resume.result_settings(values),
                "parts": {p: len(getattr(self.fold, p)) for p in ("train", "valid", "test")},
                **brain.scores,
                "best_epoch": brain.best_epoch,
                "epochs": len(history),
                "seconds": sum(float(row["seconds"]) for row in history),
                "skipped_steps": sum(int(row.get("skipped_steps") or 0) for row in history),
                **brain.trained,
                "versions": results.versions(),
                "plugins": brain.plugins,
                "manifest": fingerprint(self.utterances),
            },
        )
        scores = ", ".join(f"{name} {brain.scores[name]:.4f}" for name in ("WA", "UA", "macro_F1"))
        print(f"test {self.fold.name}{caution}: {scores} (epoch {brain.best_epoch})")
        print(f"{written}\n{self.output_folder / results.PREDICTIONS}")


def choose_fold(utterances: list[Utterance], values: dict[str, Any]) -> folds.Fold:
    """The fold that the settings name."""
    found = folds.make_folds(utterances, **{name: values[name] for name in folds.FOLD_KEYS})
    if type(values["fold"]) is not int or not 0 <= values["fold"] < len(found):
        names = ", ".join(f"{fold.index} ({fold.name})" for fold in found)
        raise folds.FoldError(f"fold is {values['fold']!r}; {values['protocol']} has: {names}")
    return found[values["fold"]]


def _build_objects(text: str) -> dict[str, Any]:
    """What the recipe builds; an argument that something does not take is found here."""
    with explain_build_errors():
        hparams = load_hyperpyyaml(text)
        hparams["opt_class"]([torch.nn.Parameter(torch.zeros(1))], lr=0.0)
    return hparams
