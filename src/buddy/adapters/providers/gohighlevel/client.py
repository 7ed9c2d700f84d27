"""The client of GoHighLevel's contacts."""

import functools
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
from msgspec import Struct

from buddy.adapters.providers.base.api import Api, Auth, Bearer, Patience, pages, real_transport, retry_after
from buddy.adapters.providers.base.credentials import Access, address, load, look
from buddy.adapters.providers.base.errors import AuthError, InvalidRequest, NotFound
from buddy.adapters.providers.base.oauth import OAuth, Tokens, file_for, refused
from buddy.adapters.providers.base.pace import Pace
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.base.sync import Sync
from buddy.adapters.providers.base.transport import ModeTransport, SimulatorTransport
from buddy.adapters.providers.gohighlevel.wire import BASE_URL, READS, SIGNS_IN, VERSION, meaning
from buddy.model.mode import Mode

NAME = "gohighlevel"
IN_PROCESS = "http://gohighlevel.simulator"
"""The address of a simulator in process, which nothing can be reached at."""
FIELDS: Mapping[str, str] = {
    "email": "email",
    "phone": "phone",
    "name": "name",
    "first_name": "firstName",
    "last_name": "lastName",
    "company_name": "companyName",
    "address": "address1",
    "city": "city",
    "state": "state",
    "postal_code": "postalCode",
    "country": "country",
    "website": "website",
    "timezone": "timezone",
    "source": "source",
    "date_of_birth": "dateOfBirth",
    "assigned_to": "assignedTo",
    "tags": "tags",
    "dnd": "dnd",
    "dnd_settings": "dndSettings",
    "custom_fields": "customFields",
}
"""Field of a contact here -> at the vendor; the channels of `dnd_settings` are those of the dialect."""
PAGE = 100
WINDOW = (100, 10.0)
"""Requests, and seconds in which they may come, until the vendor's headers say otherwise."""
_PART = 4
"""A refused request waits for this part of the window: in a sliding one, places come free all the time."""
_A_DAY_IS_OVER = 3_600.0
_NUMBER = re.compile("[1-9][0-9]{0,7}")
"""A limit that can be meant: 0 would be none at all, and a window of more than a day no window."""
PATIENCE = Patience(attempts=6)


class Account(Struct, frozen=True, kw_only=True):
    """Where contacts are, and who asks.

    Attributes:
        base_url: of the service.
        location_id: the location (sub-account) whose contacts they are.
        auth: signs requests in.
        version: the dialect, `2021-07-28` or `v3`.
        scopes: that the credentials name, None where they name none.
    """

    base_url: str
    location_id: str
    auth: Auth
    version: str = VERSION
    scopes: tuple[str, ...] | None = None


def account(access: Access) -> Account:
    """Return the account that the credentials name: a private integration token, or an OAuth app.

    Raises:
        AuthError: names the credentials that are missing.
    """
    apps = ("client_id", "client_secret", "refresh_token")
    found = look(NAME, ("token", *apps), access)
    if "token" in found or not all(name in found for name in apps):
        known = load(NAME, ("token", "location_id"), access, optional=("base_url", "version"))
        auth: Auth = Bearer(known["token"])
    else:
        known = load(NAME, (*apps, "location_id"), access, optional=("base_url", "version"))
        auth = _oauth(known, access)
    return Account(
        base_url=address(NAME, known, BASE_URL),
        location_id=known["location_id"],
        auth=auth,
        version=known.get("version", VERSION),
    )


