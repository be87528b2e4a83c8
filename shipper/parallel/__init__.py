"""`--workers`: one input on several processes."""
