"""Answers that no service should give: they cost an error in a sentence, and no time, memory or secret."""

import asyncio
import gzip
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from buddy.adapters.providers.base import api as interface
from buddy.adapters.providers.base.api import Api, Bearer, Patience, pages, real_transport, retry_after
from buddy.adapters.providers.base.errors import (
    AuthError,
    InvalidRequest,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Uncertain,
)

TOKEN = "tok-CANARY-123456"
QUICK = Patience(timeout_s=2.0, attempts=2, total_s=2.0, first_s=0.001, most_s=0.002)
DEEP = "[" * 100_000


def asked(answer: httpx.Response | Callable[..., Any], *requests: tuple[str, str], token: str = TOKEN) -> Any:
    """Send requests one after another to what always answers the same; returns the last answer."""
    said = answer if callable(answer) else lambda request: answer

    async def go() -> Any:
        transport = httpx.MockTransport(said)
        async with Api("https://vendor.example/", transport, Bearer(token), patience=QUICK) as api:
            for method, path in requests[:-1]:
                with pytest.raises(ProviderError):
                    await api.request(method, path)
            async with asyncio.timeout(5.0):
                return await api.request(*requests[-1])

    return asyncio.run(go())


def everything_of(problem: BaseException) -> str:
    return "".join(traceback.format_exception(problem)) + repr(vars(problem))


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("body", [DEEP + "]" * 100_000, "[" * 900 + "]" * 900, DEEP])
def test_json_that_is_too_deep_is_no_error_of_ours(status: int, body: str) -> None:
    answer = httpx.Response(status, text=body)
    if status == 200 and body.count("]") == 900:
        assert asked(answer, ("GET", "a"))
        return
    with pytest.raises(ProviderError) as failure:
        asked(answer, ("GET", "a"))
    assert len(str(failure.value)) < 500


def test_a_few_bytes_that_stand_for_many_are_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "LARGEST", 1_000_000)
    bomb = gzip.compress(b" " * 20_000_000)
    with _answering(bomb, {"Content-Encoding": "gzip"}) as url:

        async def go(method: str) -> Any:
            async with Api(url, real_transport(), Bearer(TOKEN), patience=QUICK) as api:
                return await api.request(method, "/a")

        with pytest.raises(ProviderUnavailable, match="larger than 1,000,000 bytes"):
            asyncio.run(go("GET"))
        with pytest.raises(Uncertain):
            asyncio.run(go("POST"))


@contextmanager
def _answering(body: bytes, headers: dict[str, str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *said: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_pages_that_are_all_empty_come_to_an_end() -> None:
    async def fetch(cursor: Any) -> tuple[list[Any], Any]:
        assert (cursor or 0) < 1_000
        return [], (cursor or 0) + 1

    async def go() -> list[Any]:
        return [one async for one in pages(fetch, most=10)]

    with pytest.raises(ProviderUnavailable, match="circle"):
        asyncio.run(go())


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("inf", 86_400.0),
        ("1e300", 86_400.0),
        ("-5", 0.0),
        ("nan", None),
        ("Wed, 21 Oct 2015 07:28:00 -0000", None),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 86_400.0),
    ],
)
def test_a_wait_is_one_that_can_be_meant(said: str, seconds: float | None) -> None:
    headers = {"Retry-After": said, "Date": "Wed, 21 Oct 2015 07:27:59 GMT"}
    assert retry_after(httpx.Response(429, headers=headers)) == seconds


def test_after_a_long_wait_was_asked_for_the_next_request_is_told_and_does_not_hang() -> None:
    begun = time.monotonic()
    with pytest.raises(RateLimited, match=r"nothing for 3[56][0-9][0-9] s more") as failure:
        asked(httpx.Response(429, headers={"Retry-After": "3600"}), ("GET", "a"), ("POST", "b"))
    assert failure.value.retry_after == pytest.approx(3_600, abs=10)
    assert time.monotonic() - begun < 2.0


def test_what_cannot_be_sent_says_that_nothing_happened() -> None:
    with pytest.raises(InvalidRequest, match="cannot be sent"):
        asked(httpx.Response(200), ("POST", "a" * 70_000))
    with pytest.raises(InvalidRequest, match="cannot be sent"):
        asked(httpx.Response(200), ("POST", "a\x00b"))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, text="x" * 3_990 + TOKEN),
        httpx.Response(400, json={"message": "x" * 275 + TOKEN}),
        httpx.Response(400, json={TOKEN: 1}),
        httpx.Response(200, text="x" * 3_990 + TOKEN),
    ],
)
def test_a_secret_that_is_cut_short_or_a_key_is_not_shown(answer: httpx.Response) -> None:
    with pytest.raises(ProviderError) as failure:
        asked(answer, ("GET", "a"))
    assert TOKEN[:7] not in everything_of(failure.value)


def test_a_token_that_is_no_header_is_told_and_not_shown() -> None:
    for token in ("tok-CANARY\r\nX-More: 1", "tok-CANARY-é"):
        with pytest.raises(AuthError, match="printable ASCII") as failure:
            asked(httpx.Response(200), ("POST", "a"), token=token)
        assert "CANARY" not in everything_of(failure.value)
    assert asked(httpx.Response(200, json={"ok": True}), ("GET", "a"), token=f"{TOKEN}\n") == {"ok": True}