def _oauth(known: Mapping[str, str], access: Access) -> OAuth:
    if access.folder is None:
        raise AuthError(f"{NAME}: expected a home in which refreshed tokens can be kept, found none")

    async def exchange(http: httpx.AsyncClient, tokens: Tokens | None) -> Tokens:
        form = {
            "client_id": known["client_id"],
            "client_secret": known["client_secret"],
            "grant_type": "refresh_token",
            "refresh_token": tokens.refresh if tokens and tokens.refresh else known["refresh_token"],
            "user_type": "Location",
        }
        answer = await http.post("/oauth/token", data=form, headers={"Version": VERSION})
        if not answer.is_success:
            raise refused(answer, NAME)
        try:
            body = answer.json()
            return Tokens(
                access=body["access_token"],
                refresh=body.get("refresh_token", form["refresh_token"]),
                expires_at=time.time() + float(body.get("expires_in", 0)),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise refused(answer, NAME) from None  # not chained: the foreign error may carry a token

    whose = (known.get("base_url", BASE_URL), *(known[name] for name in ("client_id", "location_id")))
    file = file_for(access.folder, NAME, *whose, known["refresh_token"])
    secrets = (known["client_secret"], known["refresh_token"])
    return OAuth(exchange, file, start=Tokens(access="", refresh=known["refresh_token"]), secrets=secrets)


@functools.cache
def _pace(base_url: str, location_id: str) -> Pace:
    """Return the pace of one location, which all clients of this process share."""
    return Pace(*WINDOW)


class GoHighLevelClient:
    """Contacts of one location; `sync` has the same methods for code that is not async.

    A method opens a connection for itself; within `async with client:` they share one. Every request goes
    through the guard of the client's mode.

    Args:
        account: whose contacts; None takes the simulator's.
        mode: MOCK reaches the simulator, DRY_RUN only reads, LIVE acts.
        simulator: for MOCK.
        patience: how long answers are waited for.
        pace: how fast requests are sent; None is the location's, shared by all clients of this process, and
            none in a simulator in process.
    """

    def __init__(
        self,
        account: Account | None = None,
        *,
        mode: Mode = Mode.LIVE,
        simulator: Simulator | None = None,
        patience: Patience = PATIENCE,
        pace: Pace | None = None,
    ) -> None:
        if mode is Mode.MOCK and simulator is None:
            from buddy.adapters.providers.gohighlevel.simulator.app import simulator as make

            simulator = make(limit=(0, 1.0))
        if simulator is not None and (mode is Mode.MOCK or account is None):
            greeting = simulator.greeting(IN_PROCESS)
            auth = Bearer(greeting["token"])
            account = Account(base_url=IN_PROCESS, location_id=greeting["location_id"], auth=auth)
        assert account is not None, "an account or a simulator"
        self.account = account
        self.mode = mode
        self._simulator = simulator
        self._patience, self._pace = patience, pace
        self._api: Api | None = None

    def bound(self, mode: Mode) -> "GoHighLevelClient":
        """Return the same client in another mode."""
        return GoHighLevelClient(
            self.account, mode=mode, simulator=self._simulator, patience=self._patience, pace=self._pace
        )

    @property
    def sync(self) -> Sync:
        """The same methods, blocking."""
        return Sync(self)

    async def __aenter__(self) -> "GoHighLevelClient":
        self._api = self._open()
        return self

    async def __aexit__(self, *problem: object) -> None:
        api, self._api = self._api, None
        if api is not None:
            await api.http.aclose()

    async def create_contact(self, **fields: Any) -> dict[str, Any]:
        """Create a contact and return it.

        Args:
            fields: of `FIELDS`; email or phone or a name.

        Raises:
            Conflict: another contact has the email or phone.
            InvalidRequest: a field is unknown or does not fit.
        """
        body = {"locationId": self.account.location_id, **_body(fields)}
        return _contact(await self._ask("POST", "/contacts/", json=body))

    async def upsert_contact(self, **fields: Any) -> dict[str, Any]:
        """Change the contact with this email or phone, or create one.

        Args:
            fields: of `FIELDS`.

        Returns:
            `new` (whether it was created) and `contact`.
        """
        body = {"locationId": self.account.location_id, **_body(fields)}
        answer = await self._ask("POST", "/contacts/upsert", json=body)
        return {"new": bool(answer["new"]), "contact": answer["contact"]}

    async def get_contact(self, contact_id: str) -> dict[str, Any]:
        """Return a contact.

        Raises:
            NotFound: there is none.
        """
        return _contact(await self._ask("GET", _path(contact_id)))

    async def update_contact(self, contact_id: str, **fields: Any) -> dict[str, Any]:
        """Change fields of a contact and return it; None clears a field, tags are replaced as a whole.

        Raises:
            NotFound: there is none.
        """
        return _contact(await self._ask("PUT", _path(contact_id), json=_body(fields)))

    async def delete_contact(self, contact_id: str) -> bool:
        """Delete a contact, with its notes, tasks and conversations.

        Raises:
            NotFound: there is none.
        """
        answer = await self._ask("DELETE", _path(contact_id)) or {}
        return bool(answer.get("succeeded", answer.get("succeded", True)))

    async def search_contact(
        self, email: str | None = None, phone: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the contacts that have this email, and those that have this phone.

        It asks for duplicates, which sees every contact at once; the search index lags behind.
        """
        if not email and not phone:
            raise InvalidRequest("search_contact: expected an email or a phone, found neither")
        found: dict[str, dict[str, Any]] = {}
        for key, value in (("email", email), ("number", phone)):
            if value:
                query = {"locationId": self.account.location_id, key: value}
                answer = await self._ask("GET", "/contacts/search/duplicate", params=query)
                if answer and answer.get("contact"):
                    found[answer["contact"]["id"]] = answer["contact"]
        return list(found.values())

    async def list_contacts(
        self,
        *,
        limit: int | None = None,
        query: str | None = None,
        filters: Sequence[Mapping[str, Any]] = (),
        sort: Sequence[Mapping[str, Any]] = (),
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield contacts, page after page, the newest first.

        Args:
            limit: how many at most; None is all.
            query: text in name, email, phone or company.
            filters: of the vendor, `{"field", "operator", "value"}` or `{"group", "filters"}`.
            sort: of the vendor, `{"field", "direction"}`.
        """

        async def fetch(after: Any) -> tuple[list[dict[str, Any]], Any]:
            body = {
                "locationId": self.account.location_id,
                "pageLimit": min(PAGE, limit or PAGE),
                **({"searchAfter": after} if after else {"page": 1}),
                **({"query": query} if query else {}),
                **({"filters": list(filters)} if filters else {}),
                **({"sort": list(sort)} if sort else {}),
            }
            answer = await self._ask("POST", "/contacts/search", json=body, reads=True)
            found = answer["contacts"]
            full = len(found) == body["pageLimit"]
            return found, found[-1].get("searchAfter") if full else None

        async for contact in pages(fetch, most=limit):
            yield {key: value for key, value in contact.items() if key != "searchAfter"}

    async def test_connection(self) -> dict[str, Any]:
        """Ask for one contact; say where, and how many there are."""
        body = {"locationId": self.account.location_id, "pageLimit": 1, "page": 1}
        answer = await self._ask("POST", "/contacts/search", json=body, reads=True)
        return {"ok": True, "location_id": self.account.location_id, "contacts": answer.get("total")}

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        if self._api is not None:
            return await self._api.request(method, path, **more)
        async with self._open() as api:
            return await api.request(method, path, **more)

    def _open(self) -> Api:
        known = self.account
        simulated = SimulatorTransport(self._simulator) if self._simulator is not None else None
        guard = ModeTransport(
            self.mode,
            real=None if self.mode is Mode.MOCK or simulated is not None else real_transport(),
            simulator=simulated,
            allow=READS + SIGNS_IN,
            secrets=known.auth.secrets,
        )
        shared = Pace() if simulated is not None else _pace(known.base_url, known.location_id)
        pace = self._pace or shared

        def heard(answer: httpx.Response) -> None:
            calls, span = (
                answer.headers.get(f"X-RateLimit-{key}", "") for key in ("Max", "Interval-Milliseconds")
            )
            if _NUMBER.fullmatch(calls) and _NUMBER.fullmatch(span):
                pace.learn(int(calls), int(span) / 1000)

        return Api(
            known.base_url,
            guard,
            known.auth,
            headers={"Version": known.version, "Accept": "application/json"},
            meaning=meaning,
            wait=_wait,
            heard=heard,
            pace=pace,
            patience=self._patience,
        )


def _wait(answer: httpx.Response) -> float | None:
    """Return the seconds until another try: the vendor says how long its window is, not when it opens."""
    said = retry_after(answer)
    if said is not None or answer.status_code != 429:
        return said
    if answer.headers.get("X-RateLimit-Daily-Remaining") == "0":
        return _A_DAY_IS_OVER
    span = answer.headers.get("X-RateLimit-Interval-Milliseconds", "")
    return int(span) / 1000 / _PART if _NUMBER.fullmatch(span) else WINDOW[1] / _PART


def _body(fields: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [name for name in fields if name not in FIELDS and name not in FIELDS.values()]
    if unknown:
        raise InvalidRequest(
            f"expected fields of a contact ({', '.join(FIELDS)}), found {', '.join(unknown)}"
        )
    return {FIELDS.get(name, name): value for name, value in fields.items()}


def _path(contact_id: str) -> str:
    if not contact_id or contact_id in (".", ".."):
        raise NotFound(f"expected the id of a contact, found {contact_id!r}")
    return f"/contacts/{quote(contact_id, safe='')}"


def _contact(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer["contact"]
    return found
