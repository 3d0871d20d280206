"""The two HTTP endpoints for programs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from camser.cli.demo.analysis import DemoModel
from camser.cli.demo.limits import RequestRefused
from camser.inference.timeline_formats import as_dict

MODEL = "model"  # events with this name run one at a time, also those of different users
CLASSIFY = """The emotion of a recording. threshold: the minimum confidence, 0 to 1, below which \
emotion is null. Returns source, emotion, confidence, the calibrated probabilities by emotion, and \
the recording's seconds."""
TIMELINE = """The emotions along a recording. window: seconds of a decision (the model's segment \
by default); hop: seconds between decisions (1); smoothing: none, mean or median, over 5 seconds. \
Returns labels, windows with their probabilities, and turns of one emotion each."""


def build_api(gr: Any, service: DemoModel) -> None:
    """Add the public endpoints to the page that is being built; they are invisible.

    Arguments
    ---------
    gr : module
        ``gradio``.
    service : DemoModel
        The model that answers.
    """

    def classify(audio: str, threshold: float = 0.0) -> dict:
        return service.classify(audio, threshold)._asdict()

    def timeline(
        audio: str, window: float | None = None, hop: float | None = None, smoothing: str = "none"
    ) -> dict:
        return as_dict(service.timeline(audio, window, hop, smoothing))

    with gr.Row(visible=False):
        audio = gr.Audio(type="filepath", label="audio")
        threshold = gr.Number(0, label="threshold")
        window, hop = gr.Number(label="window"), gr.Number(label="hop")
        smoothing = gr.Textbox("none", label="smoothing")
        answer, button = gr.JSON(label="answer"), gr.Button()
    for function, inputs, text in (
        (classify, [audio, threshold], CLASSIFY),
        (timeline, [audio, window, hop, smoothing], TIMELINE),
    ):
        button.click(
            _answering(gr, function),
            inputs,
            answer,
            api_name=function.__name__,
            api_description=text,
            concurrency_id=MODEL,
        )


def _answering(gr: Any, function: Callable) -> Callable:
    """Wrap a function so that Gradio sends only the message of a refusal."""

    @wraps(function)
    def answering(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except RequestRefused as refused:
            raise error(gr, str(refused)) from refused

    return answering


def error(gr: Any, text: str) -> Exception:
    """An error that Gradio shows and sends without a traceback."""
    return gr.Error(text, title="No answer", duration=15, print_exception=False)
