"""How much does a temperature gain that is fitted on few utterances? A simulation.

Logits are random, and the true probabilities are their softmax. A model states them at another
temperature; a speaker's own temperature differs from it. The best of four draws of the validation
rows is taken, as training takes the best epoch. Other speakers are tested.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax

from camser.export.calibration import best_temperature, mean_nll

CLASSES, EPOCHS, TESTED = 4, 4, 600
SIZES = (25, 50, 100, 200, 400)
DEVIATIONS = (float("inf"), 1.0, 0.7, 0.5, 0.35, 0.25, 0.1)  # of the prior on log T
# The deviation of log T between models and between speakers, and utterances of a speaker.
SCENARIOS = ((0.5, 0.25, 40), (0.25, 0.25, 40), (0.25, 0.4, 40), (0.25, 0.25, 400))


def rows(draws: int, seed: int = 0) -> list[dict[str, Any]]:
    """The rows of the table: the mean fall of the test NLL from T = 1, by the prior's deviation."""
    found = []
    for models, speakers, utterances in SCENARIOS:
        for size in SIZES:
            rng = np.random.default_rng([seed, size])
            gains = [_gains(rng, size, models, speakers, utterances) for _ in range(draws)]
            errors, *means = np.mean(gains, axis=0).tolist()
            names = ["maximum likelihood", *(f"s = {s:g}" for s in DEVIATIONS[1:])]
            row = {
                "log T of models": f"± {models:g}",
                "of speakers": f"± {speakers:g}",
                "utterances of a speaker": utterances,
                "validation rows": size,
                "errors": round(errors),
                **{n: f"{mean:+.3f}" for n, mean in zip(names, means, strict=True)},
            }
            found.append(row)
    return found


def _gains(
    rng: np.random.Generator, size: int, models: float, speakers: float, utterances: int
) -> list[float]:
    """The number of validation errors, and the fall of the test NLL at each of ``DEVIATIONS``."""
    scale = np.exp(rng.uniform(np.log(1.5), np.log(8)))  # 60 to 95 % of the decisions are right
    temperature = np.exp(rng.normal(0, models))

    def draw(number: int) -> tuple[np.ndarray, np.ndarray]:
        logits = scale * rng.normal(size=(number, CLASSES))
        own = np.exp(rng.normal(0, speakers, 1 + number // utterances))
        speaker = rng.integers(len(own), size=number)
        true = np.exp(log_softmax(logits / own[speaker, None], axis=1))
        truths = (true.cumsum(axis=1) < rng.random((number, 1))).sum(axis=1)
        return log_softmax(logits * temperature, axis=1), truths.clip(max=CLASSES - 1)

    def num_errors(scores: np.ndarray, truths: np.ndarray) -> int:
        return int((scores.argmax(axis=1) != truths).sum())

    validated = min((draw(size) for _ in range(EPOCHS)), key=lambda found: num_errors(*found))
    tested = draw(TESTED)
    before = mean_nll(*tested, 1.0)
    fitted = [best_temperature(*validated, deviation) for deviation in DEVIATIONS]
    return [num_errors(*validated), *(before - mean_nll(*tested, t) for t in fitted)]
