"""Which events go out, and in which form."""
