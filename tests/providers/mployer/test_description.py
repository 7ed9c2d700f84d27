"""The portal holds its own description, whatever it is sent: no server error, no undocumented answer."""

import asyncio
import re
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from buddy.adapters.providers.mployer.simulator.filters import Filters
from buddy.adapters.providers.mployer.simulator.openapi import document
from buddy.adapters.providers.mployer.simulator.portal import simulator

PATHS: dict[str, Any] = document()["paths"]
WAYS = [(method, path) for path, ways in PATHS.items() for method in ways]
FIELDS = (*Filters.__struct_fields__, "page", "username", "password", "code", "name", "query")
odd = st.one_of(
    st.sampled_from(["", " ", "TX", "Texas", "7", "-1", "0", "00-1234567", "78701", "9" * 30]),
    st.sampled_from(["%00", "<b>", "é" * 99, "\ud7ff", "a=b&c"]),
    st.text(max_size=40),
)
forms = st.dictionaries(st.sampled_from(FIELDS), odd, max_size=5)


asks = st.lists(st.tuples(st.sampled_from(WAYS), forms, st.booleans()), min_size=1, max_size=6)
NO_FORM = {"content": b"\xff=%zz&&=", "headers": {"Content-Type": "text/plain"}}


@settings(max_examples=60, deadline=None)
@given(asks, st.booleans())
def test_every_answer_is_in_the_description(
    requests: list[tuple[tuple[str, str], dict[str, str], bool]], signed_in: bool
) -> None:
    app = simulator(3)

    async def ask() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://portal.example") as http:
            if signed_in:
                await http.post("/login", data={"username": app.portal.login.username})
                await http.post("/login/password", data={"password": app.portal.login.password})
            for (method, path), form, raw in requests:
                address = path.replace("{employer_id}", quote(form.get("name", ""), safe="") or "e1")
                sent: dict[str, Any] = NO_FORM if raw else {"data": form}
                more = {"params": form} if method == "get" else sent
                answer = await http.request(method, address, **more)
                assert str(answer.status_code) in PATHS[path][method]["responses"], (method, path, form)

    asyncio.run(ask())


def test_the_description_has_every_address_and_no_other() -> None:
    app = simulator(3)
    routed = {re.sub(r":\w+}", "}", route.path) for route in app.portal.routes()} - {"/portal.css"}
    assert set(PATHS) == routed
    for route in app.portal.routes():
        methods = {method.lower() for method in route.methods or ()} - {"head"}
        assert route.path == "/portal.css" or methods == set(PATHS[route.path])
