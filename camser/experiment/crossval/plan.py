"""From a command line to jobs. All mistakes in the jobs are reported before the first one runs."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camser.build import MODEL_KEYS, validate_model_config
from camser.config.settings import SettingsError, read_arguments
from camser.data import prepare
from camser.data.folds import FOLD_KEYS, make_folds, selection_note
from camser.data.manifest import Utterance, fingerprint
from camser.data.prepare import CorpusError, CorpusScanner
from camser.evaluation.results import ResultsError, read_results
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
        Values that ``results.json`` must have if it belongs to this run.
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
        if not (self.folder / "results.json").exists():
            return None
        results = read_results(self.folder / "results.json")
        for name, value in self.expected.items():
            if results[name] != value:
                path, reason = self.folder / "results.json", _difference(name, results, value)
                raise SettingsError(
                    f"{path} belongs to another run: {reason}; give another output_folder, "
                    f"or delete the file"
                )
        return results


def _difference(name: str, results: Mapping[str, Any], value: Any) -> str:
    """How the results of a run differ from the expected value; for tables, the differing keys."""
    if not isinstance(value, Mapping):
        return f"its {name} is {results[name]!r}, here {value!r}"
    keys = sorted(k for k in {*results[name], *value} if results[name].get(k) != value.get(k))
    return f"its {name} differs in {', '.join(keys)}"


class PlannedVariant:
    """A variant with one selection: its settings, its data and its folds.

    Arguments
    ---------
    arguments : sequence of str
        The recipe and its overrides, with the variant's name and the selection.
    recipe_folder : Path
        The folder of the recipe.
    """

    def __init__(self, arguments: Sequence[str], recipe_folder: Path) -> None:
        self.script, self.arguments = str(recipe_folder / "train.py"), list(arguments)
        self.settings = read_arguments(self.arguments, recipe_folder)
        values = self.settings.values
        validate_model_config(*(values[name] for name in MODEL_KEYS))

    def jobs(
        self, utterances: list[Utterance], seeds: Sequence[int], chosen: Sequence[int] | None
    ) -> list[Job]:
        """One job per seed and fold."""
        values = self.settings.values
        num_folds = len(make_folds(utterances, **{name: values[name] for name in FOLD_KEYS}))
        folds = range(num_folds) if chosen is None else chosen
        unknown = sorted(set(folds) - set(range(num_folds)))
        if unknown:
            raise SettingsError(f"--folds: {unknown}; {values['protocol']} has 0 … {num_folds - 1}")
        pairs = itertools.product(dict.fromkeys(seeds or [values["seed"]]), dict.fromkeys(folds))
        manifest = fingerprint(utterances)
        jobs = [self._job(manifest, seed, fold) for seed, fold in pairs]
        for job in jobs:
            check_same_corpus(job.folder, utterances)
        return jobs

    def _job(self, manifest: str, seed: int, fold: int) -> Job:
        values = self.settings.with_values(seed=seed, fold=fold)
        folder = Path(values["output_folder"])
        check_same_run(folder, values)
        optimistic = selection_note(values["selection"], ", ")
        job = Job(
            name=f"{values['variant']}, fold {fold}, seed {seed}{optimistic}",
            command=(self.script, *self.arguments, f"--seed={seed}", f"--fold={fold}"),
            folder=folder,
            expected={
                **{k: values[k] for k in ("corpus", "variant", "selection", "fold", "seed")},
                "settings": json.loads(json.dumps(result_settings(values))),
                "manifest": manifest,
            },
        )
        with suppress(ResultsError):  # a run with damaged results is repeated
            job.results()
        return job


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
    jobs, problems = [], []
    corpora: dict[str, list[Utterance]] = {}
    for name, selection in itertools.product(names, selections):
        try:
            extra = [f"--variant={name}", f"--selection={selection}"]
            variant = PlannedVariant([*arguments, *extra], recipe_folder)
            utterances = _prepared(scan, variant.settings.values, corpora)
            if utterances:
                jobs += variant.jobs(utterances, options.seeds, options.folds)
        except CorpusError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"variant {name}: {error}")
    problems += _folder_conflicts(jobs)
    if problems:
        raise SettingsError("nothing was started:\n  " + "\n  ".join(problems))
    return jobs


def _prepared(scan: Any, values: dict[str, Any], corpora: dict) -> list[Utterance]:
    """The utterances. Variants with the same corpus prepare it once; none after an error."""
    prepare_settings = {name: values[name] for name in prepare.PREPARE_KEYS}
    key = json.dumps(prepare_settings)
    if key not in corpora:
        corpora[key] = []
        corpora[key] = prepare.prepare(scan, **prepare_settings)
    return corpora[key]


def _folder_conflicts(jobs: Sequence[Job]) -> list[str]:
    seen: dict[Path, str] = {}
    return [
        f"{job.name} and {seen[job.folder]} would both write {job.folder}; output_folder must "
        f"contain <variant>, <selection>, <fold> and <seed>"
        for job in jobs
        if seen.setdefault(job.folder, job.name) != job.name
    ]
