"""A value of the command line: text stays as it was typed, or is an error."""

from hyperpyyaml import load_hyperpyyaml
from hypothesis import given
from hypothesis import strategies as st

from camser.config.settings import read_arguments
from camser.config.values import parse_value, quote_text
from tests.helpers.recipe_runs import TINY

NOT_SPECIAL = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
WORDS = st.text(st.sampled_from("ab#:,-?&*|>%@`=~.0/ \\$"), min_size=1) | st.text(
    NOT_SPECIAL, min_size=1
)


def is_plain_text(text):
    return not text.strip().startswith(("{", "[", "!", "'", '"', "~")) and not isinstance(
        parse_value(text, ""), (int, float, type(None))
    )


@given(WORDS.filter(is_plain_text))
def test_text_arrives_letter_for_letter_whatever_yaml_would_see_in_it(text):
    assert parse_value(text, "--variant") == text


@given(WORDS)
def test_quoted_text_arrives_too(text):
    value = parse_value(quote_text(text), "--variant")
    assert value == text or text.startswith("~")


def test_a_folder_with_a_comment_sign_is_the_same_folder_for_all_that_a_run_builds(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # the checkpointer makes its folder
    for name in ("run #2", "run: 2", "yes", "1:30", "2024-05-01", " a", "- a"):
        settings = read_arguments([TINY, "--data_folder=x", f"--output_folder={name}"])
        built = load_hyperpyyaml(settings.text)
        assert settings.values["output_folder"] == built["output_folder"] == name
        assert str(built["checkpointer"].checkpoints_dir) == f"{name}/save"
