"""The site: `make docs` builds it from the root, so that every page stays where it is."""

import sys
from pathlib import Path

import camser

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "camser"
author = "The camser authors"
copyright = "the camser authors, Apache 2.0"
version = release = camser.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "hooks.write_pages",
    "hooks.docstrings",
    "hooks.mathml",
    "hooks.external_links",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "docs/tutorials/*.ipynb",
    "recipes/README.md",
    "recipes/*/README.md",
    "recipes/*/results/**.md",
    "examples/plugins/**README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = [
    "docs/_build",
    ".*",
    "demo",
    "results",
    "build",
    "dist",
    "tests",
    "camser",
    "bench",
    # Their sources; the site shows the executed notebooks.
    *(f"docs/tutorials/{path.stem}.md" for path in HERE.glob("tutorials/*.ipynb")),
]

# Pages: Markdown.
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # `make tutorials` executes them
nb_render_markdown_format = "myst"  # tables
highlight_language = "text"  # of blocks that name none; "none" would leave the code plain too

# Docstrings: SpeechBrain's headings, which napoleon reads as numpy's; their types are words.
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"show-inheritance": True}
nitpicky = True
suppress_warnings = ["ref.python"]  # a word of a type, such as "labels", may be two attributes
nitpick_ignore_regex = [("py:.*", r"(?!camser\.).*")]

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"camser {release}"
html_additional_pages = {"index": "redirect.html"}
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_search_scorer = str(HERE / "static/scorer.js")
templates_path = ["templates"]
