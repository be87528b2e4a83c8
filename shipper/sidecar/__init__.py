"""`run`: read `loop.py` first."""
