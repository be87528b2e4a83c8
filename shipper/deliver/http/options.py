"""How to reach servers over HTTP. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How to reach the servers.

    Attributes:
        urls: of servers that are as good as each other; each may have a path.
        headers: of each request; the one that proves who we are is among them.
        compression: bodies go as gzip.
        timeout: seconds until a connection stands (10 at most), and until an answer is there in whole.
        ca_file, cert_file, key_file: as `tls_context`.
    """

    urls: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    compression: bool = True
    timeout: float = 60.0
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
