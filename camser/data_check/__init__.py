"""Look at labelled recordings before training: what they are, and what would make a score wrong.

``source`` reads a table or a corpus, ``measure`` looks at each recording once. The files named
after a subject (``speakers``, ``duplicates``, …) state findings about it; ``check`` calls them.
"""
