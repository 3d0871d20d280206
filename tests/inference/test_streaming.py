"""A stream of segments gives what ``over_segments`` gives of all at once, with any engine."""

import numpy as np
import pytest
import torch

from camser.inference.recordings import SegmentStream
from camser.inference.streaming import stream_embeddings
from camser.over_segments import RULES, over_segments

COUNTS = (1, 4, 2)  # segments of each recording
SAMPLES = 5


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("engine", [np.asarray, torch.as_tensor])
def test_a_stream_has_the_rule_of_a_batch(rule, engine):
    segments = torch.randn(sum(COUNTS), 1 + SAMPLES).double()
    streams = [
        SegmentStream(str(number), iter(own.numpy()))
        for number, own in enumerate(segments.split(COUNTS))
    ]
    overlapping = {"batch_size": 3, "overlap": 1, "rule": rule}
    found = list(stream_embeddings(streams, lambda b: engine(np.stack(b)), **overlapping))
    owners = torch.arange(len(COUNTS)).repeat_interleave(torch.tensor(COUNTS))
    expected = over_segments(segments, owners, len(COUNTS), rule)
    got = torch.stack([torch.as_tensor(recording.embedding) for recording in found])
    torch.testing.assert_close(got, expected)
    assert [r.samples for r in found] == [SAMPLES + (SAMPLES - 1) * (n - 1) for n in COUNTS]
