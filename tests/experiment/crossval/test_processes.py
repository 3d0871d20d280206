"""A sweep's processes: shares, logs, either launcher, and what becomes of those that are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from camser.config.command_line import SettingsError
from camser.evaluation.results import read_results
from camser.experiment.crossval.launch import LOG, last_line, run_child, run_locally
from camser.experiment.crossval.options import Resources, read_options, resources
from camser.experiment.crossval.plan import Job
from camser.runtime.exit import STOP_NOTE
from tests.experiment.crossval.test_crossval import ABLATION, RECIPE


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
    ended = list(run_locally(jobs, Resources(2, 3, 0.5), num_gpus=2))
    assert {job.name: status for job, status in ended} == {str(i): i for i in range(4)}
    logs = [(job.folder / LOG).read_text() for job in jobs]
    assert all(log.startswith("$ python /") for log in logs)
    assert {last_line(job.folder) for job in jobs} == {"3 0 ['--x']", "3 1 ['--x']"}


def test_the_last_line_is_the_error_and_not_the_note_below_it(tmp_path):
    (tmp_path / LOG).write_text(f"Traceback …\nKeyError: 'x'\n{STOP_NOTE}\n", encoding="utf-8")
    assert last_line(tmp_path) == "KeyError: 'x'"


def test_shares_follow_from_the_machine_and_can_be_given():
    options = read_options(["x", "--workers", "1"])[0]
    assert resources(options, 0).gpus == 0 and resources(options, 2).gpus == 1
    options = read_options(["x", "--workers", "4", "--cpus_per_job", "3"])[0]
    assert resources(options, 2) == (4, 3, 0.5)
    assert resources(read_options(["x"])[0], 3).workers == 3
    with pytest.raises(SettingsError, match="--workers is 0; it must be 1 or more"):
        resources(read_options(["x", "--workers", "0"])[0], 0)


@pytest.mark.slow
def test_a_log_keeps_what_was_there_before_and_the_job_has_its_folder_and_environment(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("import os, sys; print(os.getcwd(), os.environ['X']); sys.exit(3)")
    for x in ("one", "two"):
        assert run_child([str(script)], Path("run"), str(tmp_path), {"X": x}) == 3
    lines = (tmp_path / "run" / LOG).read_text().splitlines()
    command = f"$ python {script}"
    assert lines == [command, f"{tmp_path} one", command, f"{tmp_path} two"]


STARTERS = {
    "spawn": "run_child(['train.py'], Path('.'), '.', {})",
    "fork": "list(run_locally([Job('a', ('train.py',), Path('.'), {})], Resources(1, 1, 0), 0))",
}


@pytest.mark.skipif(sys.platform != "linux", reason="jobs are tied to their sweep on Linux alone")
@pytest.mark.parametrize("way", STARTERS)
def test_jobs_end_when_their_sweep_is_killed(tmp_path, way):
    (tmp_path / "train.py").write_text(
        "import os, time\nopen('number', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    (tmp_path / "sweep.py").write_text(
        "from pathlib import Path\n"
        "from camser.experiment.crossval.launch import Job, Resources, run_child, run_locally\n"
        f"if __name__ == '__main__':\n    {STARTERS[way]}"
    )
    process = subprocess.Popen([sys.executable, "sweep.py"], cwd=tmp_path)
    number = tmp_path / "number"
    deadline = time.monotonic() + 180  # its imports take seconds, on a busy machine a minute
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


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_ends_as_an_undisturbed_one(corpus, tmp_path):
    script = [sys.executable, str(RECIPE / "crossval.py"), ABLATION, "--folds", "0", "1"]
    script += ["--variants", "mfcc", "all_coatt", "--device=cpu", "--noprogressbar"]
    script += ["--workers", "2"]
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
    script += ["--variants", "mfcc", "all_coatt", "--device=cpu", "--noprogressbar"]
    script += ["--workers", "2"]
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
        untimed = {"seconds": 0, "test_seconds": 0}
        assert results | untimed == found[1][name] | untimed
        predictions = [(folder / name).with_name("predictions.csv") for folder in (one, other)]
        assert predictions[0].read_bytes() == predictions[1].read_bytes()
    return len(found[0])
