"""The steps of ``camser train``. Each goes on where an earlier command was interrupted."""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camser.cli.data import finding_lines
from camser.cli.export import card_options
from camser.cli.label_options import table_arguments
from camser.cli.train.encoder import Encoder, find_encoder, read_encoder
from camser.cli.train.evaluation import (
    choose_protocol,
    cross_validated_scores,
    speakers_suffice,
)
from camser.cli.train.workspace import RECIPE, Workspace
from camser.config.overrides import apply_overrides
from camser.config.settings import SettingsError
from camser.config.values import parse_value
from camser.data.tables.read import read_table
from camser.data.tables.saved import SavedTable
from camser.data.tables.table import Table
from camser.data_check.check import check_labels
from camser.data_check.source import source_of
from camser.experiment.crossval.launch import LOG, last_line, run_locally
from camser.experiment.crossval.options import resources
from camser.experiment.crossval.plan import Job, plan_jobs
from camser.runtime.messages import escape_control_characters
from camser.runtime.progress import is_hidden

FROZEN = {"frozen": "all", "finetune": "convolutions", "paper": None}  # by preset: ``freeze``
NO_ENCODER = (
    "No pretrained encoder was at hand, so it knows the MFCC alone; with one it would be "
    "better: give --encoder"
)


class TrainingFailed(ValueError):
    """A run failed; the message has the end of its log."""


class Progress:
    """One bar over all steps, and a line for each that ends."""

    def __init__(self, total: int) -> None:
        self.number, self.total = 0, total
        self.bar = tqdm(total=total, unit="step", disable=is_hidden(), dynamic_ncols=True)

    def done(self, text: str) -> None:
        """A step has ended."""
        self.number += 1
        self.bar.update()
        tqdm.write(f"[{self.number}/{self.total}] {text}")


def train(options: argparse.Namespace) -> Path:
    """Train a model on labelled recordings, and test it; returns the model folder.

    Arguments
    ---------
    options : Namespace
        Of ``command.add_parser``.
    """
    output = Path(options.output)
    if output.exists():
        raise FileExistsError(f"{output} exists; give another --output, or remove it")
    workspace = Workspace.beside(output)
    encoder = write_recipe(options, workspace)
    return _run_steps(workspace, output, options, remarks=[] if encoder else [NO_ENCODER])


def write_recipe(options: argparse.Namespace, workspace: Workspace) -> Encoder | None:
    """Read the labels, and write a recipe for them; returns its pretrained encoder, if it has one.

    Arguments
    ---------
    options : Namespace
        Of ``command.add_recipe_options``.
    workspace : Workspace
        Where to write.
    """
    arguments = table_arguments(options)
    if options.allow_missing:
        arguments["allow_missing"] = True
    table = read_table(**arguments)
    print_verdict(table, options)
    if table.speakers_known and not speakers_suffice(table.utterances):
        arguments["columns"] = {**(options.columns or {}), "speaker": None}
        print("fewer than three speakers: they are not divided, so the test is by file")
        table = read_table(**arguments)
    print(describe(table, options.merge))
    encoder = _choose_encoder(options)  # it may ask the hub: after the mistakes of the table
    preset = options.preset or ("frozen" if encoder else "tiny")
    print(describe_model(preset, encoder))
    labels = options.labels or sorted({options.merge.get(x, x) for x in table.labels})
    settings = {
        "corpus": table.corpus,
        "data_folder": str(table.data_folder),
        "labels": labels,
        "merge_labels": options.merge,
        **choose_protocol(_merged(table, options.merge, labels), options.folds, options.protocol),
        "seed": options.seed,
        **({"encoders": {"speech": _encoder_settings(preset, encoder)}} if encoder else {}),
    }
    chosen = dict(map(_setting, options.set))
    apply_overrides(settings, chosen, chosen)
    workspace.write(preset, settings, arguments)
    return encoder


