"""The page."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camser.cli.demo import markup
from camser.cli.demo.analysis import Analysis, DemoModel
from camser.cli.demo.api import MODEL, build_api, error
from camser.cli.demo.figures import attention_figure, timeline_figure
from camser.cli.demo.limits import Limits, RequestRefused
from camser.inference import EmotionClassifier

if TYPE_CHECKING:
    import gradio as gr

SMOOTHINGS = [("none", "none"), ("mean", "mean"), ("median", "median")]
PRIVATE = {"api_visibility": "private"}  # the page's own events


def build_page(
    classifier: EmotionClassifier,
    config: Mapping[str, Any],
    limits: Limits | None = None,
    clips: Mapping[str, Path] | None = None,
) -> gr.Blocks:
    """Build the page; ``app.serving`` starts it.

    Arguments
    ---------
    classifier : EmotionClassifier
        The model.
    config : mapping
        The ``config.json`` of its model folder.
    limits : Limits, optional
        Limits of requests.
    clips : mapping of str to Path, optional
        Example recordings by their titles.

    Returns
    -------
    gradio.Blocks
        Its queue is bounded, and it sends no usage data.

    Raises
    ------
    ValueError
        If Gradio is not installed.
    """
    gr = import_gradio()
    limits = limits or Limits()
    service = DemoModel(classifier, limits)
    stored_seconds = limits.kept_seconds
    page = gr.Blocks(
        title="camser",
        analytics_enabled=False,
        delete_cache=(max(1, stored_seconds // 6), stored_seconds),
    )
    with page:
        _build(gr, service, config, clips or {})
        build_api(gr, service)
    page.queue(max_size=limits.waiting, api_open=False, default_concurrency_limit=1)
    return page


def import_gradio() -> Any:
    """The ``gradio`` module.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise ValueError(f'the demo needs Gradio ({error}); pip install "camser[demo]"') from error
    return gradio


def _build(
    gr: Any, service: DemoModel, config: Mapping[str, Any], clips: Mapping[str, Path]
) -> None:
    gr.HTML(markup.page_header(config))
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            recording = gr.Audio(
                label="Recording",
                sources=["upload", "microphone"],
                type="filepath",
                buttons=["download"],
            )
            if clips:
                gr.HTML(markup.EXAMPLES)
                with gr.Row():
                    examples = [
                        (gr.Button(title, size="sm", min_width=90), str(path))
                        for title, path in clips.items()
                    ]
        with gr.Column(scale=6, min_width=300):
            answer = gr.HTML(markup.waiting(config["labels"]))
            with gr.Accordion("Settings", open=False):
                settings = _settings(gr, service.segment_seconds)
    timeline, weights = gr.HTML(visible=False), gr.HTML(visible=False)
    gr.HTML(markup.about(config, service.limits))
    state = gr.State(time_to_live=service.limits.kept_seconds)

    threshold, smoothing, window, hop = settings
    shown = [answer, timeline, weights]
    common = {"show_progress": "minimal", "show_progress_on": answer, **PRIVATE}
    gr.on(
        [recording.change, window.change, hop.change],
        _analyse(gr, service),
        [recording, threshold, smoothing, window, hop],
        [state, *shown],
        concurrency_id=MODEL,
        trigger_mode="always_last",
        **common,
    )
    gr.on(
        [threshold.change, smoothing.change],
        lambda *values: _show(gr, *values)[:2],
        [state, threshold, smoothing],
        shown[:2],
        trigger_mode="always_last",
        **common,
    )
    if clips:
        for button, path in examples:
            button.click(lambda path=path: path, None, recording, **PRIVATE)


def _settings(gr: Any, segment_seconds: float) -> tuple:
    threshold = gr.Slider(
        0, 1, 0, step=0.05, label="Least confidence", info="Below it there is no decision."
    )
    smoothing = gr.Radio(
        SMOOTHINGS, value="none", label="Smoothing", info="Of the timeline, over 5 seconds."
    )
    window = gr.Slider(
        0.5, 10, segment_seconds, step=0.5, label="Window (s)", info="Of each decision."
    )
    hop = gr.Slider(
        0.25, 5, min(1, segment_seconds), step=0.25, label="Hop (s)", info="Between two decisions."
    )
    return threshold, smoothing, window, hop


def _analyse(gr: Any, service: DemoModel) -> Callable:
    def analyse(
        path: str | None, threshold: float, smoothing: str, window: float, hop: float
    ) -> Iterator[tuple]:
        hidden = gr.HTML(visible=False)
        yield (
            None,
            markup.waiting(service.classifier.labels),
            hidden,
            hidden,
        )  # the results shown belong to another recording
        if not path:
            return
        try:
            analysis = service.analyse(path, window, hop)
        except RequestRefused as refused:
            yield None, markup.mistake(str(refused)), hidden, hidden
            # The page shows it as HTML.
            raise error(gr, html.escape(str(refused), quote=False)) from refused
        yield analysis, *_show(gr, analysis, threshold, smoothing)

    return analyse


def _show(gr: Any, analysis: Analysis | None, threshold: float, smoothing: str) -> tuple:
    """The answer, the timeline and the attention weights of an analysis."""
    if analysis is None:
        return gr.skip(), gr.skip(), gr.skip()
    timeline = analysis.timeline
    if smoothing != "none":
        timeline = timeline.smoothed(smoothing)
    figure = timeline_figure(analysis, timeline, threshold)
    body = figure + markup.download_links(timeline, threshold)
    return (
        markup.answer(analysis.prediction, threshold),
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
