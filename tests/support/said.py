"""What systems say of an error."""

ABSENT = ("No such file or directory", "The system cannot find the file specified", "File not found", "File not found.")
FOLDER = ("Is a directory", "Permission denied", "Access is denied", "Access denied")  # Windows says that it is in the way
