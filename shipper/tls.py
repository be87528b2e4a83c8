"""TLS with certificates and keys in PEM files. I/O."""

import os
import ssl

# Reasons that OpenSSL gives for a key that does not belong to the certificate; the last one if even their types differ.
_MISMATCH = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


class UnusableFile(ValueError):
    """A file cannot be used; the message says which and why.

    Attributes:
        key: the setting that names the file: `ca_file`, `cert_file` or `key_file`.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def tls_context(
    purpose: ssl.Purpose, ca_file: str | None = None, cert_file: str | None = None, key_file: str | None = None
) -> ssl.SSLContext:
    """The TLS context of a connection.

    Args:
        purpose: the role of the peer.
        ca_file: the authorities to trust; None for those of the system.
        cert_file: our certificate, with the intermediate certificates up to its authority.
        key_file: the private key of the certificate; None if `cert_file` holds it.

    Raises:
        UnusableFile: a file is missing, unreadable, or not in the right form.
    """
    for key, path in (("ca_file", ca_file), ("cert_file", cert_file), ("key_file", key_file)):
        if path is not None:
            _look_at(key, path)
    try:
        context = ssl.create_default_context(purpose, cafile=ca_file)
    except ssl.SSLError:
        raise UnusableFile("ca_file", f"{ca_file} holds no certificate in PEM form") from None
    if cert_file is not None:
        _load_own(context, cert_file, key_file)
    return context


def _look_at(key: str, path: str) -> None:
    if not os.path.isfile(path):
        raise UnusableFile(key, f"there is no file {path}")
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise UnusableFile(key, f"{path} cannot be read: {error.strerror}") from None


def _load_own(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    asked = False

    def passphrase() -> str:
        nonlocal asked
        asked = True  # without this function the library would ask on the terminal, and wait
        return ""

    try:
        ssl.create_default_context(cafile=cert_file)
    except ssl.SSLError:
        raise UnusableFile("cert_file", f"{cert_file} holds no certificate in PEM form") from None
    try:
        context.load_cert_chain(cert_file, key_file, passphrase)
    except ssl.SSLError as error:
        key = key_file or cert_file
        if asked:
            reason = f"{key} has a passphrase; write a copy without one: openssl pkey -in {key} -out NEW"
        elif error.reason in _MISMATCH:
            reason = f"{key} is not the key of the certificate {cert_file}"
        elif error.reason is None or error.library == "PEM":
            reason = f"{key} holds no private key in PEM form"
        else:
            reason = f"{cert_file} and {key} cannot be used: {error.reason.lower().replace('_', ' ')}"
        raise UnusableFile("key_file", reason) from None
