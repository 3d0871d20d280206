"""Files as people report them, where there is a folder of them: read to the end, or refused."""

import os
from pathlib import Path

import pytest

from camser.audio import AudioError, load
from tests.helpers.recipe_runs import ROOT

FOLDER = Path(os.environ.get("CAMSER_CASES", ROOT.parent / "shared" / "cases"))
SPEECH = 39890  # samples that were encoded into most of the files
LENGTHS = {  # samples at 16 kHz, from the encoded number to that and the codec's padding
    "01-mp3-vbr-no-xing/pauses.mp3": (336000, 336000 + 2 * 1152),
    "03-mp3-concatenated/mp3_cat.mp3": (2 * SPEECH, 2 * SPEECH + 2 * 1152),
    "05-wav-size-0-crashed-recorder/apple_crash.wav": (SPEECH, SPEECH),
    "05-wav-size-0-crashed-recorder/riff36_data0.wav": (SPEECH, SPEECH),
    "05-wav-size-0-crashed-recorder/zero_sizes.wav": (SPEECH, SPEECH),
    "06-wav-size-a-little-too-large/data_counts_header.wav": (SPEECH, SPEECH),
    "06-wav-size-a-little-too-large/double.wav": (SPEECH, SPEECH),
    "06-wav-size-a-little-too-large/plus4.wav": (SPEECH, SPEECH),
    "08-flac-unknown-length/flac_piped.flac": (SPEECH, SPEECH),
    "11-m4a-webm/aac.m4a": (SPEECH, SPEECH + 1024),
    "11-m4a-webm/webm.webm": (SPEECH, SPEECH + 320),
    "12-wrong-extension-mp3/aac_named.mp3": (SPEECH, SPEECH + 2 * 1024),
    "12-wrong-extension-mp3/m4a_named.mp3": (SPEECH, SPEECH + 1024),
    "12-wrong-extension-mp3/webm_named.mp3": (SPEECH, SPEECH + 320),
}
REFUSED = {
    "12-wrong-extension-mp3/html.mp3": "is a web page",
    "13-git-lfs-pointer/lfs_pointer.wav": "run `git lfs pull`",
}
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the files are not there")


@pytest.mark.parametrize("name", LENGTHS)
def test_it_is_read_to_its_end(name):
    fewest, most = LENGTHS[name]
    assert fewest <= len(load(FOLDER / name)) <= most


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_the_true_reason(name, capfd):
    with pytest.raises(AudioError, match=REFUSED[name]):
        load(FOLDER / name)
    assert capfd.readouterr() == ("", "")
