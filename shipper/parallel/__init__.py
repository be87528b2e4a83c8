"""`--workers`: one input in several processes."""
