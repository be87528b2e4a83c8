"""`parse --workers`: one input on several processes."""
