"""Cross-validation: the plan and its errors, processes and logs, what is finished, the end."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, TINY

from camser.arguments import SettingsError
from camser.report import published
from camser.report.collecting import collect
from camser.report.write import write_report
from camser.results import read_results
from camser.sealed import sealed
from camser.settings import read_arguments
from camser.sweep import crossval, local
from camser.sweep.options import Resources, read_options, resources
from camser.sweep.plan import Job, plan
from camser.sweep.process import LOG, last_line, run_process

RECIPE = ROOT / "recipes/IEMOCAP"
ABLATION = str(ROOT / "tests/hparams/ablation.yaml")


@pytest.fixture
def planned(corpus, prepared, iemocap, tmp_path, monkeypatch):
    """The jobs of a command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    paths = [f"--data_folder={corpus}", f"--prepared_folder={prepared}", "--device=cpu"]

    def go(*arguments):
        options, rest = read_options([*arguments, *paths])
        return plan(options, rest, iemocap.scan, RECIPE)

    return go


@pytest.fixture
def sweep(corpus, prepared, iemocap, tmp_path, monkeypatch):
    """A whole sweep in an empty folder, its runs in this process; returns the jobs that ran."""
    from camser.experiment import main

    monkeypatch.chdir(tmp_path)
    started = []

    def launch(jobs, share, num_gpus):
        for job in jobs:
            started.append(job.name)
            monkeypatch.setattr(sys, "argv", list(job.command))
            try:
                main(iemocap.scan, RECIPE)
                yield job, 0
            except SystemExit as error:
                job.folder.mkdir(parents=True, exist_ok=True)
                (job.folder / LOG).write_text(f"{error}\n")
                yield job, 1

    def go(*arguments):
        paths = [f"--data_folder={corpus}", f"--prepared_folder={prepared}"]
        common = ["--device=cpu", "--noprogressbar", *paths]
        monkeypatch.setitem(crossval.LAUNCH, "local", launch)
        monkeypatch.setattr(sys, "argv", ["crossval.py", *arguments, *common])
        started.clear()
        crossval.main(iemocap.scan, RECIPE)
        return list(started)

    return go


def test_there_is_a_job_for_each_variant_selection_seed_and_fold(planned):
    asked = ("--only", "mfcc", "all_coatt", "--seeds", "1", "2", "--folds", "0", "9")
    jobs = planned(ABLATION, *asked, "--selections", "held_out", "test_fold")
    assert len(jobs) == 2 * 2 * 2 * 2 and len({job.folder for job in jobs}) == 16
    assert sum("selected on the test fold (optimistic)" in job.name for job in jobs) == 8
    values = read_arguments(jobs[-1].command[1:], RECIPE).values
    assert (values["variant"], values["selection"]) == ("all_coatt", "test_fold")
    assert (values["fold"], values["seed"]) == (9, 2) and Path(jobs[-1].folder) == Path(
        values["output_folder"]
    )
    by_session = ("--protocol=leave_one_session_out", "--only", "mfcc")
    assert [len(planned(ABLATION, *by_session)), len(planned(TINY))] == [5, 10]
    assert [job.expected["fold"] for job in planned(TINY, "--folds", "3", "1")] == [3, 1]


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
        "variant modality: modality 'wave2vec2' is not among the encoders",
        "variant key: no setting 'fusoin'. Did you mean 'fusion'?",
        "variant plugin: camser.encoders: no plugin 'mfcc_lstm'",
        "would both write results/one",
    ):
        assert words in message
    assert "good" not in message and not list(tmp_path.glob("results/*"))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--fold=3"], "--fold is for one run; here it is --folds"),
        (["--variant=a"], "here it is --only"),
        (["--folds", "12"], r"--folds: \[12\]; leave_one_speaker_out has 0 … 9"),
        (["--only", "mfcc"], "the recipe lists no variants"),
    ],
)
def test_what_one_run_takes_a_sweep_takes_in_its_own_way(planned, arguments, words):
    with pytest.raises(SettingsError, match=words):
        planned(TINY, *arguments)


