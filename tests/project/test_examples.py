"""The example packages as somebody else's: installed beside camser's wheel, checked and trained."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import venv

import pytest

from camser.config.settings import read_arguments
from camser.evaluation.results import read_results
from tests.helpers.recipe_runs import ROOT, TINY, TINY_WAV2VEC2

EXAMPLES = ROOT / "examples/plugins"
OFFERS = {  # by package: the plugins of its YAML, and what makes the encoders small
    "camser-egemaps": (["egemaps"], {}),
    "camser-conformer": (
        ["conformer"],
        {"mfcc": {"hidden_size": 8}, "conformer": {"hidden_size": 16, "num_layers": 1}},
    ),
    "camser-crossmodal": (
        ["cross_modal"],
        {
            "mfcc": {"hidden_size": 8},
            "spectrogram": {"weights": None, "freeze": True},
            "wav2vec2": {"source": None, "config": TINY_WAV2VEC2},
        },
    ),
    "camser-rivals": (
        ["acrnn", "acrnn_attention"],
        {"acrnn": {"num_convolutions": 1, "num_maps": 8, "linear_size": 8, "hidden_size": 8}},
    ),
}


def commands(package):
    """The command lines of a package's README that train: arguments of ``train.py``."""
    readme = (EXAMPLES / package / "README.md").read_text().replace("\\\n", " ")
    found = re.findall(r"^    python recipes/IEMOCAP/train.py (.*)$", readme, re.M)
    return [shlex.split(line) for line in found]


@pytest.fixture(scope="module")
def binaries(wheel, tmp_path_factory):
    """The commands of an environment with camser's wheel and the packages, none of it editable."""
    folder = tmp_path_factory.mktemp("third-party")
    venv.create(folder / "environment", with_pip=False)
    (packages,) = folder.glob("environment/lib/*/site-packages")
    # The libraries of this environment, torch among them, without a second installation.
    shared = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "shared.pth").write_text("\n".join(shared))
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", folder / "environment/bin/python"]
    install = [*pip, "install", "--no-index", "--no-build-isolation"]
    # This environment has a camser too, which must neither count nor be removed.
    subprocess.run([*install, "--no-deps", "--ignore-installed", wheel], check=True)
    for package in OFFERS:  # pip builds in the folder itself
        ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
        shutil.copytree(EXAMPLES / package, folder / package, ignore=ignored)
    asked = [f"{folder / package}[test]" for package in OFFERS]
    subprocess.run([*install, *asked], check=True)
    return folder / "environment/bin"


@pytest.fixture
def train(binaries, corpus, prepared, tmp_path):
    """Train from outside of the repository; returns the distributions of the plugins that are not
    camser's own."""

    def go(yaml, *overrides):
        command = [binaries / "python", ROOT / "recipes/IEMOCAP/train.py", yaml, *overrides]
        paths = {"data_folder": corpus, "prepared_folder": prepared, "output_folder": "run"}
        command += [f"--{name}={path}" for name, path in paths.items()]
        command += ["--device=cpu", "--noprogressbar"]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr[-3000:]
        plugins = read_results(tmp_path / "run/results.json")["plugins"].values()
        found = {plugin["plugin"]: plugin["distribution"] for plugin in plugins}
        return {name: package for name, package in found.items() if package != "camser"}

    return go


def test_every_example_is_tried_here():
    assert {path.parent.name for path in EXAMPLES.glob("*/setup.cfg")} == set(OFFERS)


@pytest.mark.slow
def test_they_are_listed_with_their_distributions(binaries, tmp_path):
    command = [binaries / "camser", "plugins", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    offered = {tuple(line.split()[1:3]) for line in listed.stdout.splitlines()}
    wanted = {(name, package) for package, (names, _) in OFFERS.items() for name in names}
    assert wanted <= offered


@pytest.mark.slow
def test_their_own_suites_are_green(binaries, tmp_path):
    for package in OFFERS:
        shutil.copytree(EXAMPLES / package / "tests", tmp_path / package)
    modules = [package.replace("-", "_") for package in OFFERS]
    options = ["--doctest-modules", "--pyargs", "-p", "no:cacheprovider"]
    command = [binaries / "python", "-m", "pytest", "-q", *options, *OFFERS, *modules]
    tested = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout[-5000:]


@pytest.mark.slow
def test_several_packages_train_together_by_their_names(train):
    encoders = {
        "prosody": {"plugin": "egemaps"},
        "mine": {"plugin": "conformer", "hidden_size": 16, "num_layers": 1},
    }
    fusions = {"cross_modal": {"plugin": "cross_modal", "projection_size": 16}}
    tables = [f"--encoders={json.dumps(encoders)}", f"--fusions={json.dumps(fusions)}"]
    found = train(TINY, *tables, "--modalities=[prosody, mine]", "--fusion=cross_modal")
    assert found == {
        "egemaps": "camser-egemaps",
        "conformer": "camser-conformer",
        "cross_modal": "camser-crossmodal",
    }


@pytest.mark.slow
@pytest.mark.parametrize("package", OFFERS)
def test_its_yaml_trains(train, package):
    (plugins, sizes), (yaml, *told) = OFFERS[package], commands(package)[0]
    told = [setting for setting in told if not setting.startswith("--data_folder")]
    small = [f"--encoders={json.dumps(sizes)}"] if sizes else []
    few = ["--number_of_epochs=1", "--batch_size=32", "--num_workers=0", "--projection_size=16"]
    assert train(ROOT / yaml, *told, *small, *few) == dict.fromkeys(plugins, package)


@pytest.mark.parametrize("package", OFFERS)
def test_what_its_readme_says_is_understood(package, monkeypatch):
    monkeypatch.chdir(ROOT)
    for command in commands(package):
        values = read_arguments(command, ROOT / "recipes/IEMOCAP").values
        tables = [values["fusions"][values["fusion"]]]
        tables += [values["encoders"][name] for name in values["modalities"]]
        used = {table["plugin"] for table in tables}
        assert used & {*OFFERS[package][0]}
