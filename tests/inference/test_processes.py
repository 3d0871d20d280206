"""A classifier in other processes and threads, on other devices, and in other hands."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from copy import deepcopy

import joblib
import pytest
import torch

from camser.inference import EmotionClassifier


@pytest.fixture(params=["torch", "onnx", "onnx-int8"])
def loaded(graphs, request):
    return EmotionClassifier.from_pretrained(graphs, device="cpu", engine=request.param)


def test_a_pickled_classifier_gives_the_same(loaded, wave):
    sent = pickle.loads(pickle.dumps(loaded))
    assert sent.classify(wave) == loaded.classify(wave) == deepcopy(loaded).classify(wave)


def test_a_pickled_graph_whose_file_is_gone(graphs, tmp_path, wave):
    for name in ("config.json", "model.safetensors", "model.onnx"):
        (tmp_path / name).write_bytes((graphs / name).read_bytes())
    content = pickle.dumps(EmotionClassifier.from_pretrained(tmp_path, "cpu", engine="onnx"))
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(ValueError, match=r"model\.onnx is not a model that onnxruntime can run"):
        pickle.loads(content)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_spawned_processes_joblib_and_threads_give_the_same(graphs, engine, wave_path, wave):
    classifier = EmotionClassifier.from_pretrained(graphs, "cpu", engine=engine, threads=1)
    recordings = [str(wave_path), (16000, wave[:60000]), wave_path.read_bytes()] * 4
    expected = [classifier.classify(recording) for recording in recordings]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=context) as pool:
        assert [*pool.map(classifier.classify, recordings)] == expected
    calls = (joblib.delayed(classifier.classify)(recording) for recording in recordings)
    assert joblib.Parallel(n_jobs=2)(calls) == expected
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(classifier.classify, recordings * 4)] == expected * 4


def test_inputs_follow_the_weights(export, graphs):
    classifier = EmotionClassifier.from_pretrained(export, device="cpu")
    assert classifier.to(torch.float32).device == "cpu"
    moved = classifier.to("meta")
    assert moved is classifier and moved.device == "meta" and moved.device_type == "meta"
    graph = EmotionClassifier.from_pretrained(graphs, device="cpu", engine="onnx")
    with pytest.raises(ValueError, match="runs only on the CPU; give engine='torch' for meta"):
        graph.to("meta")
    assert graph.device == "cpu"


def test_training_mode_changes_nothing(export, wave):
    classifier = EmotionClassifier.from_pretrained(export, device="cpu")
    expected = classifier.classify(wave)
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    assert classifier.train() is classifier and not classifier.mods.training
    assert classifier.classify(wave) == expected
    for name, value in classifier.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_bfloat16_is_near(export, wave, classifier):
    half = EmotionClassifier.from_pretrained(export, device="cpu", dtype="bfloat16")
    found, expected = half.classify(wave).probabilities, classifier.classify(wave).probabilities
    assert found != expected and found == pytest.approx(expected, abs=0.05)


@pytest.mark.gpu
def test_a_gpu(export, wave, classifier):
    expected = classifier.classify(wave).probabilities
    moved = EmotionClassifier.from_pretrained(export, device="cpu").to("cuda")
    assert moved.classify(wave).probabilities == pytest.approx(expected, abs=1e-3)
    half = EmotionClassifier.from_pretrained(export, device="cuda", dtype="bfloat16")
    assert half.classify(wave).probabilities == pytest.approx(expected, abs=0.05)
