"""Reports: tables and figures from the files of runs."""
