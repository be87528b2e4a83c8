"""Parse addresses as people write them, in the configuration and on the command line: a host with its port, a URL. Pure.

A ValueError says what was expected.
"""

import re
from ipaddress import ip_address

IP = "^[0-9A-Fa-f:.]+$"
"""A regular expression that addresses of IPv4 and IPv6 match, for schemas."""

ADDRESS = "^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$"
"""A regular expression of host and port, for schemas."""

URL = "^https?://(?P<host>\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?(/[A-Za-z0-9._~%/-]*)?$"
"""A regular expression of the URLs of servers, for schemas."""

_OF_THE_INTERFACE = ("/services/collector/event", "/services/collector/raw", "/services/collector", "/_bulk")


def address(text: str) -> str:
    """A host with its port.

    Raises:
        ValueError: not `HOST:PORT`.
    """
    if "," in text:
        raise ValueError(f"{text!r} is more than one host; write each as an entry of its own")
    return _host_and_port(text, 1, ("kafka1:9092", "10.0.0.5:9092", "[2001:db8::5]:9092"))


def listen_address(text: str) -> str:
    """An address of this machine with a port to listen on; port 0 lets the system choose.

    Raises:
        ValueError: not `HOST:PORT`.
    """
    return _host_and_port(text, 0, ("127.0.0.1:9108", "0.0.0.0:9108", "[::1]:9108"))


def _host_and_port(text: str, lowest: int, examples: tuple[str, str, str]) -> str:
    host, _, port = text.rpartition(":")
    if "://" in text:
        raise ValueError(f"{text!r} has a scheme; write {text.partition('://')[2].rstrip('/') or examples[0]} without it")
    if not re.fullmatch(ADDRESS, text, re.ASCII):
        raise ValueError(f"{text!r} is not HOST:PORT; write {', '.join(examples[:-1])} or {examples[-1]}")
    if not _is_host(host):
        raise ValueError(f"{text!r}: {host} is no name of a host and no address")
    if not lowest <= int(port) <= 65535:
        raise ValueError(f"{text!r}: ports go from {lowest} to 65535")
    return f"{host}:{port}"


def ip(text: str) -> str:
    """An address of IPv4 or IPv6, without a zone (`%eth0`), which no index takes.

    Raises:
        ValueError: not such an address.
    """
    if "%" not in text and _is_ip(text):
        return text
    raise ValueError(f"{text!r} is no address; write 10.0.0.5 or 2001:db8::5")


def url(text: str) -> str:
    """The address of a server: `https://es1:9200`, perhaps with a path.

    Raises:
        ValueError: not such a URL, or one with a password or with the path of an endpoint.
    """
    found = re.fullmatch(URL, text, re.ASCII)
    if "@" in text:  # also after a slash, which a password may contain; the message does not quote it
        raise ValueError("a name or password may not stand in the URL; give it under security")
    if not found:
        raise ValueError(f"{text!r} is not the URL of a server; write https://es1:9200")
    host, port = found.group("host"), found.group("port")
    if not _is_host(host):
        raise ValueError(f"{text!r}: {host} is no name of a host and no address")
    if port and not 1 <= int(port) <= 65535:
        raise ValueError(f"{text!r}: ports go from 1 to 65535")
    address = text.rstrip("/")
    for path in _OF_THE_INTERFACE:
        if address.endswith(path):
            raise ValueError(f"{text!r}: leave {path} out, which is added where it is needed; write {address.removesuffix(path)}")
    return address


def _is_host(host: str) -> bool:
    """True for a host that may resolve: an address, or a name whose parts have 1 to 63 characters."""
    if host.startswith("[") or re.fullmatch("[0-9.]+", host):
        return _is_ip(host.strip("[]"))
    return all(1 <= len(part) <= 63 for part in host.removesuffix(".").split("."))


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
