"""The page: its inputs, its results and what updates them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from camser.cli.demo import markup
from camser.cli.demo.analysis import Analysis, DemoModel
from camser.cli.demo.api import MODEL, build_api
from camser.cli.demo.figures import attention_figure, timeline_figure
from camser.cli.demo.limits import Limits, RequestRefused
from camser.inference import EmotionClassifier


def build_page(
    classifier: EmotionClassifier,
    config: Mapping[str, Any],
    limits: Limits,
    examples: Mapping[str, Path],
) -> gr.Blocks:
    """Build the page; ``app.serving`` starts it.

    Arguments
    ---------
    classifier : EmotionClassifier
        The model.
    config : mapping
        The ``config.json`` of its model folder.
    limits : Limits
        Limits of requests.
    examples : mapping of str to Path
        Example recordings by their titles.

    Returns
    -------
    gradio.Blocks
        Its queue is bounded, and it sends no usage data.
    """
    service = DemoModel(classifier, limits)
    page = gr.Blocks(
        title="camser",
        analytics_enabled=False,
        delete_cache=(max(1, limits.kept_seconds // 6), limits.kept_seconds),
    )
    with page:
        gr.HTML(markup.page_header(config))
        with gr.Row():
            with gr.Column(scale=5, min_width=300):
                recording = _recording(examples)
            with gr.Column(scale=6, min_width=300):
                answer = gr.HTML(markup.waiting(config["labels"]))
                with gr.Accordion("Settings", open=False):
                    settings = _settings(service.window_seconds)
        shown = [answer, gr.HTML(visible=False), gr.HTML(visible=False)]
        gr.HTML(markup.about(config, limits))
        _connect(service, recording, settings, shown)
        build_api(service)
    page.queue(max_size=limits.waiting, api_open=False, default_concurrency_limit=1)
    return page


def _recording(examples: Mapping[str, Path]) -> gr.Audio:
    """The recording, from a file or the microphone, and a button for each example."""
    recording = gr.Audio(
        label="Recording",
        sources=["upload", "microphone"],
        type="filepath",
        buttons=["download"],
    )
    gr.HTML(markup.EXAMPLES)
    with gr.Row():
        for title, path in examples.items():
            button = gr.Button(title, size="sm", min_width=90)
            button.click(lambda path=str(path): path, None, recording, api_visibility="private")
    return recording


def _settings(window_seconds: float) -> list[Any]:
    """The inputs for least confidence, smoothing, window and hop."""
    return [
        gr.Slider(
            0, 1, 0, step=0.05, label="Least confidence", info="Below it, no emotion is chosen."
        ),
        gr.Radio(
            ["none", "mean", "median"],
            value="none",
            label="Smoothing",
            info="Smooths the timeline over 5 seconds.",
        ),
        gr.Slider(
            0.5,
            10,
            window_seconds,
            step=0.5,
            label="Window (s)",
            info="Length of audio per decision.",
        ),
        gr.Slider(
            0.25,
            5,
            min(1, window_seconds),
            step=0.25,
            label="Hop (s)",
            info="Time between two decisions.",
        ),
    ]


def _connect(
    service: DemoModel, recording: gr.Audio, settings: list[Any], shown: list[gr.HTML]
) -> None:
    """Analyze when the recording, window or hop changes; other settings only redraw the results."""
    state = gr.State(time_to_live=service.limits.kept_seconds)
    threshold, smoothing, window, hop = settings
    common: dict[str, Any] = {
        "trigger_mode": "always_last",
        "show_progress": "minimal",
        "show_progress_on": shown[0],
        "api_visibility": "private",
    }
    gr.on(
        [recording.change, window.change, hop.change],
        _analyse(service),
        [recording, *settings],
        [state, *shown],
        concurrency_id=MODEL,
        **common,
    )
    gr.on(
        [threshold.change, smoothing.change],
        lambda *values: _show(*values)[:2],
        [state, threshold, smoothing],
        shown[:2],
        **common,
    )


def _analyse(service: DemoModel) -> Callable:
    def analyse(
        path: str | None, threshold: float, smoothing: str, window: float, hop: float
    ) -> Iterator[tuple]:
        hidden = gr.HTML(visible=False)
        # Hide the results of the previous recording.
        yield None, markup.waiting(service.classifier.labels), hidden, hidden
        if not path:
            return
        try:
            analysis = service.analyse(path, window, hop)
        except RequestRefused as refused:
            yield None, markup.mistake(str(refused)), hidden, hidden
        else:
            yield analysis, *_show(analysis, threshold, smoothing)

    return analyse


def _show(analysis: Analysis | None, threshold: float, smoothing: str) -> tuple:
    """The HTML of the answer, the timeline and the attention weights."""
    if analysis is None:
        return gr.skip(), gr.skip(), gr.skip()
    timeline = analysis.timeline
    if smoothing != "none":
        timeline = timeline.smoothed(smoothing)
    figure = timeline_figure(analysis, timeline, threshold)
    body = figure + markup.download_links(timeline, threshold)
    return (
        markup.answer(analysis.prediction, threshold, bool(timeline.speech.any())),
        gr.HTML(markup.panel("Along the recording", body), visible=True),
        gr.HTML(_weights(analysis), visible=True),
    )


def _weights(analysis: Analysis) -> str:
    title = "Attention weights"
    if not analysis.weights:
        return markup.panel(title, "", "This model's fusion has no attention weights.")
    shown, seconds = analysis.shown_seconds, analysis.timeline.seconds
    note = markup.attention_note(list(analysis.weights), shown, seconds)
    return markup.panel(title, attention_figure(analysis), note)
