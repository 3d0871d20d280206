"""Before a build: writes the pages of the reference that are made from the code."""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

from hooks import api, commands, settings

FOLDER = Path(__file__).parents[1] / "reference/made"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", lambda app: write(FOLDER))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(folder: Path) -> None:
    """Write the pages that differ from those that are there, and remove the others."""
    pages = {**api.pages(), **commands.pages(), **settings.pages()}
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in folder.rglob("*.md"):
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink()
