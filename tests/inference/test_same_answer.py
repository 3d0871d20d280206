"""The same speech has the same probabilities, whichever way it is asked."""

import contextlib
import io
import json
import re

import numpy as np
import pytest
import soundfile
import torch
from speechbrain.inference.classifiers import EncoderClassifier

from camser import audio
from camser.cli import main
from camser.cli.demo.analysis import DemoModel
from camser.cli.demo.limits import Limits
from camser.inference import EmotionClassifier
from camser.inference.graph_recognizer import load_recognizer
from robustness.fuzzing.encoded import encode


@pytest.fixture(scope="module")
def recordings(voice, tmp_path_factory):
    """The voice as a WAV in stereo at 44.1 kHz, and as a phone's and a browser's recording."""
    folder = tmp_path_factory.mktemp("recordings")
    pcm = (voice * 2**15).astype(np.int16)
    soundfile.write(folder / "a.wav", np.stack([pcm, pcm], 1), 44100)
    (folder / "a.m4a").write_bytes(encode(pcm, "aac", "ipod"))
    (folder / "a.webm").write_bytes(encode(pcm, "libopus", "webm", 48000))
    return folder


def plain_onnxruntime(graphs, path):
    """The probabilities that the program in the model card gives."""
    card = (graphs / "README.md").read_text(encoding="utf-8")
    (program,) = (b for b in re.findall(r"```python\n(.*?)```", card, re.S) if "onnxruntime" in b)
    program = program.replace("path/to/this/folder", str(graphs)).replace("speech.wav", str(path))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(program, "README.md", "exec"), found := {})
    return found["probabilities"]


def test_the_program_of_the_card_needs_onnxruntime_alone(graphs, voice_path):
    classifier = EmotionClassifier.from_pretrained(graphs, device="cpu", engine="onnx")
    expected = classifier.classify(voice_path).probabilities
    assert plain_onnxruntime(graphs, voice_path) == pytest.approx(expected, abs=1e-5)


def listed(prediction):
    return list(prediction.probabilities.values())


@pytest.mark.parametrize("name", ["a.wav", "a.m4a", "a.webm"])
def test_every_interface_gives_the_same_probabilities(graphs, recordings, name, capsys):
    path = recordings / name
    torch_model = EmotionClassifier.from_pretrained(graphs, device="cpu", engine="torch")
    expected = listed(torch_model.classify(path))
    samples, content = audio.load(path), path.read_bytes()
    table = {"array": samples, "sampling_rate": 16000}
    forms = {"array": samples, "bytes": content, "file": io.BytesIO(content), "dict": table}
    forms |= {"pair": (16000, samples), "tensor": torch.from_numpy(samples)[None]}
    answers = {form: listed(torch_model.classify(given)) for form, given in forms.items()}
    main(["classify", str(path), f"--model={graphs}", "--json", "--engine=torch", "--device=cpu"])
    answers["command line"] = list(json.loads(capsys.readouterr().out)[0]["probabilities"].values())
    answers["page"] = listed(DemoModel(torch_model, Limits()).classify(str(path)))
    if name == "a.wav":  # the stock class reads what libsndfile reads
        stock = EncoderClassifier.from_hparams(source=str(graphs), run_opts={"device": "cpu"})
        scores = stock.classify_file(str(path))[0]
        answers["stock class"] = torch_model.calibrate(scores)[0].tolist()
    for where, answer in answers.items():
        np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-6, err_msg=where)
    onnx = load_recognizer(graphs, device="cpu", engine="onnx")
    np.testing.assert_allclose(listed(onnx.classify(path)), expected, rtol=0, atol=1e-4)
    assert torch.tensor(expected).sum() == pytest.approx(1.0)
