"""The site is built without a warning, needs nothing from elsewhere, and its search finds pages."""

import os
import re
import shutil
import subprocess
import sys
from urllib.parse import unquote, urlsplit

import pytest

from tests.helpers.recipe_runs import ROOT

pytestmark = pytest.mark.slow
# What a visitor types, and a page that answers, which must be among the first three.
QUESTIONS = {
    "CSV": "docs/how_to/own_recordings",
    "GPU": "docs/how_to/gpu",
    "layer": "docs/how_to/pretrained_encoder",
    "m4a": "docs/how_to/formats",
    "Slurm": "docs/how_to/cluster",
    "speaker unknown": "docs/how_to/unknown_speakers",
    "calibration": "docs/how_to/calibrate",
    "resume": "docs/how_to/resume",
    "ONNX": "docs/how_to/onnx",
    "offline": "docs/how_to/offline",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; there is no network for the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q"]
    no_network = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    built = subprocess.run(
        [*command, "-c", "docs", "-d", folder / "doctrees", ".", folder / "html"],
        cwd=ROOT, env={**os.environ, **no_network}, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder / "html"


def test_pages_fetch_nothing_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    for path in pages:
        page = path.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe|source|embed)\b[^>]*?\bsrc=\"([^\"]+)\"", page)
        for tag in re.findall(r"<link\b[^>]*>", page):
            if 'rel="canonical"' not in tag:
                fetched += re.findall(r"\bhref=\"([^\"]+)\"", tag)
        assert not [f for f in fetched if "//" in f and not f.startswith("data:")], path
    for path in [*site.rglob("*.css"), *site.rglob("*.js")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?:url\(|@import|importScripts\()\s*[\"']?(?:https?:)?//", text), (
            path
        )


def test_links_within_the_site_lead_to_a_page_and_an_anchor(site):
    anchors = {}
    for path in site.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        anchors[path.resolve()] = set(re.findall(r"\b(?:id|name)=\"([^\"]+)\"", page))
    for path in anchors:
        if path.is_relative_to(site / "_modules"):
            continue  # Sphinx's pages of code; from there, a name that a package exports is missed
        for link in re.findall(r"<a\b[^>]*?\bhref=\"([^\"]+)\"", path.read_text(encoding="utf-8")):
            parts = urlsplit(link.replace("&amp;", "&"))
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path}: {link}"
            if parts.fragment and target in anchors:
                assert unquote(parts.fragment) in anchors[target], f"{path}: {link}"


@pytest.fixture(scope="module")
def find(site):
    """The pages that the site's own search finds, the best first."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if not program:
        pytest.skip(f"none of these is installed: {', '.join(names)}")

    def search(page, words):
        page.goto(f"{(site / 'search.html').as_uri()}?q={words}")
        page.locator("#search-results p.search-summary").filter(has_text="found").wait_for()
        links = page.locator("#search-results ul.search li > a")
        found = [urlsplit(a.get_attribute("href")).path for a in links.all()]
        return list(dict.fromkeys(name.removesuffix(".html") for name in found))

    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        yield lambda words: search(page, words)
        browser.close()


@pytest.mark.parametrize("words", QUESTIONS)
def test_the_search_finds_the_page_that_answers(find, words):
    found = find(words)
    assert QUESTIONS[words] in found[:3], found[:10]
