"""``camser plugins new``: a package that can be installed and is green as it is."""

import doctest
import importlib
import re
import subprocess
import sys
import sysconfig
import venv

import pytest
from ruamel.yaml import YAML

from camser.cli import main
from camser.cli.plugins.new_package import check_name, write_package
from camser.config.settings import read_arguments
from camser.testing import checks_of


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def python(tmp_path):
    """The interpreter of an environment of its own, which has all that this one has."""
    venv.create(tmp_path / "environment", with_pip=False)
    (packages,) = tmp_path.glob("environment/lib/python*/site-packages")
    # As a site, so that what is installed here in place, camser itself, is there too.
    here = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    packages.joinpath("here.pth").write_text(here)
    return tmp_path / "environment/bin/python"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["encoder", "fusion"])
def test_as_written_it_installs_is_listed_and_passes_its_own_tests(kind, python, tmp_path):
    folder = tmp_path / "written"
    write_package("soft_steps", kind, folder)
    offline = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    run(sys.executable, "-m", "pip", "--python", python, "install", *offline, "-e", folder)
    listed = run(python, "-m", "camser.cli", "plugins", "list").splitlines()
    assert [kind, "soft_steps", "camser-soft-steps", "0.1.0"] in map(str.split, listed)
    tested = run(python, "-m", "pytest", cwd=folder)
    assert re.search(r"^=+ \d+ passed(, \d+ warnings?)? in ", tested, re.M), tested


@pytest.mark.parametrize(
    ("kind", "cls"), [("encoder", "SoftStepsEncoder"), ("fusion", "SoftStepsFusion")]
)
def test_as_written_it_passes_the_checks_that_are_quick(kind, cls, tmp_path, monkeypatch):
    write_package("soft_steps", kind, tmp_path / "written")
    monkeypatch.syspath_prepend(str(tmp_path / "written"))
    monkeypatch.delitem(sys.modules, "camser_soft_steps", raising=False)
    module = importlib.import_module("camser_soft_steps")
    for check in checks_of(getattr(module, cls)):
        if check.name not in ("compile", "ddp"):
            check()
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("kind", "name", "cls"),
    [
        ("encoder", "prosody", "ProsodyEncoder"),
        ("fusion", "late_fusion", "LateFusion"),
        ("encoder", "encoder", "EncoderEncoder"),  # a class that does not hide its base
    ],
)
def test_what_is_written_is_named_alike_everywhere(kind, name, cls, tmp_path, capsys):
    folder = tmp_path / "in/side"
    main(["plugins", "new", name, "--kind", kind, f"--folder={folder}"])
    told = capsys.readouterr().out
    module = f"camser_{name}.py"
    files = {"setup.cfg", "pyproject.toml", "README.md", module, f"tests/test_{name}.py"}
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == files
    assert all(str(folder / file) in told for file in files)
    assert f"class {cls}({kind.capitalize()}):" in (folder / module).read_text()
    assert f"{name} = camser_{name}:{cls}" in (folder / "setup.cfg").read_text()
    assert all("$" not in (folder / file).read_text() for file in files)


@pytest.mark.parametrize("kind", ["encoder", "fusion"])
def test_the_override_that_its_readme_shows_is_understood(kind, tmp_path):
    write_package("late", kind, tmp_path / "late")
    lines = (tmp_path / "late/README.md").read_text().splitlines()
    (override,) = {line.strip() for line in lines if line.strip().startswith("--")}
    arguments = [a.replace('"', "") for a in override.replace(" --", "\n--").split("\n")]
    values = read_arguments(["tests/hparams/tiny.yaml", "--data_folder=.", *arguments]).values
    tables = values["encoders"] if kind == "encoder" else values["fusions"]
    assert tables["late"] == YAML(typ="safe").load("{plugin: late}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Late-Vote2", r"the name is 'Late-Vote2'; it must be .*, e\.g\. 'late_vote2'$"),
        ("2nd", r"begin with a letter, e\.g\. 'late_vote2'$"),
        ("wav2vec2", r"camser [\d.]+ has an encoder 'wav2vec2' already; a recipe could not"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        check_name(name, "encoder")


def test_a_name_of_the_other_kind_is_free():
    check_name("wav2vec2", "fusion")


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    with pytest.raises(SystemExit, match=f"{tmp_path} exists; give another folder"):
        main(["plugins", "new", "late", "--kind", "fusion", "--folder", str(tmp_path)])
    assert not list(tmp_path.iterdir())
