"""Where events go: one small protocol, and a module for each kind of sink."""
