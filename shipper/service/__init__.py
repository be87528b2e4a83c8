"""The sidecar as a Windows service: `commands` is what a user types, `host` is what Windows starts. On Windows alone."""
