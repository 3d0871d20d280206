"""What the demo's page is made of: its texts, figures and examples, and the command behind it."""

import sys

import pytest
import soundfile

pytest.importorskip("gradio")

from camser import cli
from camser.cli.demo import app, markup
from camser.cli.demo.analysis import ENVELOPE_BINS, DemoModel
from camser.cli.demo.examples import VOICES, write_clips
from camser.cli.demo.figures import attention_figure, timeline_figure
from camser.cli.demo.limits import Limits
from camser.inference import EmotionClassifier
from camser.inference.export_config import read_config
from tests.helpers.demo_client import port_of
from tests.helpers.tiny_export import write_export


def test_the_page_says_what_the_model_is(export):
    config, limits = read_config(export), Limits()
    text = markup.about(config, limits)
    for part in ("nowhere", "40 utterances", "50.0 %", "46.0 %", "do not judge", "60 minutes"):
        assert part in text
    assert "too high" not in text
    config["trained"]["note"] = "selected on the test fold (optimistic)"
    assert "selected on the test fold" in markup.about(config, limits)
    assert "too high" in markup.about(config, limits)
    assert "calibrated" not in markup.about(config, limits)  # the folder does not say
    del config["trained"]
    assert "does not report" in markup.about(config, limits)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"calibrated": True}, "probabilities are calibrated"),
        ({"calibrated": False}, "probabilities are not calibrated"),
        ({"calibrated": "<script>"}, None),
        ({"utterances": 30}, None),  # of an earlier version
        ("calibrated", None),
    ],
)
def test_the_page_says_calibrated_only_where_the_folder_does(export, entry, said):
    shown = markup.about({**read_config(export), "calibration": entry}, Limits())
    assert said in shown if said else "calibrated" not in shown


@pytest.mark.parametrize(
    "told",
    [
        {"trained": 5},
        {"trained": {"parts": {"train": "<img src=x onerror=alert(1)>", "test": 1}}},
        {"trained": {"parts": {"train": 1}}},
        {"trained": {"corpus": ["<script>"]}},
        {"trained": {"fold_name": 1}},
        {"trained": {"note": {"<script>": 1}}},
        {"scores": [1]},
        {"scores": {"WA": "<script>"}},
    ],
)
def test_what_an_export_says_of_itself_is_text_or_nothing(export, told):
    config = read_config(export)
    for name, value in told.items():
        config[name] = {**config[name], **value} if isinstance(value, dict) else value
    shown = markup.about(config, Limits())
    assert "<script" not in shown and "<img" not in shown and "do not judge" in shown
    assert "does not report" in shown


def test_names_are_escaped(tmp_path, clip):
    folder = write_export(tmp_path / "strange", labels=("<b>&", "$x$"), corpus="<script>")
    config = read_config(folder)
    service = DemoModel(EmotionClassifier.from_pretrained(folder, device="cpu"), Limits())
    analysis = service.analyse(str(clip), 1.0, 1.0)
    shown = markup.answer(analysis.prediction, 0.5) + markup.about(config, Limits())
    shown += markup.page_header(config) + timeline_figure(analysis, analysis.timeline, 0.5)
    assert "<b>&<" not in shown and "<script>" not in shown and "&lt;b&gt;&amp;" in shown


def test_figures_are_svg_for_both_widths_and_leave_nothing(classifier, clip):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    analysis = DemoModel(classifier, Limits()).analyse(str(clip), 1.0, 1.0)
    for text in (timeline_figure(analysis, analysis.timeline, 0.3), attention_figure(analysis)):
        assert text.count("<svg") == 2 and text.count('role="img"') == 2
        assert "var(--ink-0072b2, #0072b2)" in text
    assert pyplot.get_fignums() == before
    wave, _ = soundfile.read(clip)
    assert len(analysis.envelope) <= ENVELOPE_BINS
    assert analysis.envelope.max() == pytest.approx(wave.max())
    assert analysis.envelope.min() == pytest.approx(wave.min())
    assert set(analysis.weights) == {"wav2vec2"}


def test_a_fusion_that_weighs_nothing_has_no_weights(tmp_path, clip):
    folder = write_export(tmp_path / "plain", fusion="concat")
    service = DemoModel(EmotionClassifier.from_pretrained(folder, device="cpu"), Limits())
    assert service.analyse(str(clip), 1.0, 1.0).weights == {}


def test_examples_are_the_same_each_time(clips, tmp_path):
    assert list(clips) == list(VOICES)
    for title, path in write_clips(tmp_path).items():
        assert path.read_bytes() == clips[title].read_bytes()


def test_without_gradio_it_says_what_to_install(monkeypatch, export):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ValueError, match=r'pip install "camser\[demo\]"'):
        app.require_gradio()
    with pytest.raises(SystemExit, match="camser: the demo needs Gradio"):
        cli.main(["demo", str(export)])


def test_the_command_says_what_is_wrong(address, export, tmp_path):
    with pytest.raises(SystemExit, match=r"camser: .*there is no such folder"):
        cli.main(["demo", str(tmp_path / "missing")])
    with pytest.raises(SystemExit, match="camser: nothing can listen at"):
        cli.main(["demo", str(export), "--port", str(port_of(address))])
    with pytest.raises(SystemExit, match="camser: megabytes is -1"):
        cli.main(["demo", str(export), "--max-upload-mb=-1"])
