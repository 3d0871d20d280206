"""Pages for the modules of camser: one for each folder or file on top of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from imports import LINES, PACKAGE, part_of

INDEX = """\
# Python

Every public class and function, by the part of `camser/` that holds it. The order is that of the
data: a part uses only what stands before it. Most programs need only
{py:class}`camser.inference.EmotionClassifier`; plugins need {py:class}`camser.encoders.Encoder`,
{py:class}`camser.fusion.Fusion` or {py:class}`camser.back_ends.BackEnd`, and `camser.testing`.

| part | holds |
|---|---|
"""
TOCTREE = "\n```{{toctree}}\n:hidden:\n\n{}\n```\n"
MODULE = """\

## {name}

```{{eval-rst}}
.. automodule:: {name}
   {members}
```
"""


def pages() -> dict[str, str]:
    """The pages by their paths."""
    parts = [part for line in LINES for part in line]
    rows = [f"| [{part}]({part}.md) | {first_line(part)} |" for part in parts]
    index = INDEX + "\n".join(rows) + "\n" + TOCTREE.format("\n".join(parts))
    return {"api/index.md": index, **{f"api/{part}.md": page(part) for part in parts}}


def page(part: str) -> str:
    """The page of a part: its modules in the order of their names, the part's own first."""
    made = (MODULE.format(name=name, members=members(names)) for name, names in modules(part))
    return f"# camser.{part}\n{''.join(made)}"


def members(names: list[str]) -> str:
    """The option of automodule for these names."""
    return f":members: {', '.join(names)}" if names else ""


def modules(part: str) -> Iterator[tuple[str, list[str]]]:
    """The modules of a part, and the public names that are documented there.

    What a package exports is documented as the package's, under the name that others import.
    """
    paths = [p for p in PACKAGE.rglob("*.py") if part_of(p) == part and p.stem != "__main__"]
    exported = {path.parent: exports(path) for path in paths if path.stem == "__init__"}
    for path in sorted(paths, key=lambda p: (p.parent, p.stem != "__init__", p.stem)):
        names = path.relative_to(PACKAGE.parent).with_suffix("").parts
        own = public_names(path)
        if path.stem == "__init__":
            yield ".".join(names[:-1]), own + exported[path.parent]
        elif own := [name for name in own if name not in exported.get(path.parent, ())]:
            yield ".".join(names), own


def public_names(path: Path) -> list[str]:
    """The classes and functions that a module defines without an underscore."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = [n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    return [node.name for node in defined if not node.name.startswith("_")]


def exports(path: Path) -> list[str]:
    """The classes and functions in the ``__all__`` of a package, but for those named as a module.

    Constants are not documented.
    """
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = [name for name in ast.literal_eval(node.value) if not name.isupper()]
            return [name for name in names if not (path.parent / f"{name}.py").is_file()]
    return []


def first_line(part: str) -> str:
    """The first line of what a part says of itself."""
    path = PACKAGE / part / "__init__.py"
    path = path if path.is_file() else PACKAGE / f"{part}.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.splitlines()[0].replace("``", "`")
