"""From a corpus folder to a manifest, folds, packed samples and batches."""
