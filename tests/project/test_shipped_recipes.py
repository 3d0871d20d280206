"""The recipes ship: in the wheel, the sdist and an editable install, and run without a checkout."""

import shutil
import subprocess
import sys
import venv
from zipfile import ZipFile

import pytest

from camser.cli import main, recipes
from camser.config.recipes import RECIPES, yaml_names
from camser.evaluation.results import read_results
from tests.helpers.recipe_runs import ROOT, TINY
from tests.helpers.source_copy import build, copy_source

NAMES = ["Corpora", "CrossCorpus", "EmoBox", "EmoDB", "IEMOCAP", "RAVDESS", "Table"]
SHIPPED = {
    f"camser/{path.relative_to(ROOT).as_posix()}"
    for pattern in ("*.yaml", "*/*.py", "*/*.yaml", "*/hparams/*.yaml", "*/corpora/*.yaml")
    for path in (ROOT / "recipes").glob(pattern)
}
RUN_ALL = """if True:
    import runpy, sys
    print(__import__("camser").__file__, flush=True)
    for name in sys.argv[1:]:
        for script in ("train", "crossval"):
            sys.path.insert(0, name)
            sys.argv = [script, "hparams/camser.yaml", "--num_workers=-1"]
            try:
                runpy.run_path(f"{name}/{script}.py", run_name="__main__")
            except SystemExit as error:
                print(name, script, error)
            sys.path.remove(name)
"""


def names(wheel):
    return {name for name in ZipFile(wheel).namelist() if name.startswith("camser/recipes/")}


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    """A folder for ``PYTHONPATH``: what the wheel installs."""
    folder = tmp_path_factory.mktemp("unpacked")
    ZipFile(wheel).extractall(folder)
    return folder


def test_the_wheel_and_the_sdist_hold_what_a_recipe_needs_and_no_results(wheel, tmp_path):
    assert names(wheel) == SHIPPED
    sdist = build("sdist", copy_source(tmp_path / "source"), tmp_path)
    shutil.unpack_archive(sdist, tmp_path / "unpacked")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert names(build("wheel", source, tmp_path / "wheel")) == SHIPPED


def test_an_editable_install_has_those_of_the_checkout(tmp_path):
    assert RECIPES == ROOT / "recipes"
    source = copy_source(tmp_path / "source")
    built = build("editable", source, tmp_path / "built")
    venv.create(tmp_path / "environment", with_pip=False)
    python = tmp_path / "environment/bin/python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", python]
    subprocess.run([*pip, "install", "--no-deps", built], check=True)
    code = "from camser.config.recipes import RECIPES; print(RECIPES)"
    printed = subprocess.check_output([python, "-I", "-c", code], text=True, cwd=tmp_path)
    assert printed.strip() == str(source / "recipes")


@pytest.mark.slow
def test_a_copy_of_each_recipe_needs_nothing_but_the_wheel(unpacked, tmp_path):
    for name in NAMES:
        recipes.copy_recipe(name, tmp_path / name)
    ran = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *NAMES], env={"PYTHONPATH": str(unpacked)},
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    where, *told = [line for line in ran.stdout.splitlines() if line]
    assert where == str(unpacked / "camser/__init__.py")
    said = "error: num_workers is -1; it must be a whole number at least 0"
    empty = "error: data_folder is not set; give --data_folder=…"
    first = {"CrossCorpus": said, "EmoBox": empty.replace("data_folder", "corpus")}
    assert told == [
        f"{name} {script} {first.get(name, empty)}"
        for name in NAMES
        for script in ("train", "crossval")
    ]


@pytest.mark.slow
def test_a_copied_recipe_trains_by_the_wheel_alone(unpacked, corpus, tmp_path):
    recipes.copy_recipe("IEMOCAP", tmp_path / "mine")
    ran = subprocess.run(
        [
            sys.executable, "mine/train.py", "hparams/camser.yaml", "--include", TINY,
            f"--data_folder={corpus}", "--output_folder=run", "--device=cpu", "--noprogressbar",
        ],
        env={"PYTHONPATH": str(unpacked)}, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "tests/hparams/tiny.yaml overrides mine/hparams/camser.yaml: " in ran.stdout
    assert read_results(tmp_path / "run/results.json")["settings"]["variant"] == "tiny"


def test_they_are_listed_with_what_they_say_of_themselves(capsys):
    main(["recipes", "list"])
    lines = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    listed = dict(line.split(None, 1) for line in lines)
    assert list(listed) == NAMES
    assert listed["EmoDB"].startswith("Speech emotion recognition on EmoDB: ")


def test_a_copy_holds_scripts_and_settings_and_replaces_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["recipes", "copy", "EmoDB"])
    recipes = [
        f"hparams/{name}.yaml" for name in ("camser", "frozen", "rivals", "whole_utterances")
    ]
    files = ["crossval.py", "emodb_prepare.py", *recipes, "train.py"]
    written = [f"EmoDB/{file}" for file in files]
    assert capsys.readouterr().out.splitlines() == [
        *written, "", "python EmoDB/train.py hparams/camser.yaml --data_folder=…",
    ]  # fmt: skip
    assert sorted(str(p) for p in tmp_path.rglob("*") if p.is_file()) == sorted(
        str(tmp_path / path) for path in written
    )
    (tmp_path / "EmoDB/train.py").write_text("mine")
    with pytest.raises(SystemExit, match=r"^camser: EmoDB exists; give another folder"):
        main(["recipes", "copy", "EmoDB"])
    assert (tmp_path / "EmoDB/train.py").read_text() == "mine"
    main(["recipes", "copy", "EmoDB", "other/place"])
    assert (tmp_path / "other/place/train.py").is_file()
    with pytest.raises(SystemExit, match=r"no recipe 'EmoDb'; camser has: .*mean 'EmoDB'\?"):
        main(["recipes", "copy", "EmoDb"])


def test_every_yaml_has_a_name():
    assert "camser:IEMOCAP/hparams/demo.yaml" in yaml_names()
    assert {f"camser/recipes/{n.removeprefix('camser:')}" for n in yaml_names()} == {
        name
        for name in SHIPPED
        if name.endswith(".yaml") and ("/hparams/" in name or name.count("/") == 2)
    }


def test_the_table_of_corpora_is_that_of_the_readme(capsys):
    main(["recipes", "list", "--markdown"])
    table = f"<!-- corpora -->\n{capsys.readouterr().out}<!-- end -->"
    assert table in (RECIPES / "README.md").read_text(encoding="utf-8"), "see recipes list"
    main(["recipes", "list"])
    listed = capsys.readouterr().out
    header, *rows = recipes.corpus_table()
    assert len(rows) == 14 and {len(row) for row in rows} == {len(header)}
    assert all(cell in listed for row in rows for cell in row)
