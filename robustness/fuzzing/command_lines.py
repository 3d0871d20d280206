"""Command lines that meet hostile files: a right answer, or one line and status 1."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from camser import cli
from camser.data.synthetic import synthesize_corpus
from camser.evaluation import results
from camser.experiment import run
from camser.inference import engines, export_files
from robustness.fuzzing import malicious_exports, model_readers, mutations, readers
from robustness.fuzzing.readers import Target
from robustness.harness.report import ROOT

_OWN = tempfile.TemporaryDirectory(prefix="camser-fuzz-")  # deleted when the process ends
OWN = Path(_OWN.name)
KEYS = (
    "labels", "modalities", "merge_labels", "learning_rates", "batch_size", "fold", "seed",
    "fusion",
    "encoders.mfcc.hidden_size", "encoders.mfcc.n_fft", "encoders.mfcc.hop_samples",
    "encoders.wav2vec2.config.hidden_size", "encoders.wav2vec2.config.conv_dim",
    "encoders.wav2vec2.config", "encoders.mfcc", "fusions.co_attention.guides",
    "fusions.co_attention.projection_size", "fusions.co_attention.output_modalities",
    "embedding_size", "dropout",
    "segment_seconds", "protocol", "selection", "num_folds", "valid_fraction", "opt_class",
    "epoch_counter", "deterministic", "compiled", "num_attention_examples", "export_folder",
    "data_folder",
    "prepared_folder", "corpus", "variant", "num_workers", "cache_features", "device",
)  # fmt: skip
VALUES = (
    "null", "x", "3", "-1", "0", "1.5", "1000000000", "[]", "[null]", "[x]", "[x, x]", "[[x]]",
    "{}", "{a: b}", "{1: 2}", "{a: [b]}", "true", "''", "!name:x.y", "!new:x.Y", "!ref <seed>",
    "angry", "[angry, angry]", "[angry, sad]", "{mfcc: x}", "{head: x}", "{head: -1}",
)  # fmt: skip


class Told(Exception):
    """A command ended with one line, and status 1."""


def _run(main: Callable[[], None], before: str) -> str:
    """What a command printed; Told where it ended as it does for a mistake."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as error:
        line = error.code if isinstance(error.code, str) else err.getvalue().strip()
        assert error.code == 1 or isinstance(error.code, str), f"status {error.code}: {line}"
        # YAML's own errors show the place, below.
        short = "\n" not in line or "YAML" in line
        assert line.startswith(before) and short and "Traceback" not in line, f"no line: {line!r}"
        raise Told(line) from error
    return out.getvalue()


def _camser(*argv: str | Path) -> str:
    return _run(lambda: cli.main([str(part) for part in argv]), "camser: ")


# camser classify, report, export --------------------------------------------------------------


def classify(path: Path) -> None:
    """A hostile recording or model, with a good one of the other kind."""
    model, sound = (OWN / "good", path) if path.is_file() else (path, OWN / "good.wav")
    found = _camser("classify", "--json", "--device=cpu", "--model", model, sound)
    assert len(json.loads(found)) == 1


def graph(random: Random, place: Path) -> Path:
    """An export with a hostile ``model.onnx``, whose digest is right."""
    for name in (export_files.CONFIG, export_files.WEIGHTS, export_files.ONNX):
        (place / name).write_bytes((OWN / "good" / name).read_bytes())
    path = place / export_files.ONNX
    outside = random.choice(("", "", "", "../secret", "/etc/hostname", "model.safetensors"))
    if outside:
        malicious_exports.write_graph(place, export_files.ONNX, weights=outside)
    path.write_bytes(mutations.bytes_of(random, path.read_bytes()))
    malicious_exports.describe_graphs(place)
    return place


def compute(place: Path) -> None:
    """A graph that loads gives finite embeddings of the head's size, or says that it cannot."""
    import torch

    _, modules, _ = engines.load(place, "onnx", "cpu")
    found = modules["embedding_model"](torch.randn(2, 16000) * 0.1, torch.ones(2))
    assert torch.isfinite(modules["classifier"](found)).all()


