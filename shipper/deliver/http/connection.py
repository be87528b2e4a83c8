"""Requests to one of several servers, with keep-alive, TLS and proxies by urllib3, and gzip. I/O.

The proxy comes from the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`), as with curl.
"""

import ssl
import zlib
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import BadStatusLine, IncompleteRead
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson
import urllib3
from urllib3 import exceptions as causes

from shipper.deliver.http.options import HttpOptions
from shipper.deliver.http.timed import POOLS
from shipper.deliver.sink import SinkDown
from shipper.printable import printable
from shipper.secrets import HIDDEN, WHOLE
from shipper.tls import UnusableFile, tls_context

FASTEST = 1  # zlib level: shrinks events to a tenth, in a fifth of the time of the best level
GZIP = zlib.MAX_WBITS | 16
PROXY_ASKS = 407
AWAY = (502, 503, 504)  # statuses of a proxy whose server is down
CONNECT_TIMEOUT = 10.0  # seconds, at most
UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)  # OpenSSL verify codes: issuer missing or unknown, or self-signed
MOST_ANSWERED = 64 << 20  # maximum bytes of an answer


class Answer(NamedTuple):
    """The answer of a server.

    Attributes:
        status: the HTTP status.
        retry_after: seconds to wait before the next request, from `Retry-After`; 0 if there is none.
        body: the body, decompressed.
    """

    status: int
    retry_after: float
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is not one."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) else {}


class Connection:
    """Connections to the servers of an output, used from one thread."""

    def __init__(self, options: HttpOptions, met: set[str] | None = None) -> None:
        """`met`: URLs of servers that have answered before; servers that answer are added."""
        self._options = options
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._first = 0  # index of the server that answered last
        self.met = set() if met is None else met
        self._credential = options.headers.get("Authorization", "").rpartition(" ")[2].encode()

    def post(self, path: str, lines: bytes, headers: Mapping[str, str] = {}) -> Answer:
        """POST a body of lines; see `ask`."""
        body, more = lines, {"Content-Type": "application/json", **headers}
        if self._options.compression:
            packer = zlib.compressobj(FASTEST, wbits=GZIP)
            body = packer.compress(lines) + packer.flush()
            more["Content-Encoding"] = "gzip"
        return self.ask("POST", path, body, more)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answer:
        """The answer of the first server that gives one; a proxy's answer for a server that is down (`AWAY`) only if none does.

        Raises:
            SinkDown: no server answers; names the reasons.
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
                timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT, options.timeout), read=options.timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                data = _whole(answer)
            finally:
                answer.close()  # also closes the connection unless the answer was read to its end
        except SinkDown as error:
            raise SinkDown(f"{_server(url)}: {error}") from None
        except (causes.HTTPError, OSError, ValueError) as error:
            raise SinkDown(f"{_server(url)}: {self._reason(error, url)}") from None
        self.met.add(url)
        if answer.status == PROXY_ASKS:
            raise SinkDown(f"{_server(url)}: the proxy does not let us through: it asks for a name and a password (407)")
        if 300 <= answer.status < 400:
            there = printable(answer.headers.get("Location", "").partition("?")[0][:200])
            raise SinkDown(
                f"{_server(url)}: it sends us to {there or 'nowhere'} ({answer.status}); give the URL of the server itself"
            )
        if len(self._credential) >= WHOLE:  # some servers echo requests, and their answers are logged and stored
            data = data.replace(self._credential, HIDDEN.encode())
        return Answer(answer.status, _pause(answer.headers), data)

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
            except UnusableFile as error:  # it was usable at the start
                raise SinkDown(f"{error.key}: {error}") from None
        proxy = _proxy(parts)
        manager = urllib3.PoolManager(**kept) if proxy is None else _through(proxy, kept)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def _reason(self, error: Exception, url: str) -> str:
        """Why there was no answer, as a phrase."""
        root = _root(error)
        said = root.strerror.lower() if isinstance(root, OSError) and root.strerror else ""
        if isinstance(error, causes.ProxyError):
            return f"the proxy does not let us through: {said or root}"
        if isinstance(error, causes.NameResolutionError):
            return "there is no such host"
        if isinstance(error, causes.ConnectTimeoutError) and not isinstance(error, causes.NewConnectionError):
            return f"no connection within {min(CONNECT_TIMEOUT, self._options.timeout):g} s"
        if isinstance(error, causes.ReadTimeoutError):
            return f"no whole answer within {self._options.timeout:g} s"
        if isinstance(root, ssl.SSLError):
            return _tls_reason(root)
        hint = "; does it speak https there?" if url.startswith("http:") and url not in self.met else ""
        if isinstance(root, ConnectionResetError | ConnectionAbortedError | BrokenPipeError | IncompleteRead):
            return f"it broke the connection off{hint}"  # one wording, or the log would report each variant
        if isinstance(root, BadStatusLine):
            return f"it speaks no HTTP{hint}"
        return said or f"there is no answer to understand ({printable(str(root) or type(root).__name__)})"

    def close(self) -> None:
        """Close all connections; the next request opens new ones."""
        for pool in self._pools.values():
            pool.clear()
        self._pools.clear()


def excerpt(answer: Answer) -> str:
    """Shorten an answer that we do not recognise to its status and the beginning of its body."""
    text = printable(answer.body[:200].decode("utf-8", "replace").strip())
    return f"{answer.status} {text}" if text else f"{answer.status}, and nothing else"


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _proxy(parts: SplitResult) -> str | None:
    """The URL of the proxy for a server; None to connect directly."""
    known = getproxies()
    proxy = known.get(parts.scheme) or known.get("all")
    if not proxy or proxy_bypass(parts.netloc) or proxy_bypass(parts.hostname or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _through(proxy: str, kept: Mapping[str, Any]) -> urllib3.ProxyManager:
    """
    Raises:
        SinkDown: the variable holds no usable URL. The message omits its text, which may hold a password.
    """
    try:
        login = urlsplit(proxy)
        name = f"{unquote(login.username)}:{unquote(login.password or '')}" if login.username else None
        return urllib3.ProxyManager(proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=name), **kept)
    except (causes.HTTPError, ValueError):
        raise SinkDown(
            "the proxy of the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) must be an http:// or https:// URL"
        ) from None


def _whole(answer: urllib3.BaseHTTPResponse) -> bytes:
    """The body of an answer.

    Raises:
        SinkDown: the body is longer than any genuine answer.
    """
    parts: list[bytes] = []
    size = 0
    while part := answer.read(1 << 20, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > MOST_ANSWERED:
            raise SinkDown(f"its answer is longer than {MOST_ANSWERED >> 20} MiB, which no answer of such a server is")
    return b"".join(parts)


def _tls_reason(error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"no TLS with it: {(error.reason or str(error)).lower().replace('_', ' ')}; does it speak https there?"
    told = f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
    return f"{told}; is ca_file right?" if error.verify_code in UNKNOWN_AUTHORITY else told


def _root(error: BaseException) -> BaseException:
    """The root cause of an error."""
    while True:
        inner = error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, BaseException)), None)
        if inner is None:
            return error
        error = inner


def _pause(headers: Mapping[str, str]) -> float:
    """Seconds to wait by `Retry-After`, which holds a number, or a date by the clock that wrote `Date`."""
    text = headers.get("Retry-After", "")
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    until, now = _instant(text), _instant(headers.get("Date", ""))
    return 0.0 if until is None or now is None else max(0.0, until - now)


def _instant(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date; None if `text` is not one."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
