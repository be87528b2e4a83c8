"""Batches to the other side."""
