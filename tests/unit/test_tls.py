"""Certificates and keys: each file that cannot be used is named, with the reason, and nobody is asked for a passphrase."""

import os
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from shipper.tls import UnusableFile, tls_context


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    ours, other = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(folder / "ca"))
    (folder / "cert").write_bytes(b"".join(part.bytes() for part in ours.cert_chain_pems))
    (folder / "key").write_bytes(ours.private_key_pem.bytes())
    (folder / "both").write_bytes((folder / "key").read_bytes() + (folder / "cert").read_bytes())
    (folder / "other").write_bytes(other.private_key_pem.bytes())
    key = load_pem_private_key(ours.private_key_pem.bytes(), None)
    kinds: dict[str, tuple[Encoding, KeySerializationEncryption]] = {
        "der": (Encoding.DER, NoEncryption()),
        "locked": (Encoding.PEM, BestAvailableEncryption(b"geheim")),
    }
    for name, (encoding, encryption) in kinds.items():
        (folder / name).write_bytes(key.private_bytes(encoding, PrivateFormat.PKCS8, encryption))
    another_kind = rsa.generate_private_key(65537, 2048)
    (folder / "rsa").write_bytes(another_kind.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.parametrize(("cert", "key"), [("cert", "key"), ("both", "both"), ("both", None), (None, None)])
@pytest.mark.parametrize("ca", ["ca", None])
def test_what_can_be_used(ca: str | None, cert: str | None, key: str | None, folder: Path) -> None:
    paths = [None if name is None else str(folder / name) for name in (ca, cert, key)]
    assert isinstance(tls_context(ssl.Purpose.SERVER_AUTH, *paths), ssl.SSLContext)


@pytest.mark.parametrize(
    ("ca", "cert", "key", "named", "said"),
    [
        ("no", None, None, "ca_file", "there is no file {}/no"),
        ("folder", None, None, "ca_file", "there is no file {}/folder"),
        ("pipe", None, None, "ca_file", "there is no file {}/pipe"),
        ("empty", None, None, "ca_file", "{}/empty holds no certificate in PEM form"),
        ("key", None, None, "ca_file", "{}/key holds no certificate in PEM form"),
        (None, "no", "key", "cert_file", "there is no file {}/no"),
        (None, "key", "key", "cert_file", "{}/key holds no certificate in PEM form"),
        (None, "cert", "no", "key_file", "there is no file {}/no"),
        (None, "cert", "cert", "key_file", "{}/cert holds no private key in PEM form"),
        (None, "cert", None, "key_file", "{}/cert holds no private key in PEM form"),
        (None, "cert", "empty", "key_file", "{}/empty holds no private key in PEM form"),
        (None, "cert", "der", "key_file", "{}/der holds no private key in PEM form"),
        (None, "cert", "other", "key_file", "{0}/other is not the key of the certificate {0}/cert"),
        (None, "cert", "rsa", "key_file", "{0}/rsa is not the key of the certificate {0}/cert"),
        (None, "cert", "locked", "key_file", "{0}/locked has a passphrase; write a copy without one: openssl pkey"),
    ],
)  # fmt: skip
def test_what_cannot(ca: str | None, cert: str | None, key: str | None, named: str, said: str, folder: Path) -> None:
    paths = [None if name is None else str(folder / name) for name in (ca, cert, key)]
    with pytest.raises(UnusableFile) as caught:
        tls_context(ssl.Purpose.CLIENT_AUTH, *paths)
    assert caught.value.key == named
    assert str(caught.value).replace(os.sep, "/").startswith(said.format(folder.as_posix()))
