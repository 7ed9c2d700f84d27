import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from buddy.adapters.providers.base.api import Api, Bearer, Patience, pages, retry_after
from buddy.adapters.providers.base.errors import (
    AuthError,
    Conflict,
    InvalidRequest,
    NotFound,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    Uncertain,
)
from buddy.errors import ToolError

QUICK = Patience(timeout_s=1.0, attempts=3, total_s=5.0, first_s=0.001, most_s=0.002)
Answer = httpx.Response | Exception


class Script(httpx.AsyncBaseTransport):
    """A service that answers by a script, and with its last answer from then on."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.tokens: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.tokens.append(request.headers.get("Authorization", ""))
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)


def ask(script: Script, method: str = "GET", **more: Any) -> Any:
    async def go() -> Any:
        options = {"patience": QUICK, **more.pop("api", {})}
        auth = options.pop("auth", Bearer("s3cret-token"))
        async with Api("https://vendor.example", script, auth, **options) as api:
            return await api.request(method, "/x", **more)

    return asyncio.run(go())


def answer(status: int, body: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body if body is not None else {"said": status}, headers=named)


FAILURES: list[tuple[Answer, type[ProviderError]]] = [
    (answer(400), InvalidRequest),
    (answer(401), AuthError),
    (answer(403), AuthError),
    (answer(404), NotFound),
    (answer(405), InvalidRequest),
    (answer(408), ProviderTimeout),
    (answer(409), Conflict),
    (answer(412), Conflict),
    (answer(422), InvalidRequest),
    (answer(429), RateLimited),
    (answer(500), ProviderUnavailable),
    (answer(502), ProviderUnavailable),
    (answer(503), ProviderUnavailable),
    (answer(504), ProviderTimeout),
    (answer(302), ProviderUnavailable),
    (httpx.Response(200, content=b"<html>"), ProviderUnavailable),
    (httpx.ConnectError("refused"), ProviderUnavailable),
    (httpx.ConnectTimeout("late"), ProviderTimeout),
    (httpx.ReadTimeout("late"), ProviderTimeout),
    (httpx.ReadError("cut"), ProviderUnavailable),
    (httpx.WriteError("cut"), ProviderUnavailable),
    (httpx.RemoteProtocolError("cut"), ProviderUnavailable),
]
RETRIED_READS = {408, 429, 500, 502, 503, 504, 302, 200}


@pytest.mark.parametrize(("found", "kind"), FAILURES, ids=repr)
def test_a_read_fails_as_the_tree_says_and_is_sent_again_where_that_can_help(
    found: Answer, kind: type[ProviderError]
) -> None:
    script = Script(found)
    with pytest.raises(kind) as failure:
        ask(script)
    assert isinstance(failure.value, ToolError)
    helps = isinstance(found, Exception) or found.status_code in RETRIED_READS
    assert len(script.requests) == (QUICK.attempts if helps else 1)


@pytest.mark.parametrize(("found", "kind"), FAILURES, ids=repr)
def test_a_write_is_never_sent_again_where_it_may_have_happened(
    found: Answer, kind: type[ProviderError]
) -> None:
    script = Script(found)
    with pytest.raises((kind, Uncertain)) as failure:
        ask(script, "POST", json={})
    unsent = isinstance(found, httpx.ConnectError | httpx.ConnectTimeout)
    limited = kind is RateLimited
    doubtful = kind in (ProviderTimeout, ProviderUnavailable) and not unsent
    assert isinstance(failure.value, Uncertain) == doubtful
    assert isinstance(failure.value, ToolError) != doubtful
    assert len(script.requests) == (QUICK.attempts if unsent or limited else 1)
    if isinstance(failure.value, Uncertain):
        assert isinstance(failure.value.error, kind)


def test_a_post_that_is_said_to_read_is_treated_as_a_read() -> None:
    script = Script(answer(500), answer(200, {"ok": 1}))
    assert ask(script, "POST", json={}, reads=True) == {"ok": 1}
    assert len(script.requests) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_limited_request_waits_as_long_as_it_is_asked_and_then_passes(method: str) -> None:
    script = Script(answer(429, Retry_After="0.05"), answer(200, {"ok": 1}))
    loop_time: list[float] = []

    async def go() -> None:
        clock = asyncio.get_running_loop().time
        async with Api("https://v.example", script, Bearer("t"), patience=QUICK) as api:
            begun = clock()
            assert await api.request(method, "/x") == {"ok": 1}
            loop_time.append(clock() - begun)

    asyncio.run(go())
    assert 0.05 <= loop_time[0] < 5.0


def test_who_asks_to_wait_longer_than_our_patience_is_reported_at_once() -> None:
    script = Script(answer(429, Retry_After="60"))
    with pytest.raises(RateLimited) as failure:
        ask(script)
    assert (failure.value.retry_after, failure.value.retryable) == (60.0, True)
    assert len(script.requests) == 1


def test_the_raw_body_is_kept_and_secrets_are_not() -> None:
    script = Script(answer(400, {"message": "token s3cret-token is odd", "access_token": "abc"}))
    with pytest.raises(InvalidRequest) as failure:
        ask(script)
    assert failure.value.status == 400
    assert failure.value.raw == {"message": "token *** is odd", "access_token": "***"}
    assert "s3cret" not in str(failure.value)


class Turning:
    """Signs in with the next of several tokens after a refusal."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    async def headers(self, http: httpx.AsyncClient) -> dict[str, str]:
        return {"Authorization": self.tokens[0]}

    async def refresh(self, http: httpx.AsyncClient, refused: Any) -> bool:
        assert refused["Authorization"] == self.tokens[0]
        self.tokens.pop(0)
        return bool(self.tokens)

    def secrets(self) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_token_is_refreshed_once_and_the_request_sent_again(method: str) -> None:
    script = Script(answer(401), answer(200, {"ok": 1}))
    assert ask(script, method, api={"auth": Turning("old", "new")}) == {"ok": 1}
    assert script.tokens == ["old", "new"]


