"""One run of a recipe, and cross-validation: its folds, seeds and variants."""
