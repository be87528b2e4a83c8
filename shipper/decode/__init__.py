"""Chunks to events: what a line means."""
