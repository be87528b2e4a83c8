"""Deliver batches to a sink."""
