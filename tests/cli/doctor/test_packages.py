"""The doctor on Python, camser and its other packages: made-up environments and their remedies."""

import pytest

from camser.cli.doctor.checks import OPTIONAL, run_checks
from camser.cli.doctor.findings import render
from camser.cli.doctor.requirements import required
from tests.helpers.environments import PLUGIN, fails, install, noted, wrong


@pytest.mark.parametrize(("version", "mark"), [("3.9.1", "wrong"), ("3.14.0", "note")])
def test_pythons_that_are_too_old_or_untried(facts, version, mark):
    facts["python"] = version
    line = run_checks(facts)[0]
    assert (line.mark, line.name) == (mark, "python") and version in line.found
    remedy = "python3.13 -m venv .venv && .venv/bin/pip install camser"
    assert line.remedy == (remedy if mark == "wrong" else "")


def test_a_checkout_that_is_not_installed_is_told(facts):
    facts |= {"camser": None, "plugins": []}
    assert wrong(facts)[0] == {"camser": "pip install --editable ."}


def test_what_another_python_requires_is_not_required_here(facts):
    lines = (
        'a>=2; python_version >= "3" and extra == "x"',
        'a>=1; python_version < "3" and extra == "x"',
    )
    facts["camser"]["requires"] = [*lines, 'b>=1; python_version < "3"', "c", 'd; extra == "y"']
    assert {n: str(r.specifier) for n, r in required(facts, extras=True).items()} == {
        "a": ">=2",
        "d": "",
    }
    assert [*required(facts)] == ["c"]


def test_bounds_are_those_of_the_metadata(facts):
    facts["camser"]["requires"] = ["speechbrain>=9", "scipy>=8"]
    expected = {"speechbrain": 'pip install "speechbrain>=9"', "scipy": 'pip install "scipy>=8"'}
    assert wrong(facts)[0] == expected


def test_speechbrain_10_is_out_of_bounds(facts):
    install(facts, "speechbrain", "1.0.3")
    remedies, text = wrong(facts)
    assert remedies == {"speechbrain": 'pip install "speechbrain<1.2,>=1.1"'}
    assert "1.0.3; needed: <1.2,>=1.1" in text


def test_a_package_that_alone_does_not_import_is_installed_anew_alone(facts):
    fails(facts, "transformers")
    expected = "pip install --force-reinstall --no-deps transformers==5.23.0"
    assert wrong(facts)[0] == {"transformers": expected}


def test_a_broken_plugin_is_named_with_its_distribution_and_stops_no_other(facts):
    facts["plugins"].append({**PLUGIN, "name": "bad", "error": "RuntimeError: no licence"})
    remedies, text = wrong(facts)
    assert remedies == {"encoder bad": "pip install --upgrade fake"}
    assert "of fake 0.9; its import fails: RuntimeError: no licence" in text
    assert "ok    encoder echo" in render(run_checks(facts))


def test_what_is_optional_is_noted_with_its_purpose_and_its_line(facts):
    del facts["distributions"]["gradio"]
    facts["distributions"]["ray"]["version"] = "2.0"
    assert not wrong(facts)[0]
    found, remedy = noted(facts)["gradio"]
    assert OPTIONAL["gradio"] in found and remedy == "pip install gradio"
    assert noted(facts)["ray"][1] == 'pip install "ray>=2.40"'


def test_a_libsndfile_without_mp3_is_noted(facts):
    facts["imports"]["soundfile"]["formats"].remove("MP3")
    found, remedy = noted(facts)["soundfile"]
    assert found.endswith("not MP3") and remedy == "pip install --upgrade soundfile"


@pytest.mark.parametrize("offline", [False, True])
def test_a_cache_that_cannot_be_written_matters_online(facts, offline):
    facts["imports"]["huggingface_hub"] |= {"writable": False, "offline": offline}
    remedy = 'export HF_HOME="$PWD/huggingface"'
    assert wrong(facts)[0] == ({} if offline else {"cache of weights": remedy})
    assert ("HF_HUB_OFFLINE" in noted(facts)) == offline