def _run_steps(
    workspace: Workspace, output: Path, options: argparse.Namespace, remarks: Sequence[str]
) -> Path:
    from camser.evaluation.report.collect import collect
    from camser.evaluation.report.write import write_report
    from camser.export.export_run import export_run

    jobs = _plan(workspace, options)
    progress = Progress(len(jobs) + 3)
    for job in _run(jobs, options):
        results = _results(job)
        progress.done(f"{job.name}: WA {results['WA']:.3f}, UA {results['UA']:.3f}")
    runs = [(job.folder, _results(job)) for job in jobs]
    scores = cross_validated_scores(runs)
    report = write_report(collect([job.folder for job in jobs]), workspace.report)
    note = f" ({scores['note']})" if scores["note"] else ""
    progress.done(f"tested: WA {scores['WA']:.3f}, UA {scores['UA']:.3f}{note}; see {report}")
    epochs = round(statistics.median(results["best_epoch"] for _, results in runs))
    final = ("--protocol=all", "--num_folds=null", f"--number_of_epochs={epochs}")
    (job,) = _plan(workspace, options, *final, selection="none")
    list(_run([job], options))
    progress.done(f"trained on all {_results(job)['parts']['train']} recordings, {epochs} epochs")
    extra = {"cross_validated": scores, "remarks": list(remarks), **card_options(options)}
    folder = export_run(job.folder, output, extra=extra, onnx=options.onnx, int8=options.int8)
    progress.done(f"{folder}: the model; camser classify --model {folder} FILE …")
    progress.bar.close()
    return folder


def _plan(
    workspace: Workspace, options: argparse.Namespace, *more: str, selection: str | None = None
) -> list[Job]:
    selections = [selection] if selection else None
    chosen = argparse.Namespace(variants=None, folds=None, seeds=None, selections=selections)
    device = [f"--device={options.device}"] if options.device else []
    arguments = [str(workspace.folder / RECIPE), *device, *more]
    scan = SavedTable(workspace.folder / "table.yaml")
    return plan_jobs(chosen, arguments, scan, workspace.folder)


def _run(jobs: Sequence[Job], options: argparse.Namespace) -> Iterator[Job]:
    """Run those that are not finished; yield each when it is."""
    import torch

    done = [job for job in jobs if job.results() is not None]
    yield from done
    is_cpu = (options.device or "").startswith("cpu")
    num_gpus = 0 if is_cpu else torch.cuda.device_count()
    share = resources(
        argparse.Namespace(workers=options.workers, cpus_per_job=None, gpus_per_job=None), num_gpus
    )
    todo = [job for job in jobs if job not in done]
    with closing(run_locally(todo, share, num_gpus)) as ended:
        for job, status in ended:
            if status != 0 or job.results() is None:
                raise TrainingFailed(f"{job.name}: {last_line(job.folder)}\n{job.folder / LOG}")
            yield job


def _results(job: Job) -> dict[str, Any]:
    results = job.results()
    assert results is not None, "it is finished"
    return results


def _choose_encoder(options: argparse.Namespace) -> Encoder | None:
    if options.preset == "tiny":
        return None
    if options.encoder:
        return read_encoder(options.encoder)
    return find_encoder()


def _setting(text: str) -> tuple[str, Any]:
    """A setting of the recipe: KEY=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--set {text}: it has no value; write KEY=VALUE")
    return name, parse_value(value, f"--set {name}", "safe")


def _encoder_settings(preset: str, encoder: Encoder) -> dict[str, Any]:
    layer = max(1, encoder.num_layers // 2) if preset == "frozen" else None
    return encoder.settings(FROZEN[preset], layer)


def _merged(table: Table, merge: Mapping[str, str], labels: Sequence[str]) -> list[Any]:
    from dataclasses import replace

    merged = (replace(u, emotion=merge.get(u.emotion, u.emotion)) for u in table.utterances)
    return [u for u in merged if u.emotion in labels]


def print_verdict(table: Table, options: argparse.Namespace) -> None:
    """Print what the labels alone tell that would make a score wrong."""
    check = check_labels(source_of(table, options.labels, options.merge))
    findings = [finding for finding in check.findings if finding.severity != "note"]
    for line in finding_lines(findings):
        print(escape_control_characters(line))
    print(f"more about the recordings: camser data {options.table}")


def describe(table: Table, merge: Mapping[str, str]) -> str:
    """A line on the labels: how many of each, and of how many speakers."""
    counts = Counter(merge.get(u.emotion, u.emotion) for u in table.utterances)
    emotions = ", ".join(f"{name} {number}" for name, number in counts.most_common())
    number = len({u.speaker for u in table.utterances})
    speakers = f"{number} speakers" if table.speakers_known else "speakers unknown: split by file"
    return f"{table.corpus}: {counts.total()} recordings ({emotions}), {speakers}"


def describe_model(preset: str, encoder: Encoder | None) -> str:
    """A line on what is trained."""
    if encoder is None:
        return f"preset {preset}. {NO_ENCODER}"
    return f"preset {preset}, encoder {encoder.source} ({encoder.num_layers} layers)"
