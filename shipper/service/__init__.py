"""The sidecar as a Windows service: users run `commands`, Windows starts `host`. Only on Windows."""
