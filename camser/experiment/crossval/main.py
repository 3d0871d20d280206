"""Run a sweep: plan the jobs, skip the finished ones, run the rest, print a summary."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from speechbrain.utils.distributed import infer_device

from camser.config import help
from camser.config.settings import Settings, SettingsError, read_arguments
from camser.data.folds import score_note
from camser.data.prepare import CorpusScanner
from camser.evaluation.results import ResultsError
from camser.experiment.crossval.launch import LOG, last_line, run_locally, run_on_ray
from camser.experiment.crossval.options import CHOSEN, option_parser, read_options, resources
from camser.experiment.crossval.plan import Job, plan_jobs
from camser.runtime.exit import exit_with_message, tolerate_broken_pipe
from camser.runtime.signals import SIGNALS

LAUNCH = {"local": run_locally, "ray": run_on_ray}


def main(scan: CorpusScanner | Mapping[str, CorpusScanner], recipe_folder: str | Path) -> None:
    """Run the sweep of the command line; the exit status is 1 if any run failed.

    Arguments
    ---------
    scan : callable, or mapping of str to callable
        Reads the corpus, or one function per corpus, as for ``experiment.main``.
    recipe_folder : str or Path
        The folder of the recipe's ``train.py`` and YAML files.
    """
    SIGNALS.install()
    tolerate_broken_pipe()
    help.exit_if_asked(option_parser(), recipe_folder, without=CHOSEN)
    with exit_with_message(ValueError):
        options, arguments = read_options(sys.argv[1:])
        settings = read_arguments(arguments, recipe_folder)
        num_gpus = _num_gpus(settings.run_opts["device"] or infer_device())
        lines = [*settings.overridden, *_variants_line(settings, options.variants)]
        print(*lines, "checking existing runs …", sep="\n", flush=True)
        jobs = plan_jobs(options, arguments, scan, Path(recipe_folder))
        share = resources(options, num_gpus)
        todo = [job for job in jobs if _finished_results(job) is None]
    print(f"{len(jobs)} runs, {len(jobs) - len(todo)} of them already finished", flush=True)
    if options.dry_run:
        print("\n".join(f"{job.name}: {job.folder}" for job in todo))
        return
    with (
        exit_with_message(SettingsError),
        closing(LAUNCH[options.launcher](todo, share, num_gpus)) as ended,
    ):
        failed = _wait(todo, ended)
    print(_summary(jobs))
    if failed:
        lines = "".join(
            f"\n  {j.name}: {j.folder / LOG}\n    {last_line(j.folder)}" for j in failed
        )
        sys.exit(f"{len(failed)} of {len(jobs)} runs failed:{lines}")


def _variants_line(settings: Settings, chosen: Sequence[str] | None) -> Iterator[str]:
    """How many variants run, and from which files: a YAML inherits those of what it includes."""
    sources = settings.variants
    counts = Counter(sources[name] for name in dict.fromkeys(chosen or sources) if name in sources)
    if counts:
        advice = "; --variants selects, and `variants: null` in a YAML removes included ones"
        listed = ", ".join(f"{number} from {file}" for file, number in counts.items())
        yield f"variants: {listed}{'' if chosen else advice}"


def _num_gpus(device: str) -> int:
    kind, _, number = device.partition(":")
    if number:
        raise SettingsError(
            f"--device={device}: a sweep assigns the devices itself; give --device={kind}, and "
            f"CUDA_VISIBLE_DEVICES={number} to select devices"
        )
    return torch.cuda.device_count() if kind == "cuda" else 0


def _finished_results(job: Job) -> dict[str, Any] | None:
    try:
        return job.results()
    except (ResultsError, SettingsError) as error:
        print(f"{job.name}: {error}")
        return None


def _wait(todo: Sequence[Job], ended: Iterable[tuple[Job, int | None]]) -> list[Job]:
    """Wait for the jobs and print one line per job; return the failed ones."""
    start, failed = time.monotonic(), []
    for number, (job, status) in enumerate(ended, start=1):
        results = _finished_results(job) if status == 0 else None
        if results is None:
            failed.append(job)
            outcome = f"failed, see {job.folder / LOG}"
        else:
            scores = (f"{name} {results[name]:.4f}" for name in ("WA", "UA") if name in results)
            outcome = ", ".join(scores) or "trained, without a test split"
        elapsed = time.monotonic() - start
        left = elapsed / number * (len(todo) - number)
        times = [timedelta(seconds=round(seconds)) for seconds in (elapsed, left)]
        clock = "{} elapsed, {} left".format(*times)
        print(f"[{number}/{len(todo)}, {clock}] {job.name}: {outcome}", flush=True)
    return failed


def _summary(jobs: Sequence[Job]) -> str:
    """A table of WA and UA of each variant over its finished runs."""
    rows = defaultdict(list)
    for job in jobs:
        results = _finished_results(job)
        if results and results["parts"]["test"]:
            known, shared = results.get("speakers_known", True), results.get("shared_speakers", 0)
            note = score_note(results["selection"], known, "  ", shared)
            rows[results["variant"], note].append(results)
    lines = [f"{'variant (mean ± over runs)':<32}{'runs':>5}{'WA, %':>16}{'UA, %':>16}"]
    for (variant, note), runs in rows.items():
        scores = "".join(f"{_spread([r[s] for r in runs]):>16}" for s in ("WA", "UA"))
        lines.append(f"{variant:<32}{len(runs):>5}{scores}{note}")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{deviation}"
