"""Your own labels as a corpus: tables, and what other toolkits write; see ``read.read_table``."""
