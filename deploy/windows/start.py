"""What mfa-shipper.exe runs."""

from multiprocessing import freeze_support

from shipper.__main__ import main

if __name__ == "__main__":
    freeze_support()  # a process of `--workers` is this program, started again
    main()
