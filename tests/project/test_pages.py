"""What the site's pages show can be typed: commands, snippets and links."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from camser.cli import _parser
from camser.cli.probe.command import _parser as probe_parser
from camser.cli.train.command import add_recipe_options
from camser.config.command_line import RUN_OPTIONS, split_arguments
from camser.config.schema import KEYS, Recipe
from camser.config.settings import read_arguments
from camser.evaluation.report.table_1 import SYSTEMS
from camser.experiment.crossval.options import read_options
from tests.helpers.recipe_runs import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *DOCS.glob("*.md"),
        *DOCS.glob("how_to/*.md"),
        *DOCS.glob("tutorials/*.md"),
        *DOCS.glob("understand/*.md"),
        *DOCS.glob("reference/*.md"),
    ]
)
MADE = DOCS / "reference/made"  # written when the site is built
ENDS = {"|", "&&", ";", "&", ">", "<", "||"}  # of a command


def blocks(path, *languages):
    """The code blocks of a page in these languages; a notebook's cells are Python, or say more."""
    text = path.read_text(encoding="utf-8")
    text = text.replace("```{code-cell}\n%%", "```").replace("```{code-cell}", "```python")
    found = re.findall(r"^```(\w+)[^\n]*\n(.*?)^```$", text, re.S | re.M)
    return [body for language, body in found if language in languages]


def commands(path):
    """The words of each command of a page's shell blocks."""
    for body in blocks(path, "sh", "bash"):
        body = body.replace("$SLURM_ARRAY_TASK_ID", "0").replace(" 2> ", " > ")
        for line in body.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = []
            for word in [*lexer, ";"]:
                if word not in ENDS:
                    words.append(word)
                elif words:
                    yield words
                    words = []


def of_program(name):
    """All commands of a program, each with its page."""
    found = [(page.name, words) for page in PAGES for words in commands(page)]
    return [(page, words[i:]) for page, words in found for i in positions(words, name)]


def positions(words, name):
    """Where the program's name is, behind ``srun``, ``torchrun`` and settings of variables."""
    return [i for i, word in enumerate(words) if word == name or word.endswith(f"/{name}")][:1]


def test_there_is_a_page_for_each_task():
    assert len(list(DOCS.glob("how_to/*.md"))) >= 18 and len(of_program("camser")) > 30


@pytest.mark.parametrize("page, words", of_program("camser"))
def test_the_command_and_its_options_exist(page, words):
    if words[1:2] == ["probe"]:
        parser = probe_parser()
        if words[2].endswith(".yaml"):
            _, overrides = parser.parse_known_args(words[3:])
            return check_settings(overrides)
        add_recipe_options(parser)
        parser.parse_args(words[2:])
    elif words[1:3] == ["plugins", "describe"]:
        check_settings(words[4:])
    else:
        _parser().parse_args(words[1:])


def check_settings(arguments):
    """Raise unless each ``--key=value`` is a setting or an option of a run."""
    rest, overrides, _ = split_arguments(arguments)
    options = {word.removeprefix("--").partition("=")[0] for word in rest if word[:2] == "--"}
    assert not overrides.keys() - KEYS - {*Recipe.__annotations__} and not options - RUN_OPTIONS


def recipe_commands():
    """The commands that run a recipe: page, script, its YAML, and the other arguments."""
    found = [*of_program("train.py"), *of_program("crossval.py")]
    return [(page, path, yaml, arguments) for page, (path, yaml, *arguments) in found]


def recipe_path(path, yaml):
    """The YAML that a recipe's script reads; None where a reader's own or a copy is meant."""
    folder = ROOT / Path(path).parent
    return next((p for p in (folder / yaml, ROOT / yaml) if p.is_file()), None)


@pytest.mark.parametrize("page, path, yaml, arguments", recipe_commands())
def test_the_recipe_and_its_settings_exist(page, path, yaml, arguments):
    if path.startswith("recipes/"):
        assert recipe_path(path, yaml)
    if path.endswith("crossval.py"):
        _, arguments = read_options(arguments)
    check_settings(arguments)


@pytest.mark.slow
@pytest.mark.parametrize("page, path, yaml, arguments", recipe_commands())
def test_the_recipe_reads_its_overrides(page, path, yaml, arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    options = read_options(arguments)[1] if path.endswith("crossval.py") else arguments
    if (found := recipe_path(path, yaml)) is not None:
        assert read_arguments([str(found), *options]).values["data_folder"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets_compile_and_import_what_exists(page):
    for body in blocks(page, "python"):
        tree = ast.parse(body)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("camser"):
                missing = {alias.name for alias in node.names} - names_of(node.module)
                assert not missing or node.module.startswith("camser_"), f"{node.module}: {missing}"


def names_of(module):
    """The names of a module of camser, read without importing it."""
    path = ROOT / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        return set()
    names = {p.stem for p in path.parent.iterdir()} if path.stem == "__init__" else set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names |= {getattr(node, "name", "")}
        names |= {a.asname or a.name for a in getattr(node, "names", ()) if hasattr(a, "name")}
        assigned = {t.id for t in getattr(node, "targets", ()) if isinstance(t, ast.Name)}
        names |= {*assigned, *(ast.literal_eval(node.value) if "__all__" in assigned else ())}
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_relative_links_lead_to_a_file(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        target = (page.parent / link).resolve()
        if "://" not in link and not target.is_relative_to(MADE):
            assert target.exists(), link


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for page in PAGES:
        for body in re.findall(r"^```\{toctree\}\n(.*?)^```$", page.read_text(), re.S | re.M):
            for line in body.splitlines():
                name = line.partition("<")[2].rstrip(">") or line
                listed.add((page.parent / f"{name}.md").resolve())
    assert not [page.name for page in PAGES if page not in listed and page.name != "index.md"]


def test_table_1_is_as_the_report_prints_it():
    page = (DOCS / "understand/comparing.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:4]] for line in page.splitlines() if "|" in line
    ]
    shown = {(re.sub(r" \(.*20\d\d\)$", "", name), WA, UA) for name, WA, UA in rows}
    for systems in SYSTEMS.values():
        for system in systems:
            scores = ("–" if v is None else f"{v:.2f}" for v in (system.WA, system.UA))
            assert (system.name.partition(",")[0], *scores) in shown
