"""Read files as chunks of whole lines, and group the files into logs."""
