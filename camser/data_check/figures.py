"""The figures of a data check: each is its caption and an SVG, narrow enough for a phone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.figure import Figure

from camser.data_check.check import DataCheck
from camser.data_check.confounds import PROPERTIES
from camser.data_check.recording import grouped
from camser.evaluation.report.figures import layout, style
from camser.evaluation.report.figures.distributions import WIDTH, distributions

QUANTITIES = {  # of ``Measures``
    "seconds": "length (s)",
    "level_db": "level where somebody speaks (dB)",
    "noise_db": "level of the quietest tenth (dB)",
    "pitch_hz": "pitch (Hz)",
    "pitch_range": "pitch range (semitones)",
    "energy_range_db": "level range of the voice (dB)",
    "syllable_rate": "syllables per second",
    "high_band_db": "power above 4 kHz (dB of all)",
}
COLORS = {"serious": style.PALETTE[1], "check": style.PALETTE[5], "": style.PALETTE[6]}
NAMES = 1.3  # inches, for the names of properties
LIMIT: dict[str, Any] = {"color": "black", "linewidth": 1}


@style.own_settings()
def figures(check: DataCheck) -> list[tuple[str, bytes]]:
    """All figures."""
    return [(caption, style.render(figure, "svg")) for caption, figure in _drawn(check)]


def _drawn(check: DataCheck) -> Iterator[tuple[str, Figure]]:
    classes = grouped(check.recordings, lambda r: r.emotion)
    for name, label in QUANTITIES.items():
        values = {
            emotion: [
                v for r in rows if r.measures and (v := getattr(r.measures, name)) is not None
            ]
            for emotion, rows in sorted(classes.items())
        }
        if any(values.values()):
            shown = {emotion: of_class for emotion, of_class in values.items() if of_class}
            yield f"{label[0].upper()}{label[1:]} by class.", distributions(shown, label)
    if check.associations:
        text = (
            "What one property tells of the class that it tells best: the share that is recognized "
            "less the share of others that are taken for it. From the line on, look at it."
        )
        yield text, _associations(check)


def _associations(check: DataCheck) -> Figure:
    told: Mapping[str, float] = {
        name: max(0.0, found.best[1].informedness) for name, found in check.associations.items()
    }
    names = [layout.wrap_text(name, NAMES) for name in told]
    row = max(0.24, layout.inches_of(names) + 0.06)
    figure = style.new_figure(WIDTH, row * len(told) + 0.45)
    axes = figure.subplots()
    style.style_axes(axes)
    for number, (name, value) in enumerate(told.items()):
        one = PROPERTIES[name]
        severity = "serious" if value >= one.serious else "check" if value >= one.check else ""
        axes.barh(number, value, 0.6, color=COLORS[severity])
        axes.vlines(one.check, number - 0.4, number + 0.4, **LIMIT)
    axes.set_yticks(range(len(told)), names)
    axes.tick_params(labelsize=style.NORMAL)
    axes.set(xlim=(0, 1), ylim=(len(told) - 0.5, -0.5))
    axes.set_xlabel("recognized less taken for it", fontsize=style.NORMAL)
    return layout.finalize_figure(figure)
