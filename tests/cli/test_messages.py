"""``--quiet`` and ``--verbose``: what is printed beside the results."""

import logging
import sys
import warnings

import numpy as np
import pytest
import soundfile

from camser import cli
from camser.cli.messages import messages_at
from camser.runtime.progress import with_progress


@pytest.fixture
def classify(export, wave_path, tmp_path, capfd):
    """``classify(options)`` returns the output for a silent, a good and a missing file."""
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    files = [tmp_path / "silent.wav", wave_path, tmp_path / "gone.wav"]

    def run(*options):
        with pytest.raises(SystemExit) as end:
            cli.main([*options, "classify", f"--model={export}", "--device=cpu", *map(str, files)])
        assert end.value.code == 1
        return capfd.readouterr()

    return run


def test_levels_change_what_stands_beside_the_results(classify):
    usual, quiet, verbose = classify(), classify("--quiet"), classify("--verbose")
    assert usual.out == quiet.out == verbose.out and "gone.wav" not in usual.out
    (only,) = [line for line in quiet.err.splitlines() if line.strip()]
    assert only.startswith("camser: ") and "gone.wav" in only
    assert "camser: warning: " in usual.err and "silent.wav: is silent" in usual.err
    assert "PyTorch computes on cpu" in verbose.err and "PyTorch" not in usual.err


def test_an_option_stands_before_or_after_the_subcommand():
    parse = cli._parser().parse_args
    assert parse(["-q", "doctor"]).level == parse(["doctor", "--quiet"]).level == logging.ERROR
    assert not hasattr(parse(["doctor"]), "level")
    with pytest.raises(SystemExit):
        parse(["doctor", "-q", "-v"])


def test_without_messages_there_are_no_warnings_and_no_progress(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with messages_at(logging.ERROR):
        warnings.warn("of another package", stacklevel=1)
        logging.getLogger("another").warning("package")
        assert list(with_progress("ab", "checking", "file")) == ["a", "b"]
    assert capsys.readouterr() == ("", "")
    list(with_progress("ab", "checking", "file"))
    assert "checking" in capsys.readouterr().err
