"""Turns chunks of a log into events: what each line means."""
