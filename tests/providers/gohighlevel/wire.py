"""A client of the wire itself, for tests that look at what a simulator answers."""

import asyncio
from typing import Any

import httpx

from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.base.transport import SimulatorTransport
from buddy.adapters.providers.gohighlevel.simulator.app import simulator

OLD, V3 = "2021-07-28", "v3"


class Wire:
    """Speaks to a simulator in process; the loop is new for each request."""

    def __init__(self, sim: Simulator | None = None, version: str = OLD, **made: Any) -> None:
        self.sim = sim or simulator(3, **made)
        greeting = self.sim.greeting("http://s")
        self.greeting = greeting
        self.location: str = greeting["location_id"]
        self.headers = {"Version": version, "Authorization": f"Bearer {greeting['token']}"}

    def __call__(
        self, method: str, path: str, body: Any = None, headers: dict[str, Any] | None = None, **more: Any
    ) -> httpx.Response:
        whole = {**self.headers, **(headers or {})}
        sent = {name: value for name, value in whole.items() if value is not None}
        if body is not None:
            more["json"] = body

        async def go() -> httpx.Response:
            transport = SimulatorTransport(self.sim)
            async with httpx.AsyncClient(transport=transport, base_url="http://s") as http:
                return await http.request(method, path, headers=sent, **more)

        return asyncio.run(go())

    def made(self, **fields: Any) -> dict[str, Any]:
        """Create a contact and return it."""
        answer = self("POST", "/contacts/", {"locationId": self.location, **fields})
        assert answer.status_code == 201, answer.text
        contact: dict[str, Any] = answer.json()["contact"]
        return contact

    def found(self, **body: Any) -> list[str]:
        """The emails that a search finds, in order."""
        answer = self("POST", "/contacts/search", {"locationId": self.location, "pageLimit": 100, **body})
        assert answer.status_code == 200, answer.text
        return [contact.get("email", "") for contact in answer.json()["contacts"]]
