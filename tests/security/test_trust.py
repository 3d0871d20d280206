"""What an export of a stranger may do: nothing. And that SECURITY.md says what is."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from camser.cli.demo import limits
from camser.encoders.wav2vec2 import Wav2Vec2
from camser.inference import EmotionClassifier
from camser.inference.export_files import ExportError
from camser.runtime.subprocesses import python_command
from robustness.fuzzing import malicious_exports
from tests.helpers.recipe_runs import ROOT, TINY_WAV2VEC2

SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return malicious_exports.good(tmp_path_factory.mktemp("exports") / "good")


@pytest.fixture
def copy(good, tmp_path):
    """A copy of the export, and the folder in which sprung traps leave their names."""
    import shutil

    (tmp_path / "sprung").mkdir()
    shutil.copytree(good, tmp_path / "export")
    return tmp_path / "export", tmp_path / "sprung"


def test_traps_beside_an_export_are_not_sprung(copy, monkeypatch):
    folder, sprung = copy
    malicious_exports.lay(folder, sprung)
    monkeypatch.chdir(folder)
    for engine in ("torch", "onnx", "onnx-int8"):
        model = EmotionClassifier.from_pretrained(".", device="cpu", engine=engine)
        assert model.classify(np.ones(20000, np.float32)).emotion in model.labels
    assert not list(sprung.iterdir())


@pytest.mark.parametrize("name", malicious_exports.BUILT_IN)
@pytest.mark.parametrize("engine", ["torch", "onnx", "onnx-int8"])
def test_traps_inside_an_export_are_not_sprung(copy, name, engine):
    folder, sprung = copy
    malicious_exports.BUILT_IN[name](folder, sprung)
    try:
        EmotionClassifier.from_pretrained(folder, device="cpu", engine=engine)
    except ExportError as error:
        assert str(folder) in str(error)
    assert not list(sprung.iterdir())


def test_the_traps_would_be_sprung(copy):
    """SpeechBrain's own interface runs the folder's YAML, as SECURITY.md says."""
    from speechbrain.inference.classifiers import EncoderClassifier

    folder, sprung = copy
    malicious_exports.lay(folder, sprung)
    with pytest.raises(Exception):  # noqa: B017  it is no model
        EncoderClassifier.from_hparams(str(folder), savedir=None)
    assert (sprung / "hyperparams.yaml").exists()


@pytest.mark.parametrize(
    "key",
    [
        *("attn_implementation", "_attn_implementation", "auto_map", "trust_remote_code"),
        *("attribute_map", "experts_implementation", "quantization_config", "use_kernels"),
        *("num_labels", "id2label", "to_dict", 1),
    ],
)
def test_a_configuration_sets_sizes_alone(key):
    with pytest.raises(ValueError, match=f"config: {key}: transformers' wav2vec2 has no such"):
        Wav2Vec2(config={**TINY_WAV2VEC2, key: "evil/kernel"})


@pytest.mark.parametrize("said", ["--index-url=http://evil.example x", "x; touch y", "-r x"])
def test_no_message_says_to_install_what_is_no_name(copy, said):
    folder, _ = copy
    config = json.loads((folder / "config.json").read_text())
    config["plugins"]["mfcc"]["distribution"] = said
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ExportError) as caught:
        EmotionClassifier.from_pretrained(folder)
    assert "pip install" not in str(caught.value)


def test_a_child_does_not_import_from_the_working_folder(tmp_path):
    (tmp_path / "this.py").write_text("print('evil')")
    (tmp_path / "runpy.py").write_text("print('evil')")
    done = subprocess.run(python_command("this", "a"), cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("The Zen of Python")
    (tmp_path / "mine.py").write_text("import sys; print(sys.argv[1:], __name__)")
    sys.path.append(str(tmp_path))
    try:
        done = subprocess.run(
            python_command("mine", "a", "-b"), capture_output=True, text=True, check=True
        )
    finally:
        sys.path.remove(str(tmp_path))
    assert done.stdout == "['a', '-b'] __main__\n"


def test_security_says_the_limits_that_are():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", SECURITY, re.MULTILINE)
    told = {by.strip(): value.replace(",", "") for _, value, by in rows}
    plain = limits.Limits()
    expected = {
        "`--max-upload-mb`": plain.megabytes,
        "`--max-audio-seconds`": plain.seconds,
        "`Limits.kept_seconds`": plain.kept_seconds,
        "`Limits.waiting`": plain.waiting,
        **{
            f"`{name}`": getattr(limits, name)
            for name in ("MAX_VALUES", "MAX_SEGMENTS", "MAX_JSON", "KEPT_UPLOADS",
                         "MAX_CONNECTIONS")
        },
    }  # fmt: skip
    for name, value in expected.items():
        assert re.match(r"\d+", told[name])[0] == str(value), name


def test_security_names_the_oldest_onnxruntime():
    from camser.inference.onnx_session import MIN_VERSION

    assert (
        f"onnxruntime {MIN_VERSION} and newer" in SECURITY
        and f"than {MIN_VERSION}, `eng" in SECURITY
    )
