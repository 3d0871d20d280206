"""What all the rest asks of the machine: files, locks, signals, processes."""
