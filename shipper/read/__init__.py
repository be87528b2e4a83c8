"""Bytes on a disk to chunks of whole lines, and which files make which log."""
