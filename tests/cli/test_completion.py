"""Completion by the Tab key, as bash asks for it."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("argcomplete")
PROGRAM = """
import sys
from camser.cli import main
try:
    main()
finally:
    assert not {"torch", "numpy", "speechbrain"} & set(sys.modules)
"""


def completions(line, tmp_path):
    """The words that bash would offer after a line."""
    output = tmp_path / "words"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    asked |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(output), "_ARGCOMPLETE_IFS": "\n"}
    subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, **asked}, check=True)
    return {word.strip() for word in output.read_text().split("\n")}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("camser cla", {"classify"}),
        ("camser classify --smoothing ", {"mean", "median"}),
        ("camser plugins s", {"show"}),
        ("camser train --pre", {"--preset"}),
    ],
)
def test_the_shell_completes_subcommands_options_and_choices(line, words, tmp_path):
    assert completions(line, tmp_path) == words


def test_bash_itself_completes(tmp_path):
    """A shell that has read argcomplete's function calls it as the Tab key does."""
    script = f"""
    camser() {{ {sys.executable} -m camser.cli "$@"; }}
    export -f camser
    eval "$({sys.executable} -m argcomplete.scripts.register_python_argcomplete camser)"
    COMP_LINE="camser rec"
    COMP_POINT=10 COMP_TYPE=9 COMP_WORDS=(camser rec) COMP_CWORD=1
    _python_argcomplete camser rec camser && printf '%s' "${{COMPREPLY[@]}}"
    """
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.stdout.strip() == "recipes", ended.stderr
