"""What tests share: a small synthetic corpus, and running a recipe in this process."""

import atexit
import contextlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from filelock import FileLock
from speechbrain.utils.importutils import LazyModule

from camser import audio
from camser.data.synthetic import synthesize_corpus
from camser.runtime.signals import HANDLED, SIGNALS
from tests.helpers.fake_distributions import installed
from tests.helpers.recipe_runs import TINY, close_logs, load_module, start_run
from tests.helpers.source_copy import build, copy_source

pytest_plugins = ["tests.helpers.hub_fixtures"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests marked ``gpu`` are skipped where there is none.

    Hypothesis asks every module for its file; SpeechBrain's lazy ones would import k2 for it.
    """
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a GPU"))
    for module in list(sys.modules.values()):
        if isinstance(module, LazyModule):
            vars(module).setdefault("__file__", None)


# Two processes that compile the same at once could read each other's half-written files.
os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="camser-inductor-")
atexit.register(shutil.rmtree, os.environ["TORCHINDUCTOR_CACHE_DIR"], ignore_errors=True)
# What is started in the background ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def iemocap():
    """IEMOCAP's preparation module."""
    return load_module("recipes/IEMOCAP/iemocap_prepare.py")


@pytest.fixture(scope="session")
def scans():
    """CrossCorpus' functions that read a corpus folder, by the corpus."""
    return load_module("recipes/CrossCorpus/train.py").SCANS


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """``once(name, make)``: a folder that ``make`` fills for all of pytest-xdist's workers."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent

    def get(name, make):
        folder, is_made = place / name, place / f"{name}.made"
        with FileLock(place / f"{name}.lock"):
            if not is_made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                is_made.touch()
        return folder

    return get


@pytest.fixture(scope="session")
def wheel(once):
    """camser's wheel."""
    folder = once("wheel", lambda folder: build("wheel", copy_source(folder / "source"), folder))
    (built,) = folder.glob("camser-*.whl")
    return built


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A synthetic corpus: 80 turns of about a second."""
    folder = tmp_path_factory.mktemp("corpora") / "synthetic"
    synthesize_corpus(folder, 2, 8, mean_seconds=0.8)
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """One prepared folder for all runs, so that frozen frames are computed once."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def start(corpus, prepared, tmp_path, iemocap):
    """Start a run of the tiny recipe with overrides: ``start("--fold=1", folder="a")``."""

    def build(*overrides, folder="run", recipe=TINY):
        where = corpus, prepared, tmp_path / folder
        return start_run(iemocap.scan, *where, *overrides, recipe=recipe)

    yield build
    close_logs()


@pytest.fixture(scope="session")
def trained(corpus, prepared, tmp_path_factory, iemocap):
    """One ended run of the paper's composition at tiny sizes, which wrote its own export."""
    folder = tmp_path_factory.mktemp("trained")
    where = corpus, prepared, folder / "run"
    job = start_run(iemocap.scan, *where, f"--export_folder={folder / 'export'}")
    job.train()
    job.test()
    close_logs()
    return job


@pytest.fixture(scope="session")
def export(trained):
    """The export of ``trained``: never to be changed, copy it."""
    return Path(trained.settings.values["export_folder"])


@pytest.fixture(scope="session")
def graphs(request, once):
    """The export of ``trained`` with both ONNX files: never to be changed, copy it."""

    def build(folder):
        from camser.export.export_run import export_run

        trained = request.getfixturevalue("trained")  # only where it is built
        export_run(trained.output_folder, folder / "export", verified=False, int8=True)

    return once("graphs", build) / "export"


@pytest.fixture(scope="session")
def classifier(export):
    """The export, loaded."""
    from camser.inference import EmotionClassifier

    return EmotionClassifier.from_pretrained(export, device="cpu")


@pytest.fixture
def run(start):
    """Train and test the tiny recipe; returns the ended run."""

    def go(*overrides, **where):
        job = start(*overrides, **where)
        job.train()
        job.test()
        return job

    return go


@pytest.fixture
def install(tmp_path):
    """Install a distribution for the length of a test, see ``fake_distributions.installed``."""
    folders = (tmp_path / f"site-{number}" for number in itertools.count())
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(installed(next(folders), *args, **kwargs))


@pytest.fixture(scope="session")
def wave():
    """10.5 s of something loud and uneven."""
    rng = np.random.default_rng(1)
    time = np.arange(168000) / 16000
    return (0.3 * np.sin(900 * time**1.5) + 0.05 * rng.normal(size=168000)).astype(np.float32)


@pytest.fixture(scope="session")
def wave_path(wave, tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "wave.wav"
    soundfile.write(path, wave, 16000, subtype="FLOAT")
    return path


@pytest.fixture(scope="session")
def voice():
    """10.5 s of a synthetic voice that a speech detector takes for one throughout."""
    from camser.data.synthetic import EMOTIONS
    from camser.data.voices import make_voice, speak

    rng = np.random.default_rng(0)
    prosody = EMOTIONS["neu"].prosody, EMOTIONS["ang"].prosody
    return speak(rng, make_voice(rng, 160.0, 1.05), *prosody, 168000).astype(np.float32)


@pytest.fixture(scope="session")
def voice_path(voice, tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "voice.wav"
    soundfile.write(path, voice, 16000, subtype="FLOAT")
    return path


@pytest.fixture
def decoded(monkeypatch):
    """The paths that were decoded."""
    paths, read = [], audio.load
    monkeypatch.setattr(audio, "load", lambda path, *warn: paths.append(path) or read(path, *warn))
    return paths


@pytest.fixture
def speech():
    """Half a dozen segments of real-looking speech: [6, 48000]."""
    from camser.data.synthetic import EMOTIONS
    from camser.data.voices import make_voice, speak

    rng = np.random.default_rng(0)
    waves = []
    for emotion in ("ang", "sad", "neu") * 2:
        voice = make_voice(rng, 160.0, 1.05)
        prosody = EMOTIONS["neu"].prosody, EMOTIONS[emotion].prosody
        waves.append(speak(rng, voice, *prosody, 48000))
    return torch.tensor(np.array(waves), dtype=torch.float32)


@pytest.fixture(autouse=True)
def seeded():
    """Every test draws the same numbers, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def onednn_stays_on():
    """Every test leaves oneDNN on, without which later ones would compute otherwise."""
    yield
    stays = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = True
    assert stays, "this test left oneDNN off"


@pytest.fixture
def listening():
    """Our handlers, for the length of a test."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    SIGNALS.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    SIGNALS.forget()