def test_what_is_finished_is_skipped_and_what_is_damaged_is_named_and_repeated(sweep, capsys):
    asked = (TINY, "--folds", "0", "1", "--modalities=[spectrogram]", "--fusion=concat")
    assert len(sweep(*asked)) == 2
    first, second = sorted(Path("results").rglob("results.json"))
    whole, before = first.read_text(), second.stat().st_mtime_ns
    assert sweep(*asked) == []
    first.write_text(whole[:100])
    capsys.readouterr()
    assert sweep(*asked) == ["tiny, fold 0, seed 1234"]
    told = capsys.readouterr().out
    assert f"{first} is damaged" in told and "2 runs, 1 of them finished before" in told
    again, earlier = json.loads(first.read_text()), json.loads(whole)
    assert {k: again[k] for k in ("WA", "UA", "confusion")} == {
        k: earlier[k] for k in ("WA", "UA", "confusion")
    }
    assert second.stat().st_mtime_ns == before
    with pytest.raises(SystemExit, match="other settings:\n  batch_size: 16, now 8"):
        sweep(*asked, "--batch_size=8")
    changed = json.loads(whole) | {"manifest": "another"}
    first.write_text(json.dumps(sealed(changed)))
    with pytest.raises(SystemExit, match="is of another run: its manifest is 'another'"):
        sweep(*asked)


def test_a_failed_run_stops_no_other_and_is_told_at_the_end(sweep, capsys, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"include: {TINY}\nmodalities: [spectrogram]\nfusion: concat\nvariants:\n"
        "    broken: {encoders: {spectrogram: {weights: nowhere.safetensors}}}\n"
        "    whole: {fusion: concat}\n"
    )
    with pytest.raises(SystemExit) as error:
        sweep(str(recipe), "--folds", "0")
    assert str(error.value).startswith("1 of 2 runs failed:\n  broken, fold 0, seed 1234: results/")
    assert f"{LOG}\n    error: encoder 'spectrogram': the weights" in str(error.value)
    told = capsys.readouterr().out
    assert "[1/2, 0:00:" in told and "broken, fold 0, seed 1234: failed, see" in told
    assert "[2/2, 0:00:" in told and "whole, fold 0, seed 1234: WA" in told


@pytest.mark.slow
def test_ten_rows_and_both_protocols_make_a_report(sweep, tmp_path):
    assert len(sweep(ABLATION, "--folds", "0")) == 10
    asked = ("--protocol=leave_one_session_out", "--folds", "0", "--only", "all_coatt")
    assert len(sweep(ABLATION, *asked)) == 1
    sections = collect(["results"])
    assert [s.protocol for s in sections] == ["leave_one_session_out", "leave_one_speaker_out"]
    rows = [published.row_name(v.settings) for v in sections[1].variants.values()]
    assert rows == list(published.TABLE_2)
    page = write_report(collect(["results"]), "report")
    told = page.with_suffix(".md").read_text()
    for name in ("tsne", "attention", "confusion", "reliability", "curves-all_coatt", "groups"):
        assert f"iemocap-leave_one_speaker_out-held_out-{name}.png" in told
    assert "Table 1 of Zou et al., 2022" in told


# Processes: stand-ins for runs, which need not import anything ---------------------------------


def stand_in(folder, text):
    folder.mkdir()
    (folder / "train.py").write_text(text)
    return Job(folder.name, (str(folder / "train.py"), "--x"), folder, {})


def test_jobs_run_some_at_once_each_with_its_own_log_and_its_share(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    text = (
        "import os, sys, time, beside; time.sleep(0.5)\n"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['CUDA_VISIBLE_DEVICES'], sys.argv[1:])\n"
        "sys.exit({status})"
    )
    jobs = [stand_in(tmp_path / str(i), text.format(status=i)) for i in range(4)]
    for job in jobs:
        (job.folder / "beside.py").touch()
    ended = list(local.launch(jobs, Resources(2, 3, 0.5), num_gpus=2))
    assert {job.name: status for job, status in ended} == {str(i): i for i in range(4)}
    logs = [(job.folder / LOG).read_text() for job in jobs]
    assert all(log.startswith("$ python /") for log in logs)
    assert {last_line(job.folder) for job in jobs} == {"3 0 ['--x']", "3 1 ['--x']"}


def test_shares_follow_from_the_machine_and_can_be_given():
    options = read_options(["x", "--workers", "1"])[0]
    assert resources(options, 0).gpus == 0 and resources(options, 2).gpus == 1
    options = read_options(["x", "--workers", "4", "--cpus_per_job", "3"])[0]
    assert resources(options, 2) == (4, 3, 0.5)
    assert resources(read_options(["x"])[0], 3).workers == 3
    with pytest.raises(SettingsError, match="--workers is 0; it must be 1 or more"):
        resources(read_options(["x", "--workers", "0"])[0], 0)


