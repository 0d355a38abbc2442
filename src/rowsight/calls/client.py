"""The client: one request to one OpenAI-compatible server, and what came of it.

A transport has one method, ``send``; this one speaks HTTP through aiohttp. It never retries, never waits for limits and
never raises for what a server does: every end of a request is a value.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from rowsight.calls.bodies import Bodies
from rowsight.calls.capabilities import Capabilities
from rowsight.calls.classify import failure_of, is_filtered, reply_of, too_long
from rowsight.calls.endpoints import Endpoint
from rowsight.calls.reply import Reply, SendFailure, Sent
from rowsight.calls.request import Request
from rowsight.core.errors import nearest

LARGEST_ANSWER = 16 * 2**20
"""Bytes of an HTTP answer beyond which it is not read: a completion is never that long."""
LARGEST_ERROR = 64 * 2**10
SHORTEST_SECRET = 6
"""Values shorter than this are not looked for in a server's words: they would blot out half of them."""
_OK = 200
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_AZURE_VERSION = "2024-10-21"
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Transport(Protocol):
    """What sends a request to an endpoint and says what came of it."""

    async def send(self, endpoint: Endpoint, request: Request) -> Sent:
        """Send one request, once."""
        ...


def chat_url(endpoint: Endpoint) -> URL:
    """Return where chat completions are asked for: the base URL may name a server, its ``/v1``, or the whole path."""
    return _url(endpoint, "chat/completions")


def _url(endpoint: Endpoint, what: str) -> URL:
    base = URL(endpoint.base_url)
    path = base.path.rstrip("/").removesuffix("/chat/completions")
    query = dict(base.query)
    azure = is_azure(base.host)
    if azure and path in ("", "/openai"):
        path = f"/openai/deployments/{endpoint.model}"
    if azure and "/deployments/" in path:
        query.setdefault("api-version", endpoint.api_version or _AZURE_VERSION)
    elif endpoint.api_version:
        query.setdefault("api-version", endpoint.api_version)
    return base.with_path(f"{path or '/v1'}/{what}").with_query(query or None)


def is_azure(host: str | None) -> bool:
    """Whether a host is one of Azure's, which take the key in a header of their own."""
    return host is not None and host.endswith(_AZURE)


def proxy_for(url: URL) -> str | None:
    """Return the proxy that the process's environment names for a URL (``HTTPS_PROXY``, ``NO_PROXY``), ``None`` for none.

    It is found once per endpoint: aiohttp's own look-up goes to a thread twice a call and triples its cost.
    """
    proxy = getproxies().get(url.scheme)
    return None if proxy is None or proxy_bypass(url.host or "") else proxy


class _Line:
    """What the client keeps of one endpoint: address, headers for the key of the moment, bodies, capabilities."""

    __slots__ = ("_headers", "_key", "azure", "bears", "bodies", "endpoint", "proxy", "url")

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.url = chat_url(endpoint)
        self.proxy = proxy_for(self.url)
        self.azure = is_azure(self.url.host)
        self.bodies = Bodies(endpoint.model)
        self.bears = Capabilities()
        self._key: str | None = ""
        self._headers: CIMultiDict[str] | None = None

    def headers(self, environment: Mapping[str, str]) -> CIMultiDict[str]:
        name = self.endpoint.api_key_env
        key = environment.get(name) if name else None
        if self._headers is None or key != self._key:
            self._headers, self._key = self._build(key, environment), key
        return self._headers

    def _build(self, key: str | None, environment: Mapping[str, str]) -> CIMultiDict[str]:
        found = CIMultiDict(
            {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "rowsight"}
        )
        if key and key.strip():
            found["api-key" if self.azure else "Authorization"] = key.strip() if self.azure else f"Bearer {key.strip()}"
        for name, value in self.endpoint.headers.items():
            found[name] = _VARIABLE.sub(lambda m: environment.get(m[1], ""), value)
        return found

    def without_secrets(self, words: str, environment: Mapping[str, str]) -> str:
        """Return a server's words without the key and the header values that it may have echoed."""
        names = [self.endpoint.api_key_env, *(m for v in self.endpoint.headers.values() for m in _VARIABLE.findall(v))]
        for name in names:
            secret = (environment.get(name) or "").strip() if name else ""
            if len(secret) >= SHORTEST_SECRET:
                words = words.replace(secret, "[redacted]")
        return words


