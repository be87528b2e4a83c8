"""Selects and formats the events that are written."""
