"""``camser train``: from your own labels to a model, in one command."""