STARTERS = {
    "process": "run_process(['train.py'], '.', {}, '.')",
    "fork": "list(launch([Job('a', ('train.py',), Path('.'), {})], Resources(1, 1, 0), 0))",
}


@pytest.mark.skipif(sys.platform != "linux", reason="jobs are tied to their sweep on Linux alone")
@pytest.mark.parametrize("way", STARTERS)
def test_jobs_end_when_their_sweep_is_killed(tmp_path, way):
    (tmp_path / "train.py").write_text(
        "import os, time\nopen('number', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    (tmp_path / "sweep.py").write_text(
        "from pathlib import Path\n"
        "from camser.sweep.local import Job, Resources, launch\n"
        "from camser.sweep.process import run_process\n"
        f"if __name__ == '__main__':\n    {STARTERS[way]}"
    )
    process = subprocess.Popen([sys.executable, "sweep.py"], cwd=tmp_path)
    number = tmp_path / "number"
    deadline = time.monotonic() + 60
    while not (number.exists() and number.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while is_running(int(number.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(int(number.read_text()))


def is_running(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    "error, told",
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b.csv"), "a/b.csv could not be writt"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), ".*Not a directory: 'a/b'"),
    ],
)
def test_planning_ends_with_a_line(sweep, iemocap, listening, monkeypatch, error, told):
    def scan(folder):
        raise error

    monkeypatch.setattr(iemocap, "scan", scan)
    with pytest.raises(SystemExit, match=f"^error: {told}"):
        sweep(TINY)


def test_planning_ends_for_a_signal(sweep, iemocap, listening, monkeypatch):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(iemocap, "scan", lambda folder: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(SystemExit) as ended:
        sweep(TINY)
    assert ended.value.code == 130


def test_a_log_keeps_what_was_there_before(tmp_path):
    for text in ("print('one')", "print('two')"):
        assert run_process(["-c", text], "run", {}, str(tmp_path)) == 0
    lines = (tmp_path / "run" / LOG).read_text().splitlines()
    assert lines == ["$ python -c print('one')", "one", "$ python -c print('two')", "two"]


def test_a_job_imports_nothing_from_the_working_folder(tmp_path):
    (tmp_path / "ctypes.py").write_text("open('strange', 'w')")
    assert run_process(["-c", "pass"], "run", {}, str(tmp_path)) == 0
    assert not (tmp_path / "strange").exists()


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_ends_as_an_undisturbed_one(corpus, tmp_path):
    script = [sys.executable, str(RECIPE / "crossval.py"), ABLATION, "--folds", "0", "1"]
    script += ["--only", "mfcc", "all_coatt", "--device=cpu", "--noprogressbar", "--workers", "2"]
    script += [f"--data_folder={corpus}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    folders = tmp_path / "whole", tmp_path / "killed"
    for folder in folders:
        folder.mkdir()
    subprocess.run(script, cwd=folders[0], env=environment, check=True)
    kept = {}
    for seconds in (30, 45):
        process = subprocess.Popen(script, cwd=folders[1], env=environment)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        kept |= {p: p.stat().st_mtime_ns for p in folders[1].rglob("results.json")}
    subprocess.run(script, cwd=folders[1], env=environment, check=True)
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())
    assert same_results(*folders) == 4


@pytest.mark.slow
def test_ray_gives_the_results_of_the_local_launcher(corpus, tmp_path):
    pytest.importorskip("ray")
    script = [sys.executable, str(RECIPE / "crossval.py"), ABLATION, "--folds", "0"]
    script += ["--only", "mfcc", "all_coatt", "--device=cpu", "--noprogressbar", "--workers", "2"]
    script += ["--cpus_per_job", "1", f"--data_folder={corpus}"]
    folders = tmp_path / "local", tmp_path / "ray"
    for folder in folders:
        folder.mkdir()
        subprocess.run([*script, "--launcher", folder.name], cwd=folder, check=True)
    assert same_results(*folders) == 2


def same_results(one, other):
    """How many runs there are, all alike but for the time they took."""
    found = [
        {p.relative_to(folder): read_results(p) for p in folder.rglob("results.json")}
        for folder in (one, other)
    ]
    assert found[0].keys() == found[1].keys()
    for name, results in found[0].items():
        assert results | {"seconds": 0} == found[1][name] | {"seconds": 0}
        predictions = [(folder / name).with_name("predictions.csv") for folder in (one, other)]
        assert predictions[0].read_bytes() == predictions[1].read_bytes()
    return len(found[0])
