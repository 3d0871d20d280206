"""The campaigns of trust and load, shortened: nothing is lost."""

import sys

import pytest

from robustness.demo import client_attacks, http_client, load, security
from robustness.fuzzing import malicious_exports
from robustness.harness import report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="counts as Linux tells it"),
]


def not_lost(tally):
    assert tally.rows() and not tally.losses, "\n".join(tally.losses)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return malicious_exports.good(tmp_path_factory.mktemp("exports") / "good")


def test_exports_run_nothing(tmp_path):
    place, tally = security.Place(tmp_path.resolve()), report.Tally()
    security.code(place, tally)
    security.beside(place, tally)
    not_lost(tally)


def test_strangers_at_the_page(export, tmp_path):
    tally = report.Tally()
    client_attacks.visit(export, tmp_path.resolve(), 1, 0, tally)
    not_lost(tally)


def test_many_files(export, tmp_path):
    tally = report.Tally()
    load.classify(export, tmp_path, 600, tally)
    not_lost(tally)


def test_many_requests(export, tmp_path):
    tally = report.Tally()
    load.page(export, tmp_path / "page", 0.5, tally)
    not_lost(tally)


def test_a_page_that_does_not_start_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="does not start"), http_client.page(tmp_path, tmp_path):
        raise AssertionError("it started")
