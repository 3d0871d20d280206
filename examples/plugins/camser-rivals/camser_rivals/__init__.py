"""The nine systems of Table 1 of Zou et al. (2022), each an encoder and a fusion of camser.

Each is after a paper whose code, where there is any, was not copied. Docstrings mark what is not
the paper's own text:

    [notes]     from somebody's detailed notes of the paper, which were not compared with it
    [code]      from public code: the authors', or ports that agree
    [recalled]  from memory
    [chosen]    nobody says it; a sensible value
"""
