"""How to reach servers over HTTP. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How to reach the servers.

    Attributes:
        urls: URLs of equivalent servers; each may have a path.
        headers: headers of each request, including the credentials.
        compression: send bodies as gzip.
        timeout: seconds to connect (10 at most), and seconds to receive a whole answer.
        ca_file, cert_file, key_file: see `tls_context`.
    """

    urls: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    compression: bool = True
    timeout: float = 60.0
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
