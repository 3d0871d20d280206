"""A page and an HTTP service for a trained model; needs the extra ``camser[demo]``."""
