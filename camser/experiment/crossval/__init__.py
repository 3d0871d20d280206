"""Cross-validation: folds x seeds x variants of a recipe. Each run is its own process."""
