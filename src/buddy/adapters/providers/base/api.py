"""One provider's HTTP interface: sign-in, errors, retries where nothing can have happened, paging."""

import functools
import logging
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Protocol

import httpx
import stamina
from msgspec import Struct

from buddy import __version__
from buddy.adapters.providers.base import redaction
from buddy.adapters.providers.base.errors import (
    AuthError,
    InvalidRequest,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    Uncertain,
    by_status,
    may_have_happened,
)
from buddy.adapters.providers.base.pace import Pace, Place
from buddy.adapters.providers.base.transport import SAFE, ModeTransport

logging.getLogger("stamina").addHandler(logging.NullHandler())  # else its retries land on stderr

AGENT = f"buddy-control/{__version__}"
LARGEST = 32 * 2**20
"""Bytes of an answer, decoded, that are read."""
LONGEST_S = 86_400.0
"""Seconds that an answer can ask to wait; what asks for more means this."""
MOST_EMPTY = 100
"""Pages without a record, one after another."""
_NOT_KEPT = ("content-encoding", "content-length", "transfer-encoding")
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""What can only be raised before a byte of a request has left."""


class Auth(Protocol):
    """How requests are signed in."""

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """Return the headers of a signed-in request; may fetch a token."""
        ...

    async def refresh(self, http: httpx.AsyncClient, refused: Mapping[str, str]) -> bool:
        """Get other headers than those that were refused with 401; returns whether there are any."""
        ...

    def secrets(self) -> Iterable[str]:
        """Everything that no output may show."""
        ...


class Bearer:
    """One token that never changes.

    Args:
        token: as the provider gave it.
    """

    def __init__(self, token: str) -> None:
        self._token = token.strip()  # a file ends in a line break, and a header cannot

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """Return the header with the token."""
        return {"Authorization": f"Bearer {self._token}"}

    async def refresh(self, http: httpx.AsyncClient, refused: Mapping[str, str]) -> bool:
        """There is no other token."""
        return False

    def secrets(self) -> Iterable[str]:
        """The token."""
        return (self._token,)


class Patience(Struct, frozen=True, kw_only=True):
    """How long an answer is waited for.

    Attributes:
        timeout_s: seconds for one answer.
        attempts: at most, of a request that may be sent again.
        total_s: seconds after which no other attempt begins; a provider that asks to wait longer is
            reported instead.
        first_s, most_s: seconds before the second attempt, and at most before any, where the provider
            asks for none.
    """

    timeout_s: float = 10.0
    attempts: int = 5
    total_s: float = 25.0
    first_s: float = 0.2
    most_s: float = 5.0


Meaning = Callable[[int, Any], tuple[type[ProviderError], str]]
"""A status and the decoded body -> what they mean, and in what words."""


class Api:
    """One provider's HTTP interface; an async context manager.

    Args:
        base_url: in front of every path.
        transport: the guard, see `transport.ModeTransport`.
        auth: how requests are signed in.
        headers: of every request.
        meaning: what an answer that is no success means.
        wait: answer -> seconds that it asks to wait, None where it does not say.
        heard: is given every answer, for limits that its headers name.
        pace: how fast requests may be sent.
        patience: how long is waited.
    """

    def __init__(
        self,
        base_url: str,
        transport: httpx.AsyncBaseTransport,
        auth: Auth,
        *,
        headers: Mapping[str, str] | None = None,
        meaning: Meaning | None = None,
        wait: Callable[[httpx.Response], float | None] | None = None,
        heard: Callable[[httpx.Response], object] = lambda answer: None,
        pace: Pace | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._transport = transport
        self._auth = auth
        self._meaning = meaning or _plain_meaning
        self._wait = wait or retry_after
        self._heard = heard
        self._pace = pace or Pace()
        self.http = httpx.AsyncClient(
            base_url=base_url,
            transport=transport,
            headers={"User-Agent": AGENT, **(headers or {})},
            timeout=self._patience.timeout_s,
            follow_redirects=False,
        )

    async def __aenter__(self) -> "Api":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        reads: bool | None = None,
    ) -> Any:
        """Send a request and return the decoded body, None where there is none.

        Args:
            method: of HTTP.
            path: below the base URL.
            params: of the query; those that are None are left out.
            json: the body.
            headers: besides those of every request.
            reads: it changes nothing, so that it may be sent again; None goes by the method.

        Raises:
            ProviderError: nothing happened.
            Uncertain: it writes, and may have happened.
            Captured: it writes, in DRY_RUN.
        """
        only_reads = method in SAFE if reads is None else reads
        query = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            request = self.http.build_request(method, path, params=query or None, json=json, headers=headers)
        except (httpx.InvalidURL, ValueError) as problem:
            raise InvalidRequest(self.hidden(f"{method} {path[:200]} cannot be sent: {problem}")) from problem
        patience = self._patience
        async for attempt in stamina.retry_context(
            on=self._again,
            attempts=patience.attempts,
            timeout=patience.total_s,
            wait_initial=patience.first_s,
            wait_max=patience.most_s,
            wait_jitter=patience.first_s,
        ):
            with attempt:
                return await self._once(request, only_reads)
        raise AssertionError("stamina raises what the last attempt raised")

    def _again(self, problem: Exception) -> bool | float:
        """Whether to send a request again, or after how many seconds.

        A write that may have happened is `Uncertain` by now, which is no `ProviderError`.
        """
        if not isinstance(problem, ProviderError):
            return False
        wait = problem.retry_after
        if wait is not None and wait > self._patience.total_s:
            return False
        if isinstance(problem, RateLimited) or may_have_happened(problem):
            return True if wait is None else wait
        return False

    async def _once(self, request: httpx.Request, reads: bool) -> Any:
        signed = await self._signed(request)
        answer = await self._send(request, signed, reads)
        if answer.status_code == 401 and await self._refreshed(request, signed):
            answer = await self._send(request, await self._signed(request), reads)
        return self._read(answer, reads)

    async def _signed(self, request: httpx.Request) -> Mapping[str, str]:
        try:
            signed = await self._auth.headers(self.http)
        except httpx.HTTPError as problem:
            raise self._unsent(problem, request) from problem
        if not all(value.isascii() and value.isprintable() for value in signed.values()):
            # Told here: the libraries below would quote the header in their errors.
            raise AuthError("expected credentials of printable ASCII signs, found others")
        return signed

    async def _refreshed(self, request: httpx.Request, signed: Mapping[str, str]) -> bool:
        try:
            return await self._auth.refresh(self.http, signed)
        except httpx.HTTPError as problem:  # the request itself was refused, so that nothing happened
            raise self._unsent(problem, request) from problem

    async def _send(self, request: httpx.Request, signed: Mapping[str, str], reads: bool) -> httpx.Response:
        place = await self._place(request)
        request.headers.update(signed)
        try:
            answer = await _whole(await self.http.send(request, stream=True))
        except _UNSENT as problem:
            raise self._unsent(problem, request) from problem
        except httpx.HTTPError as problem:
            raise _doubt(self._broken(problem, request), reads) from problem
        finally:
            if place is not None:
                self._pace.answered(place)
        self._heard(answer)
        return answer

    async def _place(self, request: httpx.Request) -> Place | None:
        """Wait for a place in the window, where the request will leave at all."""
        guard = self._transport
        if isinstance(guard, ModeTransport) and guard.stops(request):
            return None
        closed = self._pace.closed_s()
        if closed > self._patience.total_s:
            text = f"{_place(request)}: the provider asked to send nothing for {closed:.0f} s more"
            raise RateLimited(self.hidden(text), retry_after=closed, unsent=True)
        return await self._pace.take()

    def _read(self, answer: httpx.Response, reads: bool) -> Any:
        if not answer.is_success:
            error = self.error_of(answer)
            if isinstance(error, RateLimited):
                self._pace.pause(error.retry_after or 0.0)
            raise _doubt(error, reads)
        if not answer.content:
            return None
        try:
            return answer.json()
        except (ValueError, RecursionError) as problem:
            raw = self.hidden(answer.text)[: redaction.LONGEST]
            text = f"expected JSON from {_place(answer.request)}, found something else"
            error = ProviderUnavailable(self.hidden(text), status=answer.status_code, raw=raw)
            raise _doubt(error, reads) from problem

    def error_of(self, answer: httpx.Response) -> ProviderError:
        """Return what an answer that is no success means; secrets go before anything is cut short."""
        try:
            body = self.hidden(answer.json())
        except (ValueError, RecursionError):
            body = self.hidden(answer.text)[: redaction.LONGEST]
        kind, words = self._meaning(answer.status_code, body)
        message = f"{_place(answer.request)} answered {answer.status_code}: {words}"
        return kind(
            self.hidden(message),
            status=answer.status_code,
            raw=body,
            retry_after=self._wait(answer) if kind is RateLimited or answer.status_code >= 500 else None,
        )

    def hidden(self, found: Any) -> Any:
        """Return a JSON value without secrets."""
        return redaction.value(found, self._auth.secrets())

    def _unsent(self, problem: httpx.HTTPError, request: httpx.Request) -> ProviderError:
        return self._broken(problem, request, unsent=True)

    def _broken(
        self, problem: httpx.HTTPError, request: httpx.Request, *, unsent: bool = False
    ) -> ProviderError:
        late = isinstance(problem, httpx.TimeoutException)
        kind = ProviderTimeout if late else ProviderUnavailable
        why = f"no answer within {self._patience.timeout_s:g} s" if late else str(problem) or "cut off"
        text = f"{_place(request)}: {why} ({type(problem).__name__})"
        return kind(self.hidden(text), unsent=unsent)


def _doubt(error: ProviderError, reads: bool) -> Exception:
    return error if reads or not may_have_happened(error) else Uncertain(error)


def _place(request: httpx.Request) -> str:
    return f"{request.method} {request.url.copy_with(query=None)}"


def _plain_meaning(status: int, body: Any) -> tuple[type[ProviderError], str]:
    return by_status(status), str(body)[:300]


def retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds of a `Retry-After` header, as a number or as a date."""
    said = answer.headers.get("Retry-After", "").strip()
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            until, now = parsedate_to_datetime(said), parsedate_to_datetime(answer.headers["Date"])
            seconds = (until - now).total_seconds()
        except (ValueError, KeyError, TypeError):  # the last where one of them names no zone
            return None
    return None if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_S)


