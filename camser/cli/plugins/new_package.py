"""``camser plugins new``: a complete small package with one plugin, to be changed by its author."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from string import Template

import camser
from camser import registry
from camser.runtime.files import atomic_folder

KINDS = {
    "encoder": {
        "article": "an",
        "small": "channels=8",  # for quick tests
        "override": '--encoders="{NAME: {plugin: NAME}}" --modalities="[mfcc, NAME]" '
        "--fusion=concat",
    },
    "fusion": {
        "article": "a",
        "small": "size=8",
        "override": '--fusions="{NAME: {plugin: NAME}}" --fusion=NAME',
    },
}


def write_package(name: str, kind: str, folder: str | Path | None = None) -> list[Path]:
    """Write a package that can be installed and passes its own tests.

    Arguments
    ---------
    name : str
        Name of the plugin in recipes.
    kind : str
        "encoder" or "fusion".
    folder : str or Path, optional
        The folder to make; by default named after the distribution, in the current one.

    Returns
    -------
    list of Path
        The written files.

    Raises
    ------
    ValueError
        If the name is not valid, or is that of an installed plugin.
    FileExistsError
        If the folder exists.
    """
    check_name(name, kind)
    words = _words(name, kind)
    folder = Path(folder or words["distribution"])
    templates = {
        "setup.cfg": "setup.cfg",
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{words['module']}.py": f"{kind}.py",
        f"tests/test_{name}.py": "test.py",
    }
    sources = files("camser.cli.plugins") / "templates"
    with atomic_folder(folder) as new:
        (new / "tests").mkdir()
        for path, template in templates.items():
            text = Template((sources / f"{template}.txt").read_text("utf-8")).substitute(words)
            (new / path).write_text(text, encoding="utf-8")
    return [folder / path for path in templates]


def check_name(name: str, kind: str) -> None:
    """Raise a ValueError unless a new plugin can have this name."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise ValueError(
            f"the name is {name!r}; it must be lower-case letters, digits and single "
            f"underscores, and begin with a letter, e.g. 'late_vote2'"
        )
    for point in registry.find_all(kind, name):
        dist = registry.distribution_of(point)
        raise ValueError(
            f"{dist.name} {dist.version} has {KINDS[kind]['article']} {kind} {name!r} "
            f"already; a recipe could not distinguish them by this name: give another"
        )


def _words(name: str, kind: str) -> dict[str, str]:
    """The values of the placeholders in the templates."""
    cls = "".join(word.capitalize() for word in name.split("_"))
    if not cls.endswith(kind.capitalize()) or cls == kind.capitalize():
        cls += kind.capitalize()  # so that it hides nothing that its module imports
    return {
        **KINDS[kind],
        "name": name,
        "kind": kind,
        "cls": cls,
        "module": f"camser_{name}",
        "distribution": f"camser-{name.replace('_', '-')}",
        "group": registry.GROUPS[kind],
        "camser": camser.__version__,
        "override": KINDS[kind]["override"].replace("NAME", name),
    }
