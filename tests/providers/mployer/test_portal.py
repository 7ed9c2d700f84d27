"""The simulated portal at its own level: who gets in, what is refused, what runs out."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.mployer.simulator.accounts import CODE_S, SESSION_S, TRIES
from buddy.adapters.providers.mployer.simulator.portal import (
    COLUMNS,
    SEED_RATES,
    PortalSimulator,
    simulator,
)
from providers.mployer.world import Box, Clock

Steps = Callable[[Any], Awaitable[None]]


def visit(app: PortalSimulator, steps: Steps) -> None:
    async def run() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://portal.example", follow_redirects=True
        ) as http:
            await steps(http)

    asyncio.run(run())


async def sign_in(http: Any, app: PortalSimulator, password: str | None = None) -> Any:
    login = app.portal.login
    await http.post("/login", data={"username": login.username})
    return await http.post("/login/password", data={"password": password or login.password})


def test_two_steps_lead_in() -> None:
    app = simulator(1)

    async def steps(http: Any) -> None:
        assert (await http.get("/")).url.path == "/login"
        second = await http.post("/login", data={"username": app.portal.login.username})
        assert second.url.path == "/login/password"
        assert app.portal.login.username in second.text
        inside = await http.post("/login/password", data={"password": app.portal.login.password})
        assert inside.url.path == "/employers"
        assert app.portal.accounts.signed_in == 1
        assert (await http.post("/logout")).url.path == "/login"
        assert app.portal.accounts.signed_in == 0
        assert (await http.get("/employers")).url.path == "/login"

    visit(app, steps)


@pytest.mark.parametrize("path", ["/employers", "/employers.csv", "/employers/e1"])
def test_nobody_gets_a_page_without_signing_in(path: str) -> None:
    async def steps(http: Any) -> None:
        assert (await http.get(path)).url.path == "/login"
        assert (await http.post("/searches", data={"name": "x", "query": ""})).url.path == "/login"

    visit(simulator(1), steps)


def test_a_wrong_password_and_a_wrong_name_look_the_same() -> None:
    app = simulator(1)

    async def steps(http: Any) -> None:
        wrong = await sign_in(http, app, "wrong")
        assert wrong.status_code == 401
        await http.post("/login", data={"username": "nobody"})
        unknown = await http.post("/login/password", data={"password": app.portal.login.password})
        assert unknown.status_code == 401
        alert = re.compile(r'role="alert"[^>]*>([^<]*)<')
        assert alert.findall(wrong.text) == alert.findall(unknown.text) != []
        assert (await http.post("/login", data={"username": " "})).status_code == 422

    visit(app, steps)


def test_a_mailed_code_opens_the_session_once() -> None:
    box, clock = Box(), Clock()
    app = simulator(1, deliver=box.deliver, now=lambda: clock.now)

    async def steps(http: Any) -> None:
        asks = await sign_in(http, app)
        assert asks.url.path == "/login/code"
        assert app.portal.accounts.signed_in == 0
        assert (await http.get("/employers")).url.path == "/login", "the password alone opens nothing"
        code = re.findall(r"\d{6}", box.mails["1"])[0]
        assert (await http.post("/login/code", data={"code": "000000"})).status_code == 401
        assert (await http.post("/login/code", data={"code": f" {code} "})).url.path == "/employers"
        assert (await http.post("/login/code", data={"code": code})).url.path == "/login"

    visit(app, steps)


@pytest.mark.parametrize("how", ["late", "too often"])
def test_a_code_runs_out(how: str) -> None:
    box, clock = Box(), Clock()
    app = simulator(1, deliver=box.deliver, now=lambda: clock.now)

    async def steps(http: Any) -> None:
        await sign_in(http, app)
        code = re.findall(r"\d{6}", box.mails["1"])[0]
        if how == "late":
            clock.now += CODE_S + 1
        else:
            for _ in range(TRIES):
                await http.post("/login/code", data={"code": "x"})
        refused = await http.post("/login/code", data={"code": code})
        assert refused.status_code == 401
        assert app.portal.accounts.signed_in == 0

    visit(app, steps)


def test_a_session_runs_out_and_says_so() -> None:
    clock = Clock()
    app = simulator(1, now=lambda: clock.now)

    async def steps(http: Any) -> None:
        await sign_in(http, app)
        clock.now += SESSION_S - 1
        assert (await http.get("/employers")).url.path == "/employers"
        clock.now += SESSION_S - 1
        assert (await http.get("/employers")).url.path == "/employers", "each page makes it last"
        clock.now += SESSION_S + 1
        ended = await http.get("/employers")
        assert ended.url.path == "/login"
        assert "session has ended" in ended.text

    visit(app, steps)


def test_the_table_has_pages_and_the_export_has_everything() -> None:
    app = simulator(7)

    async def steps(http: Any) -> None:
        await sign_in(http, app)
        ids: list[str] = []
        page = 1
        while True:
            shown = await http.get("/employers", params={"state": "TX", "page": page})
            ids += re.findall(r'data-contact="(\w+)"', shown.text)
            if 'rel="next"' not in shown.text:
                break
            page += 1
        assert page > 1
        lines = (await http.get("/employers.csv", params={"state": "TX"})).text.splitlines()
        assert lines[0] == ",".join(COLUMNS)
        assert [line.split(",")[0] for line in lines[1:]] == ids
        assert (await http.get("/employers.csv", params={"zip": "x"})).status_code == 422
        first = re.findall(r'href="/employers/(\w+)"', shown.text)[0]
        assert (await http.get(f"/employers/{first}")).status_code == 200
        assert (await http.get("/employers/none")).status_code == 404

    visit(app, steps)


def test_a_saved_search_is_kept_and_a_nameless_one_is_not() -> None:
    app = simulator(1)

    async def steps(http: Any) -> None:
        await sign_in(http, app)
        before = app.digest()
        saved = await http.post("/searches", data={"name": "<b>Ours</b>", "query": "state=TX"})
        assert "&lt;b&gt;Ours" in saved.text, "what is typed is never markup"
        assert app.digest() != before
        assert (await http.post("/searches", data={"name": "", "query": ""})).status_code == 422
        assert len(app.portal.saved) == 1
        app.reset()
        assert app.digest() == before

    visit(app, steps)


def test_faults_come_at_the_seeds_rates_and_look_like_the_portal() -> None:
    app = simulator(1, Faults(rates=SEED_RATES, seed=5))

    async def steps(http: Any) -> None:
        seen: dict[int, int] = {}
        for _ in range(1000):
            answer = await http.get("/login")
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            if answer.status_code == 429:
                assert answer.headers["Retry-After"].isdigit()
                assert "faster than your plan" in answer.text
        assert set(seen) == {200, 401, 429}
        assert 30 <= seen[401] <= 75
        assert 30 <= seen[429] <= 75

    visit(app, steps)