class ChatClient:
    """Sends chat completions over HTTP with keep-alive connections; use it as an asynchronous context manager.

    Keys are read from ``environment`` when a request is sent. Redirects are not followed. Proxies come from the
    process's environment.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._lines: dict[int, _Line] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0, ttl_dns_cache=300)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def capabilities(self, endpoint: Endpoint) -> Capabilities:
        """Return what is known of an endpoint's ways."""
        return self._line(endpoint).bears

    def _line(self, endpoint: Endpoint) -> _Line:
        line = self._lines.get(id(endpoint))  # an endpoint is kept by its line, so that its identity stays its own
        if line is None:
            line = self._lines[id(endpoint)] = _Line(endpoint)
        return line

    async def send(self, endpoint: Endpoint, request: Request) -> Sent:
        """Send one request, once; every end is a value, but for cancellation.

        No byte within the endpoint's timeout is a ``timeout``. The first answers teach what the endpoint bears; a failure
        with ``adapted`` is to be sent again at once.
        """
        line = self._line(endpoint)
        body = line.bodies.body(request, line.bears)
        version = line.bears.version
        try:
            async with asyncio.timeout(endpoint.timeout):
                status, data, headers = await self._post(line, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _broken(endpoint, error)
        if data is None:
            return SendFailure("server_error", f"{endpoint.name}: the answer is larger than any completion", status)
        if status == _OK:
            return self._answered(line, data, version)
        return await self._refused(line, status, data, headers, version)

    async def _post(self, line: _Line, body: bytes) -> tuple[int, bytes | None, Mapping[str, str]]:
        if self._session is None:
            raise RuntimeError("the client is not open; use it in an 'async with' block")
        headers = line.headers(self._environment)
        response = await self._session.post(
            line.url, data=body, headers=headers, allow_redirects=False, proxy=line.proxy
        )
        try:
            bound = LARGEST_ANSWER if response.status == _OK else LARGEST_ERROR
            data = await _read(response, bound)
            return response.status, data, response.headers
        finally:
            response.release()

    def _answered(self, line: _Line, data: bytes, version: int) -> Sent:
        try:
            loaded = orjson.loads(data)
        except orjson.JSONDecodeError:
            return SendFailure("server_error", f"{line.endpoint.name}: the answer is not JSON", _OK)
        sent = reply_of(loaded)
        if isinstance(sent, Reply):
            if version == line.bears.version:
                line.bears.answered()
            return sent
        return self._named(line, sent)

    async def _refused(
        self, line: _Line, status: int, data: bytes, headers: Mapping[str, str], version: int
    ) -> SendFailure:
        body = line.without_secrets(data.decode("utf-8", "replace"), self._environment)
        failure = failure_of(status, body, headers, line.endpoint.base_url)
        explained = too_long(status, body) or is_filtered(status, body)
        if not explained and line.bears.adapt(status, body, version):
            return SendFailure(failure.reason, f"{line.endpoint.name}: {failure.detail}", status, adapted=True)
        if failure.fatal:
            return await self._fatal(line, failure)
        return self._named(line, failure)

    def _named(self, line: _Line, failure: SendFailure) -> SendFailure:
        detail = line.without_secrets(f"{line.endpoint.name}: {failure.detail}", self._environment)
        return SendFailure(
            failure.reason,
            detail,
            failure.status,
            failure.retry_after,
            failure.fatal,
            usage=failure.usage,
        )

    async def _fatal(self, line: _Line, failure: SendFailure) -> SendFailure:
        """Say which endpoint can't be used, why, and the remedy."""
        endpoint = line.endpoint
        remedy = ""
        if failure.status in (401, 403):
            name = endpoint.api_key_env
            given = bool(name and self._environment.get(name, "").strip())
            remedy = f"; check the key in ${name}" if given else f"; put a key into ${name or 'the environment'}"
        elif failure.status in (400, 404, 422):
            remedy = await self._nearest_model(line)
        detail = f"endpoint {endpoint.name!r} can't serve model {endpoint.model!r}: {failure.detail}{remedy}"
        return SendFailure(failure.reason, line.without_secrets(detail, self._environment), failure.status, fatal=True)

    async def _nearest_model(self, line: _Line) -> str:
        """Return the nearest model that the server lists, or advice where it lists none."""
        if self._session is None:
            return ""
        endpoint, headers = line.endpoint, line.headers(self._environment)
        try:
            async with asyncio.timeout(min(10.0, endpoint.timeout)):
                response = await self._session.get(
                    _url(endpoint, "models"), headers=headers, allow_redirects=False, proxy=line.proxy
                )
                try:
                    data = await _read(response, LARGEST_ANSWER) if response.status == _OK else None
                finally:
                    response.release()
            names = [str(m["id"]) for m in orjson.loads(data or b"")["data"]]
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
            return f"; check the base URL {endpoint.base_url} and the model's name"
        return nearest(endpoint.model, [n for n in names if n != endpoint.model]) if names else ""


async def _read(response: aiohttp.ClientResponse, bound: int) -> bytes | None:
    """Return the whole body, ``None`` where it is larger than ``bound`` bytes; a larger error is cut instead."""
    length = response.content_length
    if length is not None and length <= bound and "Content-Encoding" not in response.headers:
        return await response.read()
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > bound:
            response.close()
            return b"".join(parts)[:bound] if response.status != _OK else None
    return b"".join(parts)


def _broken(endpoint: Endpoint, error: aiohttp.ClientError | OSError | ValueError) -> SendFailure:
    """Return what it means that no HTTP answer came. The errors' own words are left out: they may quote a header."""
    kind = type(error).__name__
    if isinstance(error, TimeoutError):
        return SendFailure("timeout", f"{endpoint.name}: no answer within {endpoint.timeout:g} s")
    if isinstance(error, aiohttp.ClientConnectorError):
        return SendFailure("connection", _unreachable(endpoint, error), unreachable=True)
    if isinstance(error, (aiohttp.ClientError, OSError)):
        return SendFailure("connection", f"{endpoint.name}: the connection broke ({kind})")
    where = f"${endpoint.api_key_env}" if endpoint.api_key_env else "a header"
    words = f"endpoint {endpoint.name!r} can't be asked: {where} or the base URL holds what HTTP can't carry ({kind})"
    return SendFailure("connection", words, fatal=True)


def _unreachable(endpoint: Endpoint, error: aiohttp.ClientConnectorError) -> str:
    host = URL(endpoint.base_url).host
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        why = f"the name {host} can't be resolved"
    elif isinstance(error.__cause__, ssl.SSLError) or isinstance(error, aiohttp.ClientSSLError):
        why = f"the TLS connection to {host} failed"
    else:
        why = f"no connection to {endpoint.base_url}"
    return f"endpoint {endpoint.name!r} is unreachable: {why}; check the base URL and that the server runs"
