"""From a trained run to a folder that loads anywhere."""
