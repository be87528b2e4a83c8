"""The configuration file: what may stand in it, and reading it."""
