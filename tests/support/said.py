"""What systems say of an error."""

ABSENT = (
    "No such file or directory", "The system cannot find the file specified", "The system cannot find the path specified",
    "File not found", "File not found.", "Path not found", "Path not found.",
)  # fmt: skip
FOLDER = ("Is a directory", "Permission denied", "Access is denied", "Access denied")  # Windows says that it is in the way
