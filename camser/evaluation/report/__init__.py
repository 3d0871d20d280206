"""Reports: the files of runs in, tables and figures out."""