def test_a_token_that_is_refused_again_is_an_auth_error() -> None:
    script = Script(answer(401))
    with pytest.raises(AuthError):
        ask(script, "POST", api={"auth": Turning("old", "new", "newer")})
    assert len(script.requests) == 2


class Unreachable(Turning):
    """Signs in, but cannot be refreshed."""

    async def refresh(self, http: httpx.AsyncClient, refused: Any) -> bool:
        raise httpx.ReadTimeout("late")


def test_a_write_whose_token_cannot_be_refreshed_has_not_happened() -> None:
    with pytest.raises(ProviderTimeout):
        ask(Script(answer(401)), "POST", api={"auth": Unreachable("old")})


def test_an_answer_without_a_body_is_none() -> None:
    assert ask(Script(httpx.Response(204))) is None


def test_our_own_agent_is_named_and_none_params_are_left_out() -> None:
    script = Script(answer(200, {}))
    ask(script, params={"a": 1, "b": None})
    assert script.requests[0].headers["User-Agent"].startswith("buddy-control/")
    assert script.requests[0].url.query == b"a=1"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "-3"}, 0.0),
        ({}, None),
        ({"Retry-After": "soon"}, None),
        (
            {"Retry-After": "Wed, 25 Nov 2026 10:00:30 GMT", "Date": "Wed, 25 Nov 2026 10:00:00 GMT"},
            30.0,
        ),
        ({"Retry-After": "Wed, 25 Nov 2026 10:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers=headers)) == seconds


def paged(fetch: Callable[[Any], Any], **more: Any) -> list[Any]:
    async def go() -> list[Any]:
        return [one async for one in pages(fetch, **more)]

    return asyncio.run(go())


def test_pages_end_with_the_last_cursor_or_when_there_is_enough() -> None:
    async def fetch(cursor: Any) -> tuple[list[int], Any]:
        start = cursor or 0
        return list(range(start, start + 3)), start + 3 if start < 6 else None

    assert paged(fetch) == list(range(9))
    assert paged(fetch, most=4) == [0, 1, 2, 3]
    assert paged(fetch, most=3) == [0, 1, 2]


def test_pages_that_lead_in_a_circle_end() -> None:
    async def fetch(cursor: Any) -> tuple[list[int], Any]:
        return [1], "again"

    with pytest.raises(ProviderUnavailable, match="circle"):
        paged(fetch)


class LostOnRefresh(Bearer):
    """Sign-in that cannot be reached when its token was refused."""

    async def refresh(self, http: httpx.AsyncClient, refused: Mapping[str, str]) -> bool:
        raise httpx.ReadError("cut")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refresh_that_cannot_be_reached_says_that_nothing_was_sent(method: str) -> None:
    with pytest.raises(ProviderUnavailable) as failure:
        ask(Script(answer(401)), method, api={"auth": LostOnRefresh("s3cret-token")})
    assert failure.value.unsent
