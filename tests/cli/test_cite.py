"""`camser cite`: the references of what runs used, and of nothing else."""

import re

import pytest

from camser import __version__
from camser.cli import cite, main
from camser.cli.recipes import corpus_table
from tests.helpers import run_files


def keys(text):
    return re.findall(r"^@\w+\{(\w+),$", text, re.M)


def plugin(kind, name, distribution="camser"):
    return {"kind": kind, "plugin": name, "distribution": distribution, "version": "1"}


PLUGINS = {
    "mfcc": plugin("encoder", "mfcc_bilstm"),
    "wav2vec2": plugin("encoder", "wav2vec2"),
    "mine": plugin("encoder", "prosody", "camser-prosody"),
    "co_attention": plugin("fusion", "co_attention"),
}


@pytest.fixture
def run(tmp_path):
    folder = run_files.make(tmp_path, "camser", more={"plugins": PLUGINS})
    (folder / "manifest.csv").write_text("id,corpus\na,emodb\nb,my_calls\nc,emodb\n")
    return folder


def test_what_a_run_used_is_cited_once(run, capsys):
    main(["cite", str(run.parent), str(run)])
    printed = capsys.readouterr().out
    assert keys(printed) == [
        "camser", "ravanelli2024speechbrain", "zou2022coattention", "baevski2020wav2vec",
        "burkhardt2005emodb",
    ]  # fmt: skip
    assert f"version = {{{__version__}}}" in printed
    assert re.findall(r"^% (.+):", printed, re.M) == ["corpus my_calls", "encoder prosody"]


def test_the_encoder_is_the_one_that_was_loaded_and_emobox_is_cited(run, capsys):
    config = '{"encoders": {"wav2vec2": {"plugin": "wav2vec2", "config": {"model_type": "wavlm"}}}}'
    (run / "architecture.json").write_text(config)
    (run / "hyperparams.yaml").write_text("corpus: emodb\nemobox: data\n")
    main(["cite", str(run)])
    found = keys(capsys.readouterr().out)
    assert {"chen2022wavlm", "ma2024emobox"} <= set(found) and "baevski2020wav2vec" not in found


def test_a_folder_without_a_run_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match=r"no results\.json below"):
        main(["cite", str(tmp_path)])


def test_every_corpus_by_name_and_every_entry_can_be_cited():
    known = [use for use, _ in cite.entries()]
    names = {"iemocap", *(row[0] for row in corpus_table()[1:])}
    assert {f"corpus {name}" for name in names} <= set(known)
    text = "".join(entry for _, entry in cite.entries())
    assert len(keys(text)) == len(set(keys(text))) == len(set(known)) == text.count("@")
    assert all(entry.count("{") == entry.count("}") for _, entry in cite.entries())
