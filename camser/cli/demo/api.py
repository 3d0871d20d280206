"""The two HTTP endpoints for programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from camser.cli.demo.analysis import DemoModel
from camser.cli.demo.limits import RequestRefused

MODEL = "model"  # events with this name run one at a time, also those of different users
CLASSIFY = """The emotion of a recording. threshold: the minimum confidence, 0 to 1, below which \
emotion is null. Returns source, emotion, confidence, the probabilities by emotion, \
the recording's seconds, and warnings, for example that it holds no speech."""
TIMELINE = """The emotions along a recording. window: seconds of a decision (the model's segment \
by default); hop: seconds between decisions (1); smoothing: none, mean or median, over 5 seconds. \
Returns labels, windows with their probabilities and their share of speech, turns of one emotion \
each, and warnings. A window without speech belongs to no turn."""


def build_api(service: DemoModel) -> None:
    """Add the public endpoints to the page that is being built; they are invisible."""

    def classify(audio: str, threshold: float | None = 0.0) -> dict:
        with _answering():
            return service.classify(audio, threshold).to_dict()

    def timeline(
        audio: str, window: float | None = None, hop: float | None = None, smoothing: str = "none"
    ) -> dict:
        with _answering():
            return service.timeline(audio, window, hop, smoothing).to_dict()

    with gr.Row(visible=False):
        audio = gr.Audio(type="filepath", label="audio")
        threshold = gr.Number(0, label="threshold")
        window, hop = gr.Number(label="window"), gr.Number(label="hop")
        smoothing = gr.Textbox("none", label="smoothing")
        answer, button = gr.JSON(label="answer"), gr.Button()
    common = {"outputs": answer, "concurrency_id": MODEL}
    button.click(classify, [audio, threshold], api_description=CLASSIFY, **common)
    button.click(timeline, [audio, window, hop, smoothing], api_description=TIMELINE, **common)


@contextmanager
def _answering() -> Iterator[None]:
    """Have Gradio send the message of a refusal, without a traceback."""
    try:
        yield
    except RequestRefused as refused:
        raise gr.Error(str(refused), print_exception=False) from refused
