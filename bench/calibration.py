#!/usr/bin/env python3
"""Does the temperature of an export lower the test NLL? Of finished runs, and in a simulation.

    python bench/calibration.py results --output bench/results/calibration.json
    python bench/harness/tables.py docs/calibration.md

The temperature is fitted on the validation rows of a run, and judged on its test rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from harness import simulated_calibration, tables
from scipy.special import log_softmax

from camser.evaluation import results, statistics
from camser.export.calibration import best_temperature, fit_temperature, read_scores

ONE, EXPORTED = "T = 1", "as exported"
Predictions = tuple[np.ndarray, np.ndarray]


def read_runs(folders: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each run under the folders: its temperatures, and what they do on its test rows.

    Runs whose epoch was chosen on the test rows are left out.
    """
    found = []
    for path in sorted(p for folder in folders for p in Path(folder).rglob("results.json")):
        told = results.read_results(path)
        if told["selection"] == "test_fold":
            continue
        labels = told["labels"]
        valid, test = (
            results.read_predictions(path.with_name(name))
            for name in (results.VALID_PREDICTIONS, results.PREDICTIONS)
        )
        scores, tested = read_scores(valid, labels), read_scores(test, labels)
        fitted = fit_temperature(valid, labels)
        temperatures = {
            ONE: 1.0,
            "maximum likelihood": best_temperature(*scores, float("inf")),
            "with the prior": best_temperature(*scores),
            EXPORTED: fitted["temperature"],
        }
        found.append(
            {
                **{name: told[name] for name in ("corpus", "variant", "fold", "seed")},
                "validation rows": fitted["utterances"],
                "errors": fitted["errors"],
                "methods": {
                    name: {"T": t, **_judged(tested, t)} for name, t in temperatures.items()
                },
            }
        )
    return found


def _judged(tested: Predictions, temperature: float) -> dict[str, float]:
    scores, truths = tested
    scaled = log_softmax(scores / temperature, axis=1)
    found = statistics.calibration(truths.tolist(), scaled)
    return {"NLL": found["nll"], "ECE": found["ece"]}


def summary(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the table: each corpus, and each way to a temperature."""
    rows = []
    for corpus in dict.fromkeys(run["corpus"] for run in runs):
        chosen = [run for run in runs if run["corpus"] == corpus]
        for method in chosen[0]["methods"]:
            values = {
                name: np.array([run["methods"][method][name] for run in chosen])
                for name in ("T", "NLL", "ECE")
            }
            before = np.array([run["methods"][ONE]["NLL"] for run in chosen])
            rows.append(
                {
                    "corpus": corpus,
                    "runs": len(chosen),
                    "validation rows": _range(run["validation rows"] for run in chosen),
                    "errors": _range(run["errors"] for run in chosen),
                    "temperature": method,
                    "T": "{:.2f} to {:.2f}".format(values["T"].min(), values["T"].max()),
                    "mean NLL": float(values["NLL"].mean()),
                    "runs with a higher NLL": int((values["NLL"] > before).sum()),
                    "mean ECE, %": float(100 * values["ECE"].mean()),
                }
            )
    return rows


def _range(numbers: Any) -> str:
    values = sorted(numbers)
    return " to ".join(str(number) for number in dict.fromkeys((values[0], values[-1])))


def main(argv: Sequence[str] | None = None) -> None:
    """Read the runs, simulate, print the tables and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", help="folders of finished runs")
    parser.add_argument("--draws", type=int, default=500, help="of the simulation")
    parser.add_argument("--output", type=Path, help="a JSON file")
    asked = parser.parse_args(argv)
    runs = read_runs(asked.folders)
    found = {"runs": summary(runs), "simulation": simulated_calibration.rows(asked.draws)}
    for name, rows in found.items():
        print(f"\n{name}\n\n{tables.markdown(rows)}")
    if asked.output:
        settings = {"draws": asked.draws}
        tables.write_json(asked.output, {"settings": settings, "tables": found, "each run": runs})


if __name__ == "__main__":
    main()
