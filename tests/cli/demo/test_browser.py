"""The demo's page in a real browser: all that it asks for comes from its own server."""

import contextlib
import json
import shutil

import pytest

from tests.helpers.refused_recordings import broken
from tests.helpers.tiny_export import LABELS

playwright = pytest.importorskip("playwright.sync_api")
SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if not program:
        pytest.skip(f"none of these is installed: {', '.join(names)}")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=list(SWITCHES))
        yield browser
        browser.close()


@pytest.fixture
def tab(browser, address):
    """The page, and all that it asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, asked = context.new_page(), []
    page.set_default_timeout(60000)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.get_by_role("button", name="Changing").wait_for()
    yield page
    outside = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    context.close()
    assert not outside


def drawn(page, count):
    """Wait until this many figures are seen, and the answer that brought them has ended."""
    page.locator(".drawn.wide svg").nth(count - 1).wait_for()
    page.locator(".generating").first.wait_for(state="detached")
    assert page.locator(".drawn:visible").count() == count


def test_a_clip_is_uploaded_and_shown(tab, classifier, clip):
    tab.set_input_files("input[type=file]", str(clip))
    drawn(tab, 2)
    own = classifier.classify(clip)
    verdict = tab.locator(".verdict").inner_text()
    assert own.emotion in verdict and f"{100 * own.confidence:.0f} %" in verdict
    assert tab.locator(".bars .name").all_inner_texts() == list(LABELS)
    shown = [
        float(value.removesuffix(" %")) for value in tab.locator(".bars .value").all_inner_texts()
    ]
    assert shown == pytest.approx([100 * p for p in own.probabilities.values()], abs=0.06)
    assert tab.locator(".drawn.wide").first.get_attribute("aria-label").startswith("Probabilities")
    with tab.expect_download() as download:
        tab.get_by_role("link", name="JSON").click()
    saved = json.loads(download.value.path().read_text())
    assert download.value.suggested_filename == "changing.json"
    assert saved["source"] == clip.name and len(saved["windows"]) == 12
    # Nothing is cut off on a phone.
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.locator(".drawn.narrow svg").first.wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_example_and_the_least_confidence(tab):
    tab.get_by_role("button", name="Sad", exact=True).click()
    drawn(tab, 2)
    tab.get_by_role("button", name="Settings").click()
    for least in ("1", "0.95", "1"):  # what has just been opened may not listen yet
        tab.get_by_label("number input for Least confidence").fill(least)
        tab.keyboard.press("Tab")
        with contextlib.suppress(playwright.TimeoutError):
            tab.get_by_text("not sure").wait_for(timeout=10000)
            break
    assert tab.locator(".least").count() == len(LABELS)


def test_a_broken_file_gets_its_message_and_hides_what_was_shown(tab, tmp_path):
    tab.get_by_role("button", name="Angry", exact=True).click()
    drawn(tab, 2)
    tab.get_by_label("Clear").first.click()
    tab.locator(".drawn").first.wait_for(state="hidden")
    tab.set_input_files("input[type=file]", str(broken("text", tmp_path)))
    tab.locator(".mistake").wait_for()
    assert (
        tab.locator(".mistake")
        .inner_text()
        .startswith("text.wav: is no recording in a known format")
    )
    assert not tab.locator(".drawn:visible").count()
