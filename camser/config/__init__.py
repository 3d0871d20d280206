"""Read and check settings from the command line and YAML."""
