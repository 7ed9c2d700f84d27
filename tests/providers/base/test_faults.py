import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from buddy.adapters.providers.base import serving
from buddy.adapters.providers.base.faults import KINDS, Faults, changed, parse
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.base.transport import SimulatorTransport
from buddy.errors import BadInput

SHORT = Faults(stall_s=0.6)


def shop(faults: Faults = SHORT) -> Simulator:
    """A service that keeps what is posted to it."""
    things: list[Any] = []

    async def post(request: Request) -> Response:
        things.append(await request.json())
        return JSONResponse({"n": len(things)}, 201)

    async def count(request: Request) -> Response:
        return JSONResponse({"n": len(things)})

    return Simulator(
        name="shop",
        routes=[
            Route("/things", post, methods=["POST"]),
            Route("/things", count),
            Route("/find", post, methods=["POST"]),
        ],
        answer=lambda status, scope: JSONResponse({"vendor": status}, status),
        state=lambda: things,
        reset=things.clear,
        greeting=lambda base_url: {"token": "t"},
        reads=(("POST", "/find"),),
        faults=faults,
    )


@pytest.fixture
def served() -> Iterator[tuple[Simulator, str]]:
    sim = shop()
    with serving.running(sim) as url:
        yield sim, url


def in_process(sim: Simulator, method: str, path: str, timeout: float = 10.0, **more: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=SimulatorTransport(sim), base_url="http://s", timeout=timeout
        ) as http:
            return await http.request(method, path, **more)

    return asyncio.run(go())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.isdecimal()])
def test_a_status_is_answered_in_the_vendors_form_and_nothing_happens(kind: str) -> None:
    sim = shop()
    found = in_process(sim, "POST", "/things", json={}, headers={"X-Buddy-Fault": kind})
    assert (found.status_code, found.json()) == (int(kind), {"vendor": int(kind)})
    assert sim.state() == []
    assert (sim.layer.counts.writes, sim.layer.counts.effects) == (1, 0)
    assert sim.layer.counts.faults == {kind: 1}


@pytest.mark.parametrize(
    ("kind", "effects", "problem"),
    [
        ("stall", 0, httpx.ReadTimeout),
        ("stall-after", 1, httpx.ReadTimeout),
        ("cut-before", 0, httpx.TransportError),
        ("cut-after", 1, httpx.TransportError),
    ],
)
@pytest.mark.parametrize("wire", ["in process", "served"])
def test_a_stall_and_a_cut_before_and_after_the_effect(
    served: tuple[Simulator, str], wire: str, kind: str, effects: int, problem: type[Exception]
) -> None:
    sim, url = served
    headers = {"X-Buddy-Fault": kind}
    patience = 0.3 if kind.startswith("stall") else 10.0
    ask: Callable[..., Any] = partial(httpx.post, f"{url}/things", timeout=patience, trust_env=False)
    if wire == "in process":
        ask = partial(in_process, sim, "POST", "/things", timeout=patience)
    with pytest.raises(problem):
        ask(json={}, headers=headers)
    assert len(sim.state()) == effects
    assert sim.layer.counts.effects == effects
    assert list(sim.layer.counts.log) in ([("POST", "/things", 0)], []), "no answer left, if it ended at all"


