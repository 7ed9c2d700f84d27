"""A served simulator, tools and clients bound to it, and connections that go wrong where a test says."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from buddy.adapters.providers.base.api import Api, Bearer, Patience, real_transport
from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.serving import running
from buddy.adapters.providers.base.tools import Asked, OfferedTool
from buddy.adapters.providers.base.transport import ModeTransport, SimulatorTransport
from buddy.adapters.providers.msgraph import wire
from buddy.adapters.providers.msgraph.allowed import ALLOWED
from buddy.adapters.providers.msgraph.client import GraphClient
from buddy.adapters.providers.msgraph.contracts import OFFERS
from buddy.adapters.providers.msgraph.once import SentOnce
from buddy.adapters.providers.msgraph.simulator.app import GraphSimulator
from buddy.model.mode import Mode
from buddy.model.outcome import Call
from buddy.ports import CallContext

OFFERED = {offer.contract.name: offer for offer in OFFERS}
OWNER = "alex.rivera@contoso.example"
COLLEAGUE = "sam.lee@contoso.example"
HASTE = Patience(timeout_s=5.0, attempts=2, total_s=0.6, first_s=0.01, most_s=0.02)
STALLED_S = 0.1
"""Seconds that a request is waited for which a test lets stall; the others may take their time."""
NOTHING = Access(environ={})


class Served:
    """A simulator on a port."""

    def __init__(self, simulator: GraphSimulator, base: str) -> None:
        self.simulator = simulator
        self.base = base
        self.url = f"{base}/v1.0"

    def access(self, **more: str) -> Access:
        """Credentials of the mailbox's owner."""
        environ = {"BUDDY_MSGRAPH_TOKEN": self.simulator.token(), "BUDDY_MSGRAPH_BASE_URL": self.url}
        return Access(environ={**environ, **more})

    def tool(self, name: str) -> OfferedTool:
        return OfferedTool(OFFERED[name], self.access())

    def client(
        self,
        mode: Mode = Mode.LIVE,
        *,
        wrong: Any = None,
        token: str = "",
        patience: Patience = HASTE,
    ) -> GraphClient:
        auth = Bearer(token or self.simulator.token())

        def connect() -> Api:
            real = real_transport() if wrong is None else wrong.over(real_transport())
            guard = ModeTransport(mode, real=SentOnce(real), allow=ALLOWED)
            headers = {"Prefer": wire.PREFER}
            return Api(self.url, guard, auth, headers=headers, meaning=wire.meaning, patience=patience)

        return GraphClient(connect)

    @property
    def sent(self) -> list[Any]:
        return self.simulator.store.sent

    def inbox(self) -> list[str]:
        """Immutable ids of the inbox, oldest first."""
        box = next(iter(self.simulator.store.mailboxes()))
        return [box.id_of(item, True) for item in box.within("inbox")]


class Wrong:
    """A fault for the requests with this method and end of the path, so many times."""

    def __init__(self, fault: str, method: str = "", end: str = "", times: int = 1_000) -> None:
        self.fault, self.method, self.end, self.left = fault, method, end, times
        self.hit = 0

    def over(self, inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        return _Faulty(inner, self)

    def applies(self, request: httpx.Request) -> bool:
        fits = request.method == self.method and request.url.path.endswith(self.end)
        if not fits or not self.left:
            return False
        self.left -= 1
        self.hit += 1
        return True


class _Faulty(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport, wrong: Wrong) -> None:
        self._inner, self._wrong = inner, wrong

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._wrong.applies(request):
            request.headers["X-Buddy-Fault"] = self._wrong.fault
            if self._wrong.fault.startswith("stall"):
                request.extensions["timeout"] = {"connect": 5.0, "write": 5.0, "pool": 5.0, "read": STALLED_S}
        else:
            request.headers.pop("X-Buddy-Fault", None)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@contextmanager
def served(**settings: Any) -> Iterator[Served]:
    simulator = GraphSimulator(**settings)
    with running(simulator) as base:
        yield Served(simulator, base)


def context(mode: Mode, key: str = "key-1") -> CallContext:
    return CallContext(
        mode=mode, run_id="run", step_id="step", agent="agent", attempt=1, deadline=0.0, idempotency_key=key
    )


def asked(key: str = "key-1", mode: Mode = Mode.LIVE, **args: Any) -> Asked:
    return Asked(args=args, mode=mode, key=key)


def call(tool: str, key: str = "key-1", **args: Any) -> Call:
    return Call(tool=tool, args=args, agent="agent", run_id="run", step_id="step", idempotency_key=key)


class Wire:
    """Requests to a simulator in this process."""

    def __init__(self, **settings: Any) -> None:
        self.simulator = GraphSimulator(**settings)
        self.token = self.simulator.token()

    async def __call__(self, method: str, path: str, **parts: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **parts.pop("headers", {})}
        async with httpx.AsyncClient(
            transport=SimulatorTransport(self.simulator), base_url="http://graph"
        ) as http:
            return await http.request(method, f"/v1.0{path}", headers=headers, **parts)

    async def subjects(self, **options: str) -> list[str]:
        answer = await self(
            "GET", "/me/messages", params={f"${name}": value for name, value in options.items()}
        )
        assert answer.status_code == 200, answer.text
        return [one["subject"] for one in answer.json()["value"]]

    async def first(self, **headers: str) -> Any:
        return (await self("GET", "/me/messages?$top=1", headers=headers)).json()["value"][0]


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
