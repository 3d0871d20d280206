"""Cross-validation: folds x seeds x variants of a recipe, each run a process of its own."""
