"""Requests to one of several servers, with keep-alive, TLS, proxies and gzip by urllib3. I/O.

The proxy is that of the environment (`HTTPS_PROXY`, `NO_PROXY`), as curl takes it.
"""

import ssl
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson
import urllib3
from urllib3 import exceptions as causes

from shipper.deliver.http.options import HttpOptions
from shipper.deliver.sink import SinkDown
from shipper.printable import printable
from shipper.tls import UnusableFile, tls_context

FASTEST = 1  # of zlib: events shrink to a tenth at a fifth of the time that the best level takes
GZIP = zlib.MAX_WBITS | 16
PROXY_ASKS = 407
AWAY = (502, 503, 504)  # statuses
MOST_ANSWERED = 64 << 20  # bytes of an answer; more is no answer of such a server


class Answer(NamedTuple):
    """What a server answered.

    Attributes:
        status: of HTTP.
        retry_after: for how many seconds it wants to be left alone; 0 if it does not say.
        body: decompressed.
    """

    status: int
    retry_after: float
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) else {}


class Connection:
    """The servers of an output. One thread uses it."""

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._first = 0  # the server that answered last

    def post(self, path: str, lines: bytes, headers: Mapping[str, str] = {}) -> Answer:
        """Send a body of lines; see `ask`."""
        body, more = lines, {"Content-Type": "application/json", **headers}
        if self._options.compression:
            packer = zlib.compressobj(FASTEST, wbits=GZIP)
            body = packer.compress(lines) + packer.flush()
            more["Content-Encoding"] = "gzip"
        return self.ask("POST", path, body, more)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answer:
        """The answer of the first server that gives one; that of a proxy before a server that is away (`AWAY`) only where none does.

        Raises:
            SinkDown: none does; says why.
        """
        reasons: list[str] = []
        away: Answer | None = None
        urls = self._options.urls
        for step in range(len(urls)):
            number = (self._first + step) % len(urls)
            try:
                answer = self._ask_one(urls[number], method, path, body, headers)
            except SinkDown as error:
                reasons.append(str(error))
                continue
            if answer.status in AWAY:
                away = answer
                continue
            self._first = number
            return answer
        if away is not None:
            return away
        raise SinkDown("; ".join(dict.fromkeys(reasons)))

    def _ask_one(self, url: str, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        options = self._options
        try:
            answer = self._pool(url).request(
                method,
                url.rstrip("/") + path,
                body=body,
                headers={"User-Agent": "mfa-shipper", **options.headers, **headers},
                timeout=urllib3.Timeout(connect=min(10.0, options.timeout), read=options.timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                data = answer.read(MOST_ANSWERED, decode_content=True)
                answer.drain_conn()
            finally:
                answer.release_conn()
        except (causes.HTTPError, OSError, ValueError) as error:
            raise SinkDown(f"{_server(url)}: {_reason(error, options)}") from None
        if answer.status == PROXY_ASKS:
            raise SinkDown(f"{_server(url)}: the proxy does not let us through: it asks for a name and a password (407)")
        return Answer(answer.status, _seconds(answer.headers.get("Retry-After", "")), data)

    def _pool(self, url: str) -> urllib3.PoolManager:
        pool = self._pools.get(url)
        if pool is None:
            pool = self._pools[url] = self._new_pool(url)
        return pool

    def _new_pool(self, url: str) -> urllib3.PoolManager:
        parts, options = urlsplit(url), self._options
        kept: dict[str, Any] = {"maxsize": 1}
        if parts.scheme == "https":
            try:
                kept["ssl_context"] = tls_context(ssl.Purpose.SERVER_AUTH, options.ca_file, options.cert_file, options.key_file)
            except UnusableFile as error:  # since the start, when it was all right
                raise SinkDown(f"{error.key}: {error}") from None
        proxy = getproxies().get(parts.scheme)
        if proxy and not proxy_bypass(parts.netloc):
            login = urlsplit(proxy)
            name = f"{unquote(login.username)}:{unquote(login.password or '')}" if login.username else None
            return urllib3.ProxyManager(proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=name), **kept)
        return urllib3.PoolManager(**kept)

    def close(self) -> None:
        """Drop all connections; the next request makes new ones."""
        for pool in self._pools.values():
            pool.clear()
        self._pools.clear()


def excerpt(answer: Answer) -> str:
    """An answer that says nothing that we know, shortly."""
    text = printable(answer.body[:200].decode("utf-8", "replace").strip())
    return f"{answer.status} {text}" if text else f"{answer.status}, and nothing else"


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _reason(error: Exception, options: HttpOptions) -> str:
    """Why there was no answer, in words."""
    if isinstance(error, causes.ProxyError):
        return f"the proxy does not let us through: {_root(error)}"
    if isinstance(error, causes.NameResolutionError):
        return "there is no such host"
    if isinstance(error, causes.ConnectTimeoutError) and not isinstance(error, causes.NewConnectionError):
        return f"no connection within {min(10.0, options.timeout):g} s"
    if isinstance(error, causes.ReadTimeoutError):
        return f"no answer within {options.timeout:g} s"
    root = _root(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {root.verify_message}; is ca_file right?"
    if isinstance(root, ssl.SSLError):
        return f"no TLS with it: {(root.reason or str(root)).lower().replace('_', ' ')}; does it speak https there?"
    if isinstance(root, OSError) and root.strerror:
        return root.strerror.lower()
    return f"it broke the connection off ({printable(str(root) or type(root).__name__)})"


def _root(error: BaseException) -> BaseException:
    """The first cause that is known of an error."""
    while True:
        inner = error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, BaseException)), None)
        if inner is None:
            return error
        error = inner


def _seconds(text: str) -> float:
    """Of `Retry-After`, which may also hold a date, as none of these servers writes it."""
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0
