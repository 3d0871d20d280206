"""One run of a recipe, and all folds, seeds and variants of one."""
