"""Two processes on a CPU: they train together, and leave one set of files."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from camser.evaluation import results
from camser.runtime.distributed import run_on_main
from tests.helpers.recipe_runs import ROOT, TINY

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]


def recipe(corpus, prepared, tmp_path, *more, epochs=2):
    return [
        "recipes/IEMOCAP/train.py", TINY, "--device=cpu", "--distributed_backend=gloo",
        f"--data_folder={corpus}", f"--output_folder={tmp_path / 'run'}",
        f"--prepared_folder={prepared}", "--noprogressbar", f"--number_of_epochs={epochs}",
        "--batch_size=8", "--grad_accumulation_factor=2", "--schedule={warmup: 0.1}",
        "--class_weights=balanced", "--label_smoothing=0.1", *more,
        "--encoders={wav2vec2: {mask_time_prob: 0.3, layer_drop: 0.5}, mfcc: {standardize: true}}",
    ]  # fmt: skip


def run_two(*asked, **more):
    command = [*TORCHRUN, *recipe(*asked, **more)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended


@pytest.mark.slow
def test_two_processes_train_with_all_that_is_random(corpus, prepared, tmp_path):
    augment = ["--include=camser:augmentation.yaml", f"--noise_folder={corpus}"]
    ended = run_two(corpus, prepared, tmp_path, *augment)
    assert ended.stdout.count("macro_F1") == 1
    written = results.read_results(tmp_path / "run/results.json")
    assert written["epochs"] == 2
    tested = results.read_predictions(tmp_path / "run/predictions.csv")
    assert len(tested) == written["num_utterances"] == len({row["id"] for row in tested})
    (checkpoint, *_) = (tmp_path / "run/save").glob("CKPT*")
    states = [torch.load(checkpoint / f"random_state.ckpt{r}")["torch"] for r in ("", ".rank1")]
    assert not torch.equal(*states), "the processes drew the same noise"


SCORES_OF_ITS_OWN = """
import os, runpy, sys
from camser.evaluation import metrics
from speechbrain.utils.distributed import get_rank
found = metrics.scores

def scores(*given):  # as if rounding differed: the second process likes each epoch better
    scores.calls += 1
    better = 0.01 * scores.calls if get_rank() else 0.0
    return found(*given) | {"WA": 0.5 + better, "UA": 0.5}

scores.calls = 0
metrics.scores = scores
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_one_process_decides_for_all_when_training_stops(corpus, prepared, tmp_path):
    script = tmp_path / "scores.py"
    script.write_text(SCORES_OF_ITS_OWN)
    stopping = ["--patience=2", "--min_epoch=0", "--modalities=[mfcc, wav2vec2]"]
    command = recipe(corpus, prepared, tmp_path, *stopping, "--fusion=concat", epochs=6)
    ended = subprocess.run(
        [*TORCHRUN, script, *command], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    written = results.read_results(tmp_path / "run/results.json")
    assert (written["epochs"], written["best_epoch"]) == (3, 1)


@pytest.mark.slow
def test_two_processes_choose_their_epochs_by_inner_folds_and_average(corpus, prepared, tmp_path):
    inner = ["--num_inner_folds=2", "--max_inner_epochs=2", "--selection=none"]
    options = ["--modalities=[mfcc, wav2vec2]", "--fusion=concat", "--average_from_epoch=2"]
    run_two(corpus, prepared, tmp_path, *inner, *options, epochs="inner_folds")
    written = results.read_results(tmp_path / "run/results.json")
    assert written["inner_folds"]["number_of_epochs"] == written["epochs"] == 2
    assert written["averaged_epochs"] == [2, 2]


@pytest.mark.slow
def test_two_processes_fit_a_back_end_once(corpus, prepared, tmp_path):
    options, alone = ["--back_end=logistic", "--modalities=[mfcc_statistics]"], tmp_path / "alone"
    run_two(corpus, prepared, tmp_path, *options)
    command = recipe(corpus, prepared, alone, *options)
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
    rows = [results.read_predictions(f / "run/predictions.csv") for f in (tmp_path, alone)]
    assert rows[0] == rows[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--average_from_epoch=2"],
        ["--back_end=logistic", "--modalities=[mfcc_statistics]"],
        ["--number_of_epochs=inner_folds", "--selection=none", "--modalities=[mfcc]"],
    ],
)
def test_a_debug_run_ends_early_whatever_chooses_its_weights(corpus, prepared, tmp_path, options):
    command = recipe(corpus, prepared, tmp_path, "--debug", *options)
    if "--number_of_epochs=inner_folds" in options:
        command.remove("--number_of_epochs=2")
        command.append("--fusion=concat")
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_debug(corpus, prepared, tmp_path):
    run_two(corpus, prepared, tmp_path, "--debug", "--debug_batches=1", "--debug_epochs=1")
    assert not (tmp_path / "run/results.json").exists()


@pytest.mark.slow
def test_a_process_that_waits_for_the_others_ends_when_it_is_asked(corpus, prepared, tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = str(server.getsockname()[1])
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    alone = os.environ | together | {"RANK": "0", "LOCAL_RANK": "0"}
    command = [sys.executable, *recipe(corpus, prepared, tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, env=alone)
    while process.poll() is None and not answers(port):
        time.sleep(0.05)
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def disturb(launcher, signalled):
    """Kill one of its two processes, or ask it to end; by what status it must end then."""
    if signalled:
        launcher.terminate()
        return (0, 1, -signal.SIGTERM)
    told = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text()
    ranks = [int(pid) for pid in told.split() if b"train.py" in cmdline(pid)]
    os.kill(ranks[-1], signal.SIGKILL)
    return (1,)


def cmdline(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for its processes")
@pytest.mark.parametrize("signalled", [False, True])
def test_a_launcher_that_loses_a_process_or_is_asked_ends_within_a_minute(
    corpus, prepared, tmp_path, signalled
):
    asked = [corpus, prepared, tmp_path, "--ckpt_interval_steps=1"]
    launcher = subprocess.Popen(
        [*TORCHRUN, *recipe(*asked, epochs=6)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while launcher.poll() is None and not list((tmp_path / "run/save").glob("CKPT*")):
        time.sleep(0.05)
    allowed = disturb(launcher, signalled)
    said = launcher.communicate(timeout=60)[1]
    assert launcher.returncode in allowed, said[-3000:]
    mine = str(tmp_path).encode()
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and mine in cmdline(pid)]
    assert not (tmp_path / "run/results.json").exists(), "it ended before it was disturbed"
    run_two(*asked, epochs=6)
    run_two(corpus, prepared, tmp_path / "undisturbed", "--ckpt_interval_steps=1", epochs=6)
    same = [tmp_path / f"{folder}run/predictions.csv" for folder in ("", "undisturbed/")]
    assert same[0].read_bytes() == same[1].read_bytes()


def test_what_fails_on_the_main_process_is_raised_there():
    with pytest.raises(ValueError, match="invalid literal"):
        run_on_main(int, "a")
