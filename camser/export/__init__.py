"""Export a trained run as a model folder that loads on any machine."""
