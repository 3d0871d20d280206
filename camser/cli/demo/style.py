"""The page's look: one stylesheet for both themes and all widths, nothing from the network."""

from __future__ import annotations

import gradio as gr

# The figures' colors (``camser.evaluation.report.figures.style``) on a dark page.
DARK_INKS = {
    "0072b2": "#5ab3f0",
    "d55e00": "#ff9147",
    "009e73": "#35cf9f",
    "cc79a7": "#eba3ca",
    "000000": "#d9dde3",
    "e69f00": "#ffc24d",
    "56b4e9": "#9bd6ff",
    "b5a800": "#ded24a",
    "666666": "#9aa3af",
    "dddddd": "#4b5563",
}

CSS = """
.gradio-container .html-container { padding: 0; }
.gradio-container { max-width: 1120px !important; margin: 0 auto !important; }
.lead h1 { margin: 0 0 .2rem; font-size: 1.6rem; }
.lead p { margin: 0; color: var(--body-text-color); opacity: .75; }
.card {
  border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg);
  background: var(--block-background-fill); padding: 1rem 1.1rem;
}
.card h2 { margin: 0 0 .6rem; font-size: .95rem; font-weight: 600; }
.card .note {
  margin: .6rem 0 0; font-size: .85rem; line-height: 1.4; color: var(--body-text-color);
  opacity: .75;
}
.small { margin: 0; font-size: .85rem; color: var(--body-text-color); opacity: .75; }
.card .verdict {
  display: flex; justify-content: space-between; align-items: baseline; gap: 1rem;
  margin: 0 0 .8rem; font-size: 1.7rem; font-weight: 600; line-height: 1.2;
  overflow-wrap: anywhere;
}
.card .verdict span { font-variant-numeric: tabular-nums; font-weight: 400; }
.card .mistake { margin: 0; overflow-wrap: anywhere; }
.bars { display: grid; gap: .5rem .8rem; align-items: center;
  grid-template-columns: fit-content(40%) minmax(4rem, 1fr) auto; }
.bars .name { overflow-wrap: anywhere; }
.bars .value { text-align: right; font-variant-numeric: tabular-nums; }
.bars .track { position: relative; height: 1rem; border-radius: 4px; overflow: hidden;
  background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.bars .fill { position: absolute; inset: 0 auto 0 0; }
.bars .least { position: absolute; top: 0; bottom: 0; width: 0;
  border-left: 2px dashed var(--body-text-color); }
.drawn svg { display: block; width: 100%; height: auto; fill: var(--ink-000000, #000); }
.drawn.narrow { display: none; }
.saves { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .8rem; align-items: center; }
.saves span { font-size: .85rem; color: var(--body-text-color); opacity: .75; }
.saves a {
  padding: .3rem .8rem; border-radius: var(--radius-md); font-size: .85rem;
  border: 1px solid var(--border-color-primary); color: var(--body-text-color) !important;
  text-decoration: none !important; background: var(--background-fill-secondary);
}
.saves a:hover, .saves a:focus-visible { border-color: var(--color-accent); }
footer .divider { display: none; }
@media (max-width: 700px) {
  .drawn.wide { display: none; }
  .drawn.narrow { display: block; }
  .card { padding: .8rem .8rem; }
}
""" + "".join(f".dark {{ --ink-{name}: {ink}; }}\n" for name, ink in DARK_INKS.items())


def theme() -> gr.themes.Default:
    """Gradio's theme with installed fonts: none is downloaded."""
    sans = [gr.themes.Font(name) for name in ("system-ui", "sans-serif")]
    mono = [gr.themes.Font(name) for name in ("ui-monospace", "monospace")]
    return gr.themes.Default(font=sans, font_mono=mono)