async def _whole(answer: httpx.Response) -> httpx.Response:
    """Return an answer that was read, as far as it fits; a few bytes can stand for a lot of them."""
    parts, size = [], 0
    try:
        async for part in answer.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise httpx.ReadError(f"the answer is larger than {LARGEST:,} bytes")
    finally:
        await answer.aclose()
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in _NOT_KEPT]
    content = b"".join(parts)
    return httpx.Response(answer.status_code, headers=headers, content=content, request=answer.request)


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def real_transport() -> httpx.AsyncBaseTransport:
    """Return a transport to the network. Connections are its own; certificates are read once a process."""
    return httpx.AsyncHTTPTransport(verify=_tls(), retries=0)


async def pages(
    fetch: Callable[[Any], Awaitable[tuple[Sequence[Any], Any]]], *, most: int | None = None
) -> AsyncIterator[Any]:
    """Yield the records of all pages.

    Args:
        fetch: cursor (None for the first) -> the records of a page, and the next cursor or None.
        most: records to yield.

    Raises:
        ProviderUnavailable: a cursor came twice, or only empty pages come, so that there would be no end.
    """
    cursor, seen, count, empty = None, [], 0, 0
    while True:
        records, following = await fetch(cursor)
        empty = 0 if records else empty + 1
        for record in records:
            if most is not None and count >= most:
                return
            count += 1
            yield record
        if following is None or (most is not None and count >= most):
            return
        if following in seen or empty >= MOST_EMPTY:
            raise ProviderUnavailable("the provider's pages lead in a circle")
        seen.append(following)
        cursor = following
