"""A sweep's plan: a job for each that is asked for, or all that is wrong with any at once."""

from pathlib import Path

import pytest

from camser.config.command_line import SettingsError
from camser.config.settings import read_arguments
from camser.evaluation.report import published
from camser.experiment.crossval.options import read_options
from camser.experiment.crossval.plan import plan_jobs
from tests.experiment.crossval.test_crossval import ABLATION, RECIPE
from tests.helpers.recipe_runs import TINY


@pytest.fixture
def planned(corpus, prepared, iemocap, tmp_path, monkeypatch):
    """The jobs of a command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    paths = [f"--data_folder={corpus}", f"--prepared_folder={prepared}", "--device=cpu"]

    def go(*arguments):
        options, rest = read_options([*arguments, *paths])
        return plan_jobs(options, rest, iemocap.scan, RECIPE)

    return go


def test_there_is_a_job_for_each_variant_selection_seed_and_fold(planned):
    asked = ("--variants", "mfcc", "all_coatt", "--seeds", "1", "2", "--folds", "0", "9")
    jobs = planned(ABLATION, *asked, "--selections", "held_out", "test_fold")
    assert len(jobs) == 2 * 2 * 2 * 2 and len({job.folder for job in jobs}) == 16
    assert sum("selected on the test fold (optimistic)" in job.name for job in jobs) == 8
    values = read_arguments(jobs[-1].command[1:], RECIPE).values
    assert (values["variant"], values["selection"]) == ("all_coatt", "test_fold")
    assert (values["fold"], values["seed"]) == (9, 2) and Path(jobs[-1].folder) == Path(
        values["output_folder"]
    )
    by_session = ("--protocol=leave_one_session_out", "--variants", "mfcc")
    assert [len(planned(ABLATION, *by_session)), len(planned(TINY))] == [5, 10]
    assert [job.expected["fold"] for job in planned(TINY, "--folds", "3", "1")] == [3, 1]


def test_a_variant_keeps_its_name_whatever_yaml_would_make_of_it(planned, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"include: {TINY}\nvariants: {{'10': {{}}, 'null': {{}}, 'a: #b': {{}}}}\n")
    jobs = planned(str(recipe), "--folds", "0", "--output_folder=!ref run/<variant>")
    assert [str(job.folder) for job in jobs] == ["run/10", "run/null", "run/a: #b"]


def test_the_ten_rows_of_table_2_are_named_and_each_builds_its_row():
    base = read_arguments([ABLATION, "--data_folder=x"])
    found = [
        published.row_name(read_arguments([ABLATION, "--data_folder=x", f"--variant={v}"]).values)
        for v in base.variants
    ]
    assert found == list(published.TABLE_2)


def test_all_mistakes_of_all_variants_are_told_before_anything_runs(planned, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"include: {TINY}\nvariants:\n"
        "    good: {fusion: concat}\n"
        "    modality: {modalities: [mfcc, wave2vec2], fusion: concat}\n"
        "    key: {fusoin: concat}\n"
        "    plugin: {encoders: {mfcc: {plugin: mfcc_lstm}}}\n"
        "    folder: {output_folder: results/one}\n"
    )
    with pytest.raises(SettingsError) as error:
        planned(str(recipe))
    message = str(error.value)
    assert message.startswith("nothing was started")
    for words in (
        "variant modality: 'wave2vec2' is not among the encoders",
        "variant key: no setting 'fusoin'. Did you mean 'fusion'?",
        "variant plugin: camser.encoders: no plugin 'mfcc_lstm'",
        "10 runs would write results/one, e.g. folder, fold 0, seed 1234 and folder, fold 1, seed ",
    ):
        assert words in message
    assert "good" not in message and not list(tmp_path.glob("results/*"))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--fold=3"], "--fold is for one run; here it is --folds"),
        (["--variant=a"], "here it is --variants"),
        (["--folds", "12"], r"--folds: \[12\]; leave_one_speaker_out has 0 … 9"),
        (["--variants", "mfcc"], "the recipe lists no variants"),
    ],
)
def test_what_one_run_takes_a_sweep_takes_in_its_own_way(planned, arguments, words):
    with pytest.raises(SettingsError, match=words):
        planned(TINY, *arguments)
