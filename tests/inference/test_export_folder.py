"""An export that is not what it says is refused: never random weights, never code."""

import json
import pickle
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file
from speechbrain.inference.classifiers import EncoderClassifier

from camser.inference import EmotionClassifier, ExportError, hub, hub_download
from camser.inference.export_config import write_config
from camser.runtime.digests import digest


@pytest.fixture
def folder(export, tmp_path):
    """A copy of the export, to be damaged."""
    return shutil.copytree(export, tmp_path / "export")


def change_config(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    write_config(folder, config)


def change_weights(folder, change):
    """Weights that the config describes, and that do not fit the model."""
    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)
    described = {"bytes": path.stat().st_size, "digest": digest(path)}
    change_config(folder, lambda config: config.update(weights=described))


def shrink(state):
    state["classifier.linear.weight"] = state["classifier.linear.weight"][:3].clone()


DAMAGES = {
    "no such folder": lambda f: shutil.rmtree(f),
    "is not an exported model: it has no config.json": lambda f: (f / "config.json").unlink(),
    r"config.json is damaged \(": lambda f: (f / "config.json").write_text("{"),
    "does not describe a camser model": lambda f: (f / "config.json").write_text("[]"),
    "does not describe a camser model; export the run again": lambda f: change_config(
        f, lambda c: c.update(model_type="wav2vec2")
    ),
    r"format is 5 \(written by camser 9.9\); camser .* reads 4: pip install --upgrade": (
        lambda f: change_config(f, lambda c: c.update(format=5, camser="9.9"))
    ),
    "format is None": lambda f: change_config(f, lambda c: c.pop("format")),
    "format is True; it must be a whole number": lambda f: change_config(
        f, lambda c: c.update(format=True)
    ),
    "temperature is True; it must be a number": lambda f: change_config(
        f, lambda c: c.update(temperature=True)
    ),
    "weights is {}; it lacks bytes": lambda f: change_config(f, lambda c: c.update(weights={})),
    "it lacks labels": lambda f: change_config(f, lambda c: c.pop("labels")),
    "labels is .*must name each class once": lambda f: change_config(
        f, lambda c: c.update(labels=["angry", "angry", "sad", "happy"])
    ),
    r"classifier.linear.bias \[4\] float32 instead of \[3\]": lambda f: change_config(
        f, lambda c: c.update(labels=["angry", "sad", "happy"])
    ),
    "sample_rate is 8000": lambda f: change_config(f, lambda c: c.update(sample_rate=8000)),
    "temperature is 0; it must be a number more than 0": lambda f: change_config(
        f, lambda c: c.update(temperature=0)
    ),
    "needs the encoder 'prosody' of acme-ser==1.4, .*: pip install acme-ser==1.4": (
        lambda f: change_config(
            f,
            lambda c: c["plugins"].update(
                p={
                    "kind": "encoder",
                    "plugin": "prosody",
                    "distribution": "acme-ser",
                    "version": "1.4",
                }
            ),
        )
    ),
    "plugins is .*'script'.*; an entry of it must be .*encoder": lambda f: change_config(
        f, lambda c: c["plugins"]["mfcc"].update(kind="script")
    ),
    "an entry of it lacks version; export the run again": lambda f: change_config(
        f, lambda c: c["plugins"]["mfcc"].pop("version")
    ),
    "plugins is {'mfcc': 'mfcc_bilstm'": lambda f: change_config(
        f, lambda c: c["plugins"].update(mfcc="mfcc_bilstm")
    ),
    "the model cannot be built: .*hidden_sise": lambda f: change_config(
        f, lambda c: c["architecture"]["encoders"]["mfcc"].update(hidden_sise=8)
    ),
    "architecture is {}; it lacks encoders": lambda f: change_config(
        f, lambda c: c.update(architecture={})
    ),
    "the encoder 'wav2vec2' would fetch other weights": lambda f: change_config(
        f, lambda c: c["architecture"]["encoders"]["wav2vec2"].update(source="a/b")
    ),
    "model.safetensors is missing": lambda f: (f / "model.safetensors").unlink(),
    "it lacks classifier.linear.bias": lambda f: change_weights(
        f, lambda s: s.pop("classifier.linear.bias")
    ),
    r"shape or type for classifier.linear.weight \[3, 128\] float32 instead of \[4, 128\]": (
        lambda f: change_weights(f, shrink)
    ),
    "it has the unexpected more": lambda f: change_weights(
        f, lambda s: s.update(more=torch.zeros(1))
    ),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_a_damaged_export_is_refused(folder, message):
    DAMAGES[message](folder)
    with pytest.raises(ExportError, match=message):
        EmotionClassifier.from_pretrained(folder)


@pytest.mark.parametrize("where", [0, 3000, -1])
def test_flipped_bits_are_found(folder, where):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportError, match="is not the file that config"):
        EmotionClassifier.from_pretrained(folder)


@pytest.mark.parametrize("kept", [0, 7, 500, 0.5])
def test_truncated_weights_are_found_by_speechbrains_interface_too(folder, kept):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    for load in (EmotionClassifier.from_pretrained, EncoderClassifier.from_hparams):
        with pytest.raises(
            ExportError, match=r"describes: model\.safetensors has \d+ bytes instead of"
        ):
            load(str(folder))


def test_a_header_that_lies_is_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])
    change_config(
        folder,
        lambda c: c.update(weights={"bytes": path.stat().st_size, "digest": digest(path)}),
    )
    with pytest.raises(ExportError, match="is damaged"):
        EmotionClassifier.from_pretrained(folder)


def test_nothing_in_the_folder_is_run(folder, tmp_path):
    """Its YAML, pickles and Python files would each leave a file behind."""
    left = tmp_path / "run"
    (folder / "hyperparams.yaml").write_text(f"a: !apply:os.mkdir ['{left}']\n")
    for name in ("custom.py", "modeling.py", "__init__.py"):
        (folder / name).write_text(f"open({str(left)!r}, 'w')\n")

    class Evil:
        def __reduce__(self):
            return open, (str(left), "w")

    for name in ("model.ckpt", "pytorch_model.bin", "embedding_model.ckpt", "config.pkl"):
        (folder / name).write_bytes(pickle.dumps(Evil()))
    EmotionClassifier.from_pretrained(folder)
    assert not left.exists()
    with pytest.raises(Exception):  # noqa: B017 whatever SpeechBrain says: that YAML is code
        EncoderClassifier.from_hparams(source=str(folder))
    assert left.exists(), "the YAML of this test does nothing, so it proves nothing"


@pytest.mark.parametrize("source", ["nowhere", "./a/b", "/a/b", "a/b/c", "../model"])
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(source, monkeypatch):
    for name in ("HfApi", "snapshot_download"):
        monkeypatch.setattr(hub_download, name, None)
    with pytest.raises(ExportError, match="there is no such folder, and it is not a hub id"):
        hub.locate_model(source)


@pytest.mark.parametrize("name", ["temperature", "calibration", "labels", "trained"])
def test_a_changed_description_is_refused_though_it_reads_well(folder, name):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    others = {"temperature": 7.5, "calibration": {}, "labels": config["labels"][::-1]}
    path.write_text(json.dumps(config | {name: others.get(name, {"seed": 3})}))
    with pytest.raises(
        ExportError, match=r"config\.json has changed since the export: its checksum"
    ):
        EmotionClassifier.from_pretrained(folder)
    del config["digest"]  # the first exports had none
    path.write_text(json.dumps(config))
    EmotionClassifier.from_pretrained(folder)
