"""How far a long step is: lines where there is no terminal, and not for a short one."""

from camser.runtime import progress


def test_without_a_terminal_there_are_lines(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    assert list(progress.with_progress(range(3), "checking the recordings", "file")) == [0, 1, 2]
    lines = [line.strip() for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert lines[0].startswith("checking the recordings: 0 of 3, ")
    assert any(line.startswith("checking the recordings: 2 of 3, ") for line in lines)


def test_a_short_step_says_nothing(capsys):
    assert list(progress.with_progress("abc", "checking", "file")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
