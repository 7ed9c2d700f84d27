import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.adapters.providers.base.errors import Captured
from buddy.adapters.providers.base.rehearsal import Rehearsal
from buddy.adapters.providers.base.transport import SAFE, ModeTransport, pattern_of
from buddy.model.mode import Mode

ALLOWED = (("POST", "/contacts/search"), ("POST", "/things/{id}/read"))


class Wire(httpx.AsyncBaseTransport):
    """A network that only remembers what reached it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((request.method, request.url.raw_path.decode()))
        return httpx.Response(200, json={})


def send(guard: ModeTransport, method: str, url: str, **more: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=guard, base_url="https://vendor.example") as http:
            return await http.request(method, url, **more)

    return asyncio.run(go())


def test_mock_reaches_the_simulator_alone() -> None:
    real, simulator = Wire(), Wire()
    guard = ModeTransport(Mode.MOCK, real=real, simulator=simulator)
    for method in ("GET", "POST", "DELETE"):
        assert send(guard, method, "/x").status_code == 200
    assert (len(real.seen), len(simulator.seen)) == (0, 3)


def test_live_passes_everything_to_the_service() -> None:
    real, simulator = Wire(), Wire()
    guard = ModeTransport(Mode.LIVE, real=real, simulator=simulator)
    send(guard, "DELETE", "/x")
    assert (len(real.seen), len(simulator.seen)) == (1, 0)


def test_dry_run_lets_through_what_reads_and_the_named_exceptions() -> None:
    real = Wire()
    guard = ModeTransport(Mode.DRY_RUN, real=real, allow=ALLOWED)
    for method, path in (("GET", "/x"), ("HEAD", "/x"), *ALLOWED[:1], ("POST", "/things/7/read")):
        assert send(guard, method, path).status_code == 200
    assert guard.captured == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/contacts/search/"),
        ("POST", "/contacts/search/duplicate"),
        ("POST", "/contacts//search"),
        ("POST", "/things/../read"),
        ("POST", "/things/./read"),
        ("POST", "/things/a%2Fb/read"),
        ("POST", "/things/%2e%2e/read"),
        ("POST", "/contacts/search%3F"),
        ("PUT", "/contacts/search"),
        ("post", "/other"),
        ("OPTIONS", "/x"),
        ("GETX", "/x"),
    ],
)
def test_dry_run_stops_what_only_looks_like_an_exception(method: str, path: str) -> None:
    real = Wire()
    guard = ModeTransport(Mode.DRY_RUN, real=real, allow=ALLOWED)
    with pytest.raises(Captured):
        send(guard, method, path)
    assert real.seen == []
    assert len(guard.captured) == 1


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override"])
def test_a_read_that_names_another_method_is_a_write(header: str) -> None:
    real = Wire()
    guard = ModeTransport(Mode.DRY_RUN, real=real, allow=ALLOWED)
    with pytest.raises(Captured):
        send(guard, "GET", "/x", headers={header: "DELETE"})
    assert real.seen == []


@given(
    method=st.sampled_from(
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "MOVE", "get"]
    ),
    path=st.lists(
        st.sampled_from(
            ["contacts", "search", "things", "1", "read", "..", ".", "", "%2e%2e", "%2f", "a b", "ü", "?q"]
        ),
        max_size=5,
    ).map(lambda parts: "/" + "/".join(parts)),
)
def test_dry_run_lets_no_other_request_through(method: str, path: str) -> None:
    real = Wire()
    guard = ModeTransport(Mode.DRY_RUN, real=real, allow=ALLOWED)
    try:
        send(guard, method, f"https://vendor.example{path}")
    except Captured:
        assert real.seen == []
        return
    [(sent, raw)] = real.seen
    reached = raw.partition("?")[0]
    named = sent == "POST" and (
        reached == "/contacts/search" or pattern_of("/things/{id}/read").fullmatch(reached)
    )
    assert sent in SAFE or named


def test_a_captured_request_is_what_would_have_been_sent_without_secrets() -> None:
    guard = ModeTransport(Mode.DRY_RUN, real=Wire(), secrets=lambda: ("hunter2hunter2",))
    with pytest.raises(Captured) as stopped:
        send(
            guard,
            "POST",
            "/contacts/?q=hunter2hunter2",
            json={"email": "a@b.co", "password": "x", "note": "it is hunter2hunter2"},
            headers={"Authorization": "Bearer hunter2hunter2"},
        )
    request = stopped.value.request
    assert request.method == "POST"
    assert request.url == "https://vendor.example/contacts/?q=***"
    assert request.body == {"email": "a@b.co", "password": "***", "note": "it is ***"}
    assert guard.captured == [request]


def test_a_body_that_is_no_json_is_kept_as_text() -> None:
    guard = ModeTransport(Mode.DRY_RUN, real=Wire())
    with pytest.raises(Captured) as stopped:
        send(guard, "PUT", "/x", content=b"client_secret=abc&a=1")
    assert stopped.value.request.body == "client_secret=***&a=1"


def test_the_error_names_the_request_and_no_content() -> None:
    guard = ModeTransport(Mode.DRY_RUN, real=Wire())
    with pytest.raises(Captured, match=r"DELETE https://vendor\.example/x would write"):
        send(guard, "DELETE", "/x", content=json.dumps({"a": 1}))


def test_what_stands_in_is_told_in_dry_run_alone_and_to_its_own_task_alone() -> None:
    rehearsal = Rehearsal(lambda request: {"made": "up"})
    real, simulator = Wire(), Wire()
    with rehearsal.going_on():
        assert send(ModeTransport(Mode.DRY_RUN, real=real), "POST", "/x").json() == {"made": "up"}
        assert send(ModeTransport(Mode.LIVE, real=real), "POST", "/y").json() == {}
        assert send(ModeTransport(Mode.MOCK, simulator=simulator), "POST", "/z").json() == {}
    assert [request.url for request in rehearsal.stopped] == ["https://vendor.example/x"]
    assert (real.seen, simulator.seen) == ([("POST", "/y")], [("POST", "/z")])
    with pytest.raises(Captured):
        send(ModeTransport(Mode.DRY_RUN, real=real), "POST", "/x")


def test_a_rehearsal_in_which_nothing_stands_in_ends_at_the_first_write() -> None:
    rehearsal = Rehearsal()
    with rehearsal.going_on(), pytest.raises(Captured):
        send(ModeTransport(Mode.DRY_RUN, real=Wire()), "POST", "/x")
    assert len(rehearsal.stopped) == 1


def test_a_rehearsal_that_breaks_is_over() -> None:
    def breaks() -> None:
        with Rehearsal(lambda request: {}).going_on():
            raise KeyError

    with pytest.raises(KeyError):
        breaks()
    with pytest.raises(Captured):
        send(ModeTransport(Mode.DRY_RUN, real=Wire()), "POST", "/x")