def test_a_connection_that_was_cut_sends_not_one_byte(served: tuple[Simulator, str]) -> None:
    _, url = served
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(b"GET /things HTTP/1.1\r\nHost: s\r\nX-Buddy-Fault: cut-after\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert line.recv(100) == b""


def test_rates_are_drawn_by_seed_and_again_after_a_reset() -> None:
    def drawn(seed: int) -> list[int]:
        sim = shop(Faults(rates={"500": 0.3, "429": 0.2}, seed=seed))
        first = [in_process(sim, "GET", "/things").status_code for _ in range(60)]
        sim.reset()
        assert [in_process(sim, "GET", "/things").status_code for _ in range(60)] == first
        return first

    assert drawn(1) != drawn(2)
    counted = drawn(3)
    assert 10 <= counted.count(500) <= 30
    assert 4 <= counted.count(429) <= 24


def test_latency_is_waited() -> None:
    sim = shop(Faults(latency_s=(0.03, 0.05)))
    begun = time.monotonic()
    in_process(sim, "GET", "/things")
    assert 0.03 <= time.monotonic() - begun < 5.0


def test_what_reads_is_no_write() -> None:
    sim = shop()
    for method, path in (("GET", "/things"), ("HEAD", "/things"), ("POST", "/find"), ("POST", "/things")):
        in_process(sim, method, path, **({"json": {}} if method == "POST" else {}))
    in_process(sim, "DELETE", "/nothing")
    assert (sim.layer.counts.requests, sim.layer.counts.writes, sim.layer.counts.effects) == (5, 2, 1)
    assert sim.layer.counts.by["POST /find"] == 1


def test_what_no_route_takes_is_answered_in_the_vendors_form() -> None:
    sim = shop()
    assert in_process(sim, "GET", "/nothing").json() == {"vendor": 404}
    assert in_process(sim, "PUT", "/things").json() == {"vendor": 405}


def test_the_admin_address_shows_and_sets(served: tuple[Simulator, str]) -> None:
    sim, url = served
    with httpx.Client(base_url=url, trust_env=False) as http:
        http.post("/things", json={"a": 1})
        assert http.get("/_sim/state").json() == {"digest": sim.digest(), "state": [{"a": 1}]}
        assert http.get("/_sim/counts").json()["effects"] == 1
        assert http.post("/_sim/faults", json={"rates": {"503": 1.0}}).json()["rates"] == {"503": 1.0}
        assert http.get("/things").status_code == 503
        for wrong in ({"rate": {}}, {"rates": {"999": 1}}, {"rates": 3}, {"seed": "x"}, [], "{"):
            body = wrong if isinstance(wrong, str) else json.dumps(wrong)
            assert http.post("/_sim/faults", content=body).status_code == 400
        assert http.post("/_sim/faults", json={"rates": {}}).status_code == 200
        assert http.post("/_sim/reset").json() == {"reset": True}
        assert http.get("/_sim/state").json()["state"] == []
        assert http.get("/_sim/openapi.json").status_code == 404
    assert sim.layer.counts.requests == 0, "looking inside counts for nothing"


@pytest.mark.parametrize(
    ("text", "rates", "lag"),
    [
        ("none", {}, 0.0),
        ("", {}, 0.0),
        ("seeds", {"401": 0.5}, 0.0),
        ("429=0.1,cut-after=1e-2", {"429": 0.1, "cut-after": 0.01}, 0.0),
        ("seeds,500=0.1,lag=2.5", {"401": 0.5, "500": 0.1}, 2.5),
    ],
)
def test_faults_as_they_are_written(text: str, rates: dict[str, float], lag: float) -> None:
    assert parse(text, {"401": 0.5}) == Faults(rates=rates, lag_s=lag)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "429",
        "429=",
        "429=x",
        "429=1.1",
        "429=-1",
        "429=nan",
        "lag",
        "lag=-1",
        "lag=x",
        "999=0.1",
        "429=0.6,500=0.6",
    ],
)
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(text, {})


def test_changed_faults_keep_the_rest() -> None:
    assert changed(SHORT, {"seed": 4}) == Faults(stall_s=0.6, seed=4)


def test_a_served_simulator_greets_once_it_answers() -> None:
    sim = shop()
    greeted: list[dict[str, Any]] = []
    ready = threading.Event()

    def say(greeting: Any) -> None:
        greeted.append(dict(greeting))
        ready.set()

    with serving.running(sim) as url, pytest.raises(BadInput, match="expected an address to listen at"):
        serving.serve(sim, port=int(url.rpartition(":")[2]), say=say)
    assert greeted == []
    assert sim.greeting("http://x") == {"provider": "shop", "base_url": "http://x", "token": "t"}
