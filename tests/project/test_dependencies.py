"""What camser depends on: declared, justified, bounded, and missed with a clear message."""

import ast
import configparser
import re
import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from camser.config.command_line import SettingsError
from camser.experiment.crossval.launch import run_on_ray
from camser.experiment.outputs import tensorboard_logger
from camser.export.onnx import quantize
from camser.inference import onnx_session
from tests.helpers.recipe_runs import ROOT
from tests.helpers.tiny_export import LABELS, write_export

# Declared, and imported by no module of camser.
ONLY_NAMED = {
    "tensorboard",  # SpeechBrain's logger imports it
    "opensmile",  # of bench
    "sentencepiece",  # SpeechBrain's inference imports it
    "silero-vad",  # onnxruntime reads a file of it
    *("hypothesis", "mypy", "playwright", "pytest-cov", "pytest-timeout", "pytest-xdist"),  # tools
    *("ruff", "setuptools", "check-jsonschema"),
    *("furo", "myst-nb", "myst-parser", "sphinx"),  # of the site
}
# These need an extra when they are imported; so they are imported inside functions.
NEED_AN_EXTRA = {
    *(f"export/onnx/{stem}" for stem in ("lstm", "group_norm", "stft")),
    *(f"cli/demo/{stem}" for stem in ("api", "middleware", "page", "server", "style")),
}


def options():
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg")
    return parsed


def requirements(text):
    found = [Requirement(line) for line in text.strip().splitlines()]
    here = [r for r in found if r.marker is None or r.marker.evaluate({"extra": ""})]
    return {r.name: r for r in here if r.name != "camser"}


CORE = requirements(options()["options"]["install_requires"])
EXTRAS = {k: requirements(v) for k, v in options()["options.extras_require"].items()}
ALL = {**CORE, **{name: r for extra in EXTRAS.values() for name, r in extra.items()}}


def rows():
    """Package to licence, of the table in CONTRIBUTING."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("## Dependencies")[1].split("\n## ")[0]
    cells = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {row[0].removeprefix("| "): row[2] for row in cells[1:]}


def test_every_requirement_has_a_row_in_contributing_and_every_row_a_requirement():
    assert sorted(rows()) == sorted(ALL)


@pytest.mark.parametrize("name", rows())
def test_licences_are_those_of_what_is_installed(name):
    told = metadata.metadata(name)
    classifiers = [c for c in told.get_all("Classifier", []) if c.startswith("License")]
    texts = [told["License-Expression"] or "", (told["License"] or "")[:400], *classifiers]
    word = re.match(r"\w+", rows()[name])[0].replace("PSF", "Python Software Foundation")
    is_locked = locked()[canonicalize_name(name)].specifier.contains(metadata.version(name))
    assert word in " ".join(texts) or not (is_locked or any(texts))  # another release may not say


@pytest.mark.parametrize("name", ALL)
def test_every_requirement_says_from_which_version_on(name):
    assert any(bound.operator == ">=" for bound in ALL[name].specifier)


def test_no_requirement_is_said_twice():
    said = [name for part in (CORE, *EXTRAS.values()) for name in part]
    assert len(said) == len(set(said))


def imported(node):
    """The modules that a statement imports, and each name that it takes from one."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and not node.level:
        return {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return set()


def third_parties():
    """Each import of camser that is not its own: the file, the distribution, whether on top."""
    distributions = metadata.packages_distributions()
    for path in sorted((ROOT / "camser").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            roots = {name.split(".")[0] for name in imported(node)}
            for module in roots - sys.stdlib_module_names - {"camser"}:
                names = {canonicalize_name(name) for name in distributions[module]}
                yield path, names, node in tree.body


def test_what_camser_imports_is_declared_and_what_is_declared_it_imports():
    declared = {canonicalize_name(name) for name in ALL}
    imported = set()
    for path, names, _ in third_parties():
        assert names & declared, f"{path.name} imports {sorted(names)}, which setup.cfg lacks"
        imported |= names & declared
    assert declared - imported == ONLY_NAMED


def test_what_is_optional_is_imported_where_it_is_used():
    core, folder = {canonicalize_name(name) for name in CORE}, ROOT / "camser"
    early = {path for path, names, on_top in third_parties() if on_top and not names & core}
    needing = {f"camser.{name.replace('/', '.')}" for name in NEED_AN_EXTRA}
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        early |= {path for node in tree.body if imported(node) & needing}
    assert {p.relative_to(folder).with_suffix("").as_posix() for p in early} == NEED_AN_EXTRA


def test_neither_import_camser_nor_building_and_classifying_imports_librosa(tmp_path, wave_path):
    code = """if True:
        import sys
        import camser
        assert "speechbrain" not in sys.modules  # which imports sentencepiece
        sys.modules["librosa"] = None  # an import of it fails
        from camser.inference import EmotionClassifier
        classifier = EmotionClassifier.from_pretrained(sys.argv[1], device="cpu")
        print(classifier.classify(sys.argv[2]).emotion)
    """
    export = write_export(tmp_path / "export", fusion="concat")
    command = [sys.executable, "-c", code, export, wave_path]
    ended = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert ended.stdout.strip() in LABELS


def locked():
    """The lines of constraints.txt, by name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(r.name): r for r in found}


def test_constraints_are_exact_and_within_the_bounds():
    for name, line in locked().items():
        (bound,) = line.specifier
        assert bound.operator == "==", name
    for name, requirement in ALL.items():
        (bound,) = locked()[canonicalize_name(name)].specifier
        assert requirement.specifier.contains(bound.version), name


def test_constraints_name_all_that_is_installed_with_camser():
    lines = locked()
    if any(
        str(lines[name].specifier) != f"=={metadata.version(name)}" for name in ("torch", "ray")
    ):
        pytest.skip("another set than the constraints' is installed")
    waiting, seen = [(name, "") for name in ALL], set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for needed in map(Requirement, metadata.requires(name) or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(needed.name), e) for e in ("", *needed.extras)]
    assert not {canonicalize_name(name) for name, _ in seen} - set(lines)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_int8_without_its_packages_says_what_to_install(monkeypatch, tmp_path, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "onnxruntime.quantization", raising=False)
    with pytest.raises(ValueError, match=rf'int8 needs {missing}.*pip install "camser\[onnx\]"'):
        quantize.write_int8(tmp_path / "model.onnx", tmp_path / "int8.onnx")


def test_a_graph_without_onnxruntime_says_what_to_install(monkeypatch, tmp_path):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(onnx_session.metadata, "version", version)
    with pytest.raises(ValueError, match='onnxruntime is not installed; pip install "onnxruntime>'):
        onnx_session.OnnxSession(tmp_path / "model.onnx", 1, "embeddings")


def test_the_launcher_without_ray_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"needs Ray; run: pip install camser\[ray\]"):
        next(run_on_ray([], None, 0))


def test_curves_without_tensorboard_say_what_to_install(monkeypatch, tmp_path):
    for name in [n for n in sys.modules if n.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(SettingsError, match=r'needs tensorboard.*"camser\[tensorboard\]"'):
        tensorboard_logger(tmp_path)
