"""Labels of no class: they are counted, and a warning where one is nearly a class."""

from collections import Counter
from dataclasses import replace

import pytest

from camser.data.left_out import log_left_out
from camser.data.prepare import CorpusError, prepare
from tests.data.conftest import LABELS


@pytest.mark.parametrize(
    ("left_out", "warned"),
    [
        ({"frustrated": 1849, "undecided": 2507}, ()),  # ordinary in IEMOCAP
        ({"bored": 81, "fearful": 69, "disgusted": 46, "surprised": 1, "calm": 1}, ()),
        ({"HAPPY": 2, "sad ": 1, "neutrall": 1}, ("'HAPPY'", "'sad '", "'neutrall'")),
    ],
)
def test_a_label_that_is_nearly_a_class_is_a_warning(left_out, warned, caplog):
    caplog.set_level("INFO")
    log_left_out(left_out, LABELS)
    (record,) = caplog.records
    assert record.levelname == ("WARNING" if warned else "INFO")
    assert all(f"{name} {number}" in record.message for name, number in left_out.items())
    assert all(f"{name} is nearly" in record.message for name in warned)


def test_without_labels_of_no_class_nothing_is_said(caplog):
    caplog.set_level("INFO")
    log_left_out({}, LABELS)
    assert not caplog.records


def test_labels_of_no_class_are_counted(iemocap, corpus, tmp_path):
    def scan(folder):
        found = iemocap.scan(folder)
        first = replace(found.utterances[0], emotion="Angry")
        return replace(found, utterances=[first, *found.utterances[1:]])

    scanned = Counter(u.emotion for u in scan(corpus).utterances)
    with pytest.raises(CorpusError, match=r"left out: .*Angry 1.*'Angry' is nearly 'angry'"):
        prepare(scan, corpus, tmp_path, LABELS, {"excited": "happy"})
    settings = LABELS, {"excited": "happy"}, True
    found = prepare(scan, corpus, tmp_path, *settings)
    others = {e: n for e, n in scanned.items() if e not in (*LABELS, "excited")}
    assert found.left_out == others and found.left_out["Angry"] == 1
    assert list(found.left_out.values()) == sorted(others.values(), reverse=True)
    with pytest.raises(CorpusError, match=r"no utterance of joyful(.|\n)*left out: "):
        prepare(scan, corpus, tmp_path, ["joyful"], {}, True)
