"""The page's texts on the model, its limits and a recording, as HTML. All names are escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from camser.cli.demo.figures import color
from camser.cli.demo.limits import Limits
from camser.data.folds import REASONS
from camser.inference import Prediction, Timeline
from camser.inference.timeline_formats import FORMATS

TITLES = {"json": "JSON", "csv": "CSV", "rttm": "RTTM", "audacity": "Audacity labels"}
EXAMPLES = '<p class="small">Examples, by synthetic voices:</p>'


def page_header(config: Mapping[str, Any]) -> str:
    """The head of the page."""
    names = ", ".join(map(escape, config["labels"]))
    lead = f"A model that recognizes {names}."
    return f'<div class="lead"><h1>Emotions in speech</h1><p>{lead}</p></div>'


def about(config: Mapping[str, Any], limits: Limits) -> str:
    """What the model was trained and tested on, and its limits.

    Arguments
    ---------
    config : mapping
        The ``config.json`` of a model folder; ``trained`` and ``scores`` may be missing, or hold
        anything.
    limits : Limits
        The page's limits.
    """
    try:
        trained = _trained(config["trained"], config["scores"], config.get("cross_validated"))
        corpus = escape(config["trained"]["corpus"])
    except (KeyError, TypeError, ValueError, AttributeError):
        trained = "Its folder does not report what it was trained and tested on."
        corpus = "its corpus"
    hours = max(1, round(limits.kept_seconds / 3600))
    notes = (
        trained + _calibration(config.get("calibration")),
        f"<b>Limits.</b> It assigns one of its {len(config['labels'])} emotions to all speech, "
        f"unless its confidence is below the least confidence. It knows "
        f"the speakers, the language, the microphones and the (possibly acted) emotions of "
        f"{corpus}. On others it is less accurate; only a test on them shows by how much. A "
        f"voice shows how somebody sounds, not how they feel: do not judge people by it.",
        f"<b>Recordings</b> of up to {limits.megabytes:g} MB and {_length(limits.seconds)} are "
        f"analyzed on the server of this page, sent nowhere else, and deleted after about {hours} "
        f"hour{'s' if hours > 1 else ''}. Programs can use its API: /classify and /timeline.",
    )
    return panel("About this model", "".join(map(_note, notes)))


def _trained(
    trained: Mapping[str, Any], scores: Mapping[str, Any], sisters: Mapping[str, Any] | None
) -> str:
    """An error if an entry is missing, or is no text or number: the table is untrusted."""
    parts = trained["parts"]
    text = (
        f"<b>{escape(trained['variant'])}</b>, trained on {parts['train']:d} utterances of "
        f"<b>{escape(trained['corpus'])}</b>"
    )
    if sisters:
        return (
            f"{text}. {sisters['num_folds']:d} sister models, each tested on what it was not "
            f"trained on ({escape(sisters['protocol'])}), reach together a weighted accuracy of "
            f"<b>{_percent(sisters['WA'])}</b>, unweighted <b>{_percent(sisters['UA'])}</b>, "
            f"macro-F1 <b>{_percent(sisters['macro_F1'])}</b>.{_cautions(sisters['note'])}"
        )
    if not parts["test"]:
        return f"{text}. It was not tested."
    unseen = "speakers" if trained.get("speakers_known", True) else "files"
    unseen = "recordings" if trained.get("shared_speakers") else unseen
    text += (
        f" and tested on {parts['test']:d} of {unseen} not seen in training "
        f"({escape(trained['fold_name'])}, {escape(trained['protocol'])}): "
        f"weighted accuracy <b>{_percent(scores['WA'])}</b>, unweighted "
        f"<b>{_percent(scores['UA'])}</b>, macro-F1 <b>{_percent(scores['macro_F1'])}</b>. It is "
        f"one fold; other speakers would give other scores."
    )
    return text + _cautions(trained.get("note", ""))


def _cautions(notes: str) -> str:
    text = ""
    for note in filter(None, notes.split("; ")):
        reason = f" ({REASONS[note]})" if note in REASONS else ""
        text += f" <b>Caution, {escape(note)}</b>{reason}."
    return text


def _calibration(entry: Any) -> str:
    """Whether the probabilities are calibrated; nothing if the folder does not say."""
    calibrated = entry.get("calibrated") if isinstance(entry, Mapping) else None
    if calibrated is True:
        return " Its probabilities are calibrated."
    if calibrated is False:
        return " Its probabilities are not calibrated: they may be too high or too low."
    return ""


def _length(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} seconds"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _note(text: str) -> str:
    return f'<p class="note">{text}</p>'


def mistake(text: str) -> str:
    """The reason why there is no answer."""
    return panel("No answer", f'<p class="mistake">{escape(text)}</p>')


def waiting(labels: Sequence[str]) -> str:
    """An empty answer, before there is a recording."""
    hint = "Record or upload speech, or take an example."
    return _card("No recording yet", "", _bars(dict.fromkeys(labels), 0.0), hint)


def answer(prediction: Prediction, threshold: float, has_speech: bool = True) -> str:
    """The decision, and a bar for each emotion.

    Arguments
    ---------
    prediction : Prediction
        The result for a recording.
    threshold : float
        The minimum confidence; below it there is no decision.
    has_speech : bool
        Whether there is speech; without it there is no decision either.
    """
    best = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
    confidence = prediction.probabilities[best]
    note = f"{escape(prediction.source)}, {prediction.seconds:.1f} s."
    if confidence < threshold:
        note += f" The most likely, {escape(best)}, is below the required {100 * threshold:.0f} %."
    note += "".join(f"<br><b>Warning:</b> {escape(text)}." for text in prediction.warnings)
    verdict = escape(best) if confidence >= threshold else "not sure"
    bars = _bars(prediction.probabilities, threshold)
    if not has_speech:
        return _card("no speech", "", bars, note)
    return _card(verdict, f"{100 * confidence:.0f} %", bars, note)


def _card(verdict: str, value: str, bars: str, note: str) -> str:
    head = f'<p class="verdict">{verdict}<span>{value}</span></p>'
    return f'<div class="card">{head}<div class="bars">{bars}</div>{_note(note)}</div>'


def _bars(values: Mapping[str, float | None], threshold: float) -> str:
    least = f'<i class="least" style="left: {100 * threshold:.2f}%"></i>' if threshold else ""
    rows = []
    for number, (label, value) in enumerate(values.items()):
        name = escape(label)
        fill = f"width: {100 * (value or 0):.2f}%; background: {color(number)}"
        rows.append(
            f'<span class="name">{name}</span>'
            f'<div class="track" role="meter" aria-label="{name}" aria-valuemin="0" '
            f'aria-valuemax="1" aria-valuenow="{value or 0:.3f}">'
            f'<div class="fill" style="{fill}"></div>{least}</div>'
            f'<span class="value">{"" if value is None else _percent(value)}</span>'
        )
    return "".join(rows)


def panel(title: str, body: str, note: str = "") -> str:
    """A titled card of the page; ``body`` is HTML."""
    return f'<div class="card"><h2>{escape(title)}</h2>{body}{_note(note) if note else ""}</div>'


def download_links(timeline: Timeline, threshold: float) -> str:
    """Links that hold the timeline in each format: the server stores no file for them."""
    links = []
    for name, (suffix, write) in FORMATS.items():
        text = base64.b64encode(write(timeline, threshold).encode()).decode()
        file = escape(Path(timeline.source).stem + suffix)
        link = f'href="data:application/octet-stream;base64,{text}" download="{file}"'
        links.append(f"<a {link}>{TITLES.get(name, name)}</a>")
    return f'<div class="saves"><span>Save as</span>{"".join(links)}</div>'


def attention_note(names: Sequence[str], shown: float, seconds: float) -> str:
    """The caption of the attention weights."""
    excerpt = f"The first {shown:g} of {seconds:.0f} seconds. " if shown < seconds else ""
    sources = ", ".join(map(escape, names))
    return f"{excerpt}How much each frame of {sources} counts within its segment (dashed borders)."
