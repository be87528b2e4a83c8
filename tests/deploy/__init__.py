"""Checks of deploy/: by vendors' tools, on real engines, and against the event schema."""
