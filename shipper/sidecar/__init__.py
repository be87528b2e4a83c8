"""The `run` command. Read `loop.py` first."""
