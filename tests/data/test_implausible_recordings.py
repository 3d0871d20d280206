"""Preparation lists the recordings that look wrong, each time, and uses them."""

import shutil

import numpy as np
import pytest
import soundfile

from camser.data.manifest import Utterance
from camser.data.pack import Contents
from camser.data.prepare import CorpusError
from camser.data.summary import MAX_OF_KIND, describe_findings

NOISE = np.random.default_rng(0).normal(0, 0.1, 16000)


@pytest.fixture
def spoiled(copy, go):
    """A corpus, its utterances, and those to which something happened, by kind."""
    utterances = go(copy)
    victims = dict(
        zip(("silent", "near-empty", "clipped", "no speech"), utterances[3:], strict=False)
    )
    for samples, u in zip((0 * NOISE, NOISE[:9], 50 * NOISE, NOISE), victims.values(), strict=True):
        soundfile.write(copy / u.path, samples.clip(-1, 1), 16000)
    victims["duplicate"] = utterances[20]
    shutil.copy(copy / utterances[19].path, copy / utterances[20].path)
    return copy, utterances, victims


def test_they_are_listed_each_time_and_used(spoiled, go, caplog, decoded):
    folder, utterances, victims = spoiled
    caplog.clear()
    assert [u.id for u in go(folder)] == [u.id for u in utterances]
    (record,) = (r for r in caplog.records if r.levelname == "WARNING")
    assert str(folder) in record.message
    assert "recordings that look wrong, and are used (" in record.message
    lines = dict(line.strip().split(": ", 1) for line in record.message.splitlines()[1:])
    assert lines[victims["silent"].path] == "is silent: every sample is 0"
    assert lines[victims["near-empty"].path] == "lasts 0.562 ms, too short for speech"
    assert lines[victims["clipped"].path].startswith("is clipped: 8")
    first, second = utterances[19:21]
    label = f", labeled {first.emotion}" if first.emotion != second.emotion else ""
    assert lines[second.path] == f"has the samples of {first.path}{label}"
    caplog.clear()
    decoded.clear()
    go(folder)
    assert record.message in caplog.messages and not decoded


def test_they_are_listed_with_the_problems(spoiled, go):
    folder, utterances, victims = spoiled
    (folder / utterances[0].path).unlink()
    with pytest.raises(CorpusError) as caught:
        go(folder)
    problems, _, listed = str(caught.value).partition("recordings that look wrong")
    assert "there is no such file" in problems and victims["silent"].path in listed


def test_many_of_a_kind_hide_no_other():
    rows = [Utterance(f"c/{n}", "c", f"{n}.wav", 1.0, "c/1", "male") for n in range(30)]
    contents = {u.id: Contents(u.id, [("clipped", "is clipped")]) for u in rows}
    contents["c/29"] = Contents("c/29", [("silent", "is silent")])
    text = describe_findings(rows, contents)
    assert "(clipped 29, silent 1)" in text and "29.wav: is silent" in text
    assert text.count("is clipped") == MAX_OF_KIND and "… and 19 more: clipped" in text
    assert describe_findings(rows, {u.id: Contents(u.id, []) for u in rows}) == ""
