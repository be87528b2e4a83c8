"""Following logs: who a file is, where it went, what is new in it. I/O."""
