"""Checkpoints: held against their index, and what a run goes on from when one is damaged."""

import json
import logging
from pathlib import Path

import pytest
import torch
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks

from camser.config.settings import SettingsError
from camser.experiment.resume import check_checkpoints
from camser.runtime.digests import add_digest, digest_matches
from camser.training.checkpoints import (
    AtomicCheckpointer,
    CheckpointError,
    read_checkpoints,
)
from camser.training.random_state import RandomState


@register_checkpoint_hooks
class Epoch:
    """Stands for all that a run consists of."""

    number = 0

    @mark_as_saver
    def save(self, path):
        path.write_text(f"{self.number:08}")

    @mark_as_loader
    def load(self, path, end_of_epoch):
        self.number = int(Path(path).read_text())


class Training:
    """Epochs with their scores; what a new start goes on from."""

    def __init__(self, folder):
        self.folder = folder

    def start(self):
        self.epoch = Epoch()
        self.checkpointer = AtomicCheckpointer(self.folder, {"epoch": self.epoch})
        return self.checkpointer.recover_if_possible()

    def train(self, *scores):
        self.start()
        best = max((c.meta.get("best_score", 0) for c in self.checkpointer.list_checkpoints()),
                   default=0)  # fmt: skip
        for score in scores:
            self.epoch.number += 1
            meta = {"epoch": float(self.epoch.number)}
            if score > best:
                best = meta["best_score"] = score
            self.checkpointer.save_and_keep_only(meta=meta)
        return self

    def place(self, epoch):
        found = (p for p in self.folder.glob("CKPT*/CKPT.yaml"))
        (place,) = (p.parent for p in found if f"\nepoch: {epoch}.0" in p.read_text())
        return place


@pytest.fixture
def training(tmp_path):
    return Training(tmp_path / "save")


def kept(training):
    return [int(c.meta["epoch"]) for c in read_checkpoints(training.folder)]


def test_the_newest_two_are_kept_and_the_best_of_each(training):
    assert kept(training.train(0.5)) == [1]
    assert kept(training.train(0.4, 0.3)) == [3, 2, 1]
    assert kept(training.train(0.6)) == [4, 3, 1]  # the run may go on from 3, whose best is 1
    assert kept(training.train(0.2)) == [5, 4]
    assert sorted(p.name[:4] for p in training.folder.iterdir()) == ["CKPT", "CKPT"]


def test_the_log_names_a_checkpoint_where_it_stays(training, caplog):
    with caplog.at_level(logging.INFO):
        training.train(0.5)
    (place,) = training.folder.iterdir()
    told = [record.message for record in caplog.records if "CKPT" in record.message]
    assert told == [f"saved {place}"]


def cut(place):
    path = place / "epoch.ckpt"
    path.write_bytes(path.read_bytes()[:-3])


def flip(place):
    (place / "epoch.ckpt").write_text("00000007")


DAMAGE = {
    "epoch.ckpt has 5 bytes instead of 8": cut,
    "epoch.ckpt has 0 bytes": lambda place: (place / "epoch.ckpt").write_bytes(b""),
    "epoch.ckpt has changed": flip,
    "epoch.ckpt is missing": lambda place: (place / "epoch.ckpt").unlink(),
    "index.json is damaged or missing": lambda place: (place / "index.json").write_text("{}"),
    "index.json is damaged or missing ": lambda place: (place / "index.json").unlink(),
    "CKPT.yaml has": lambda place: (place / "CKPT.yaml").write_text("{"),
    "CKPT.yaml is missing": lambda place: (place / "CKPT.yaml").unlink(),
}


@pytest.mark.parametrize("told", DAMAGE)
def test_a_damaged_newest_one_is_named_and_the_one_before_it_is_used(training, told, caplog):
    damaged = training.train(0.5, 0.4, 0.3).place(3)
    DAMAGE[told](damaged)
    assert training.start().meta["epoch"] == training.epoch.number == 2
    (record,) = [
        r.message for r in caplog.records if "CKPT" in r.message and "not used" in r.message
    ]
    assert record.startswith(f"{damaged}: {told.strip()}")
    assert kept(training.train(0.3)) == [3, 2, 1] and not damaged.exists()


def test_a_damaged_best_one_is_trained_again_where_the_run_can_go_back_before_it(training):
    flip(training.train(0.5, 0.4, 0.6).place(3))
    assert training.start().meta["epoch"] == 2
    best = training.checkpointer.find_checkpoint(max_key="best_score")
    assert best.meta["epoch"] == 1  # what the second epoch's best was


def test_no_worse_epoch_takes_the_place_of_a_damaged_best_one(training):
    flip(training.train(0.4, 0.5, 0.3, 0.2).place(2))
    with pytest.raises(
        CheckpointError, match=r"(?s)epoch.ckpt has changed.*the best epoch before "
    ):
        training.start()
    with pytest.raises(CheckpointError, match="Delete the output folder to train again"):
        read_checkpoints(training.folder)


def test_where_all_are_damaged_it_is_an_error_and_where_none_is_there_it_begins(training):
    assert training.start() is None
    training.train(0.5, 0.4)
    for epoch in (1, 2):
        cut(training.place(epoch))
    with pytest.raises(
        CheckpointError, match=r"no checkpoint is left from which this run can resume"
    ):
        training.start()


def test_what_is_there_is_read_once(training, monkeypatch):
    training.train(0.5, 0.4)
    read = []
    monkeypatch.setattr("camser.training.checkpoints.find_damage", lambda place: read.append(place))
    training.train(0.3, 0.6, 0.2)
    assert len(read) == 2


@pytest.mark.parametrize("name", ["results.json", "history.csv"])
def test_a_run_that_lost_its_checkpoints_does_not_begin_again_unasked(tmp_path, name):
    check_checkpoints(tmp_path)
    (tmp_path / name).write_text("x")
    with pytest.raises(SettingsError, match="holds a run whose checkpoints are gone"):
        check_checkpoints(tmp_path)
    (tmp_path / "save/CKPT+1").mkdir(parents=True)
    check_checkpoints(tmp_path)


def test_the_state_of_the_gpu_that_is_used_is_restored_however_many_there_are(
    tmp_path, monkeypatch
):
    restored = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: torch.tensor([7], dtype=torch.uint8))
    monkeypatch.setattr(torch.cuda, "set_rng_state", restored.append)
    RandomState().save(tmp_path / "state")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    RandomState().load(tmp_path / "state", end_of_epoch=True)
    assert [state.tolist() for state in restored] == [[7]]


def test_the_seal_is_of_the_content_and_not_of_its_form():
    values = {"b": [1, 2.5, None], "a": {"ä": True}}
    told = add_digest(values)
    assert digest_matches(json.loads(json.dumps(told, indent=3, sort_keys=True)))
    assert add_digest(told) == told
    assert not any(
        digest_matches(v) for v in ({**told, "c": 1}, {"b": 1, "digest": told["digest"]}, [], 3)
    )
