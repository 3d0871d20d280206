"""From a command line to jobs. All mistakes in the jobs are reported before the first one runs."""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camser.build import MODEL_KEYS, build_back_end, validate_model_config
from camser.config.settings import Settings, SettingsError, read_arguments
from camser.config.values import quote_text
from camser.data import prepare
from camser.data.folds import folds_of, score_note
from camser.data.left_out import log_left_out
from camser.data.manifest import Utterance, fingerprint
from camser.data.prepare import CorpusError, CorpusScanner
from camser.evaluation.results import RESULTS, ResultsError, read_results
from camser.experiment.resume import check_same_corpus, check_same_run, result_settings


@dataclass(frozen=True)
class Job:
    """One run of a recipe.

    Arguments
    ---------
    name : str
        Shown to the user: variant, selection, fold and seed.
    command : tuple of str
        The arguments of the Python interpreter.
    folder : Path
        The run's output folder.
    expected : dict
        The settings, and the ``manifest``, of its ``results.json``.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    expected: dict[str, Any]

    def results(self) -> dict[str, Any] | None:
        """The results of the run if it is finished, else None.

        Raises
        ------
        ResultsError
            If the file exists but is damaged.
        SettingsError
            If the file belongs to another run.
        """
        path = self.folder / RESULTS
        if not path.exists():
            return None
        results = read_results(path)
        found, expected = {**results["settings"], "manifest": results["manifest"]}, self.expected
        names = sorted(k for k in {*found, *expected} if found.get(k) != expected.get(k))
        if names:
            raise SettingsError(
                f"{path} belongs to another run: it differs in {', '.join(names)}; give another "
                f"output_folder, or delete the file"
            )
        return results


def plan_jobs(
    options: argparse.Namespace,
    arguments: Sequence[str],
    scan: CorpusScanner | Mapping[str, CorpusScanner],
    recipe_folder: Path,
) -> list[Job]:
    """All jobs of a command line.

    Arguments
    ---------
    options : Namespace
        The result of ``options.read_options``.
    arguments : sequence of str
        The recipe and its overrides.
    scan : callable, or mapping of str to callable
        Reads the corpus, or one function per corpus, as for ``experiment.main``.
    recipe_folder : Path
        The folder of ``train.py``.

    Raises
    ------
    SettingsError
        If any job has a mistake; the message lists all mistakes.
    """
    base = read_arguments(arguments, recipe_folder)
    if options.variants and not base.variants:
        raise SettingsError(f"--variants is {options.variants}, but the recipe lists no variants")
    names = dict.fromkeys(options.variants or base.variants or [base.values["variant"]])
    selections = dict.fromkeys(options.selections or [base.values["selection"]])
    jobs: list[Job] = []
    problems = []
    corpora: dict[str, list[Utterance]] = {}
    for name, selection in itertools.product(names, selections):
        command = [*arguments, f"--variant={quote_text(name)}", f"--selection={selection}"]
        try:
            settings = read_arguments(command, recipe_folder)
            validate_model_config(*(settings.values[name] for name in MODEL_KEYS))
            build_back_end(settings.values["back_end"], settings.values["back_ends"])
            if utterances := _prepare_once(scan, settings.values, corpora):
                command = [str(recipe_folder / "train.py"), *command]
                jobs += _jobs_of_variant(options, settings, command, utterances)
        except CorpusError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"variant {name}: {error}")
    problems += _folder_conflicts(jobs)
    if problems:
        raise SettingsError("nothing was started:\n  " + "\n  ".join(problems))
    return jobs


def _prepare_once(scan: Any, values: dict[str, Any], corpora: dict) -> list[Utterance]:
    """The utterances. Variants with the same corpus prepare it once; none after an error."""
    prepare_settings = prepare.prepare_settings(scan, values)
    key = json.dumps(prepare_settings)
    if key not in corpora:
        corpora[key] = []
        corpora[key], left_out = prepare.prepare(scan, **prepare_settings)
        log_left_out(left_out, values["labels"])
    return corpora[key]


def _jobs_of_variant(
    options: argparse.Namespace,
    settings: Settings,
    command: Sequence[str],
    utterances: list[Utterance],
) -> Iterator[Job]:
    """One job per seed and fold of a variant with one selection."""
    values = settings.values
    all_folds = folds_of(utterances, values)
    num_folds, known = len(all_folds), all(fold.speakers_known for fold in all_folds)
    shared = max(fold.shared_speakers for fold in all_folds)
    folds = range(num_folds) if options.folds is None else options.folds
    if unknown := sorted(set(folds) - set(range(num_folds))):
        raise SettingsError(f"--folds: {unknown}; {values['protocol']} has 0 … {num_folds - 1}")
    seeds, manifest = options.seeds or [values["seed"]], fingerprint(utterances)
    for seed, fold in itertools.product(dict.fromkeys(seeds), dict.fromkeys(folds)):
        values = settings.with_values(seed=seed, fold=fold)
        job = Job(
            f"{values['variant']}, fold {fold}, seed {seed}"
            + score_note(values["selection"], known, ", ", shared),
            (*command, f"--seed={seed}", f"--fold={fold}"),
            Path(values["output_folder"]),
            json.loads(json.dumps({**result_settings(values), "manifest": manifest})),
        )
        check_same_run(job.folder, values)
        check_same_corpus(job.folder, utterances)
        with suppress(ResultsError):  # a run with damaged results is repeated
            job.results()
        yield job


def _folder_conflicts(jobs: Sequence[Job]) -> list[str]:
    names: dict[Path, dict[str, None]] = defaultdict(dict)
    for job in jobs:
        names[job.folder][job.name] = None
    return [
        f"{len(runs)} runs would write {folder}, e.g. {' and '.join([*runs][:2])}; output_folder "
        f"must differ, e.g. '!ref results/<variant>/<selection>/fold<fold>-seed<seed>'"
        for folder, runs in names.items()
        if len(runs) > 1
    ]
