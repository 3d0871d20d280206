"""``camser probe``: which layer of a pretrained encoder to take, by the training speakers."""