def report(place: Path) -> None:
    """A report of hostile results is written into its folder alone."""
    before = {path.name for path in place.parent.iterdir()}
    _camser("report", place, "--output", place / "report")
    assert {path.name for path in place.parent.iterdir()} == before


def a_run(random: Random, place: Path) -> Path:
    """A run whose architecture is hostile."""
    readers.run(results.HISTORY)(Random(0), place)
    told = json.loads((OWN / "good" / export_files.CONFIG).read_text())["architecture"]
    (place / results.ARCHITECTURE).write_bytes(mutations.tree_of(random, told))
    results.write_results(place, readers.RESULTS)
    return place


def export(place: Path) -> None:
    """A run without a checkpoint, whatever its architecture says, is no export."""
    _camser("export", place, place / "export")
    raise AssertionError("it was exported")


# train.py -------------------------------------------------------------------------------------


def override(random: Random, place: Path) -> Path:
    """A setting of train.py, at any depth, that is what it must not be; or what it may."""
    *tables, key = random.choice(KEYS).split(".")
    value = random.choice(VALUES)
    for table in reversed([*tables[1:], key] if tables else []):
        value = f"{{{table}: {value}}}"
    line = f"--{tables[0] if tables else key}={value}"
    (place / "line").write_text(line)
    return place / "line"


def train(path: Path) -> None:
    """All that a run does before its first step."""
    import iemocap_prepare

    given = [f"--data_folder={OWN / 'corpus'}", f"--output_folder={path.parent / 'output'}"]
    given += ["--device=cpu"]
    given += [f"--prepared_folder={OWN / 'prepared'}", "--num_workers=0"]
    line = path.read_text()
    given = [one for one in given if one.partition("=")[0] != line.partition("=")[0]]
    sys.argv = ["train.py", model_readers.YAML, *given, line]
    run.Run.train = run.Run.test = lambda self: None  # type: ignore[method-assign]
    _run(lambda: run.main(iemocap_prepare.scan, ROOT / "recipes/IEMOCAP"), "error: ")


# camser plugins list --------------------------------------------------------------------------

METADATA = "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\nRequires-Dist: numpy\n"
POINTS = "[camser.encoders]\nevil = evil:Evil\n[camser.fusion]\nx = a.b:c\n"


def distribution(random: Random, place: Path) -> Path:
    """What pip leaves of a package, one of its files hostile or not there."""
    folder = place / random.choice(("evil-1.0.dist-info", "evil.egg-info", "-.dist-info"))
    folder.mkdir()
    files = {"METADATA": METADATA, "PKG-INFO": METADATA, "entry_points.txt": POINTS, "RECORD": ""}
    hurt = random.choice(list(files))
    for name, text in files.items():
        if name != hurt or random.random() < 0.8:
            data = mutations.text_of(random, text) if name == hurt else text.encode()
            (folder / name).write_bytes(data)
    return place


def list_plugins(place: Path) -> None:
    """Our own are listed, whatever lies beside them."""
    sys.path.insert(0, str(place))
    try:
        found = {row["name"] for row in json.loads(_camser("plugins", "list", "--json"))}
    finally:
        sys.path.remove(str(place))
    assert {"mfcc_bilstm", "wav2vec2", "co_attention"} <= {n.rpartition(":")[2] for n in found}


def all_targets() -> list[Target]:
    """All of them; what is good beside a hostile file is made first."""
    OWN.mkdir(exist_ok=True)
    if not (OWN / "good").exists():
        malicious_exports.good(OWN / "good")
        readers.soundfile.write(OWN / "good.wav", readers.SAMPLES, 16000)
        synthesize_corpus(OWN / "corpus", 2, 8, mean_seconds=1.0)
    sound = readers.sound("WAV, PCM").write
    return [
        Target("an export's model.onnx", graph, compute, (export_files.ExportError,), 20),
        Target("an installed package's metadata", distribution, list_plugins, (), 20),
        Target("camser classify, its recording", sound, classify, (Told,), 50),
        Target("camser classify, its model", graph, classify, (Told,), 50),
        Target("camser report", readers.run(results.RESULTS), report, (Told,), 200),
        Target("camser export", a_run, export, (Told,), 50),
        Target("overrides of train.py", override, train, (Told,), 50),
    ]
