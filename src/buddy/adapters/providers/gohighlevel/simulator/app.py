"""The routes of the simulated GoHighLevel."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from buddy.adapters.providers.base.faults import App, Faults, Scope
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.gohighlevel.simulator import related, shapes
from buddy.adapters.providers.gohighlevel.simulator.limits import Limit
from buddy.adapters.providers.gohighlevel.simulator.openapi import document
from buddy.adapters.providers.gohighlevel.simulator.search import cursor, search
from buddy.adapters.providers.gohighlevel.simulator.shapes import DIALECTS, OLD, Refusal, unprocessable
from buddy.adapters.providers.gohighlevel.simulator.store import Store, made_id
from buddy.adapters.providers.gohighlevel.simulator.tokens import Tokens
from buddy.adapters.providers.gohighlevel.wire import READS

SEED_RATES = {"401": 0.02, "429": 0.03, "408": 0.02, "500": 0.02}
"""The error rates that the phase documents give their mock."""
CONTACTS = 25
PAGE, MOST_PAGE = 20, 100

Answer = tuple[int, Any]
Handler = Callable[["Asked"], Awaitable[Answer] | Answer]


class Asked:
    """One request that may be answered.

    Args:
        request: as it came.
        body: decoded, None where there is none.
        dialect: that it speaks.
    """

    def __init__(self, request: Request, body: Any, dialect: str) -> None:
        self.path: Mapping[str, str] = request.path_params
        self.query: Mapping[str, str] = request.query_params
        self.base_url = str(request.base_url).rstrip("/")
        self.body = body
        self.dialect = dialect


class Service:
    """The contacts interface over one store.

    Args:
        store: of the location.
        tokens: that are accepted.
        limit: of requests.
    """

    def __init__(self, store: Store, tokens: Tokens, limit: Limit) -> None:
        self.store, self.tokens, self.limit = store, tokens, limit

    def reset(self) -> None:
        """Put everything back to the beginning."""
        self.store.reset()
        self.tokens.reset()
        self.limit.reset()

    def routes(self) -> list[BaseRoute]:
        """Return every route, the fixed paths before those with an id."""
        contacts: list[tuple[str, str, Handler]] = [
            ("POST", "/contacts/search", self.search),
            ("GET", "/contacts/search/duplicate", self.duplicate),
            ("POST", "/contacts/upsert", self.upsert),
            ("POST", "/contacts/", self.create),
            ("GET", "/contacts/", self.list_old),
            *related.handlers(self.store),
            ("GET", "/contacts/{contactId}", self.get),
            ("PUT", "/contacts/{contactId}", self.update),
            ("DELETE", "/contacts/{contactId}", self.delete),
        ]
        by_path: dict[str, dict[str, Handler]] = {}
        for method, path, handler in contacts:
            by_path.setdefault(path, {})[method] = handler
        return [
            Route("/oauth/token", self.token, methods=["POST"]),
            *(Route(path, self._endpoint(of), methods=list(of)) for path, of in by_path.items()),
        ]

    def _endpoint(self, by_method: Mapping[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            handler = by_method[method]
            headers: dict[str, str] = {}
            try:
                dialect = _dialect(request)
                reads = method == "GET" or (method, request.url.path) in READS
                self.tokens.allow(request.headers.get("authorization", ""), writes=not reads)
                taken = self.limit.take()
                headers = self.limit.headers()
                if not taken:
                    raise Refusal(429, "Too Many Requests")
                asked = Asked(request, await _body(request), dialect)
                found = handler(asked)
                status, answer = await found if isinstance(found, Awaitable) else found
            except Refusal as refusal:
                status, answer = refusal.status, refusal.body
            return JSONResponse(answer, status, headers)

        return endpoint

    async def token(self, request: Request) -> Response:
        """Give tokens for a refresh token."""
        kind = request.headers.get("content-type", "").partition(";")[0]
        raw = await request.body()
        dialect = shapes.V3 if request.headers.get("version") == shapes.V3 else OLD
        try:
            if kind == "application/json" and dialect == shapes.V3:
                form = _decoded(raw)
            else:
                form = dict(parse_qsl(raw.decode("utf-8", "replace")))
            if not isinstance(form, dict):
                raise unprocessable(["the body must be an object"])
            return JSONResponse(self.tokens.exchange(form, dialect))
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)

    def create(self, asked: Asked) -> Answer:
        """Create a contact."""
        fields = self._fields(asked, shapes.CREATE)
        contact = self.store.add(fields)
        return 201, {"contact": shapes.shown(contact, asked.dialect, created=True)}

    def upsert(self, asked: Asked) -> Answer:
        """Create a contact, or change the one with this email or phone."""
        added, contact = self.store.upsert(self._fields(asked, shapes.UPSERT))
        trace = made_id(self.store.seed, "trace", contact["id"], contact["dateUpdated"])
        return 200, {"new": added, "contact": shapes.shown(contact, asked.dialect), "traceId": trace}

    def get(self, asked: Asked) -> Answer:
        """Return a contact."""
        return 200, {"contact": shapes.shown(self.store.get(asked.path["contactId"]), asked.dialect)}

    def update(self, asked: Asked) -> Answer:
        """Change a contact."""
        fields = shapes.checked(asked.body, shapes.UPDATE, asked.dialect)
        contact = self.store.change(asked.path["contactId"], fields)
        return 200, {**shapes.succeeded(asked.dialect), "contact": shapes.shown(contact, asked.dialect)}

    def delete(self, asked: Asked) -> Answer:
        """Delete a contact."""
        self.store.remove(asked.path["contactId"])
        return 200, shapes.succeeded(asked.dialect)

    def duplicate(self, asked: Asked) -> Answer:
        """Find the contact with an email, or else with a phone."""
        self._own(asked.query.get("locationId"))
        found = self.store.duplicate(asked.query.get("email"), asked.query.get("number"))
        return 200, {"contact": None if found is None else shapes.shown(found[1], asked.dialect)}

    def search(self, asked: Asked) -> Answer:
        """Search by filters."""
        location = asked.body.get("locationId") if isinstance(asked.body, dict) else None
        if isinstance(location, str) and location:
            self._own(location)
        page, total = search(self.store.visible(), asked.body)
        contacts = [shapes.shown(contact, asked.dialect) for contact in page]
        return 200, {"contacts": contacts, "total": total}

    def list_old(self, asked: Asked) -> Answer:
        """List contacts; `v3` has no such call."""
        if asked.dialect != OLD:
            raise Refusal(404, "Cannot GET /contacts/", error="Not Found")
        self._own(asked.query.get("locationId"))
        limit = _count(asked.query.get("limit"), PAGE)
        text = (asked.query.get("query") or "").lower()
        found = sorted(self.store.visible(), key=cursor, reverse=True)
        if text:
            found = [one for one in found if text in json.dumps(one, ensure_ascii=False).lower()]
        after = [_milliseconds(asked.query.get("startAfter")), asked.query.get("startAfterId")]
        start = next((place + 1 for place, one in enumerate(found) if cursor(one) == after), 0)
        page = found[start : start + limit]
        meta: dict[str, Any] = {"total": len(found), "currentPage": start // limit + 1}
        if page and start + limit < len(found):
            at, last = cursor(page[-1])
            query = {
                "locationId": self.store.location_id,
                "startAfter": at,
                "startAfterId": last,
                "limit": limit,
            }
            meta |= {
                "startAfter": at,
                "startAfterId": last,
                "nextPage": meta["currentPage"] + 1,
                "nextPageUrl": f"{asked.base_url}/contacts/?{urlencode(query)}",
            }
        contacts = [shapes.shown(contact, asked.dialect) for contact in page]
        return 200, {"contacts": contacts, "count": len(found), "meta": meta}

    def _fields(self, asked: Asked, allowed: frozenset[str]) -> dict[str, Any]:
        fields = shapes.checked(asked.body, allowed, asked.dialect)
        self._own(fields.pop("locationId"))
        return fields

    def _own(self, location: str | None) -> None:
        if not location:
            raise unprocessable(["locationId should not be empty", "locationId must be a string"])
        if location != self.store.location_id:
            raise Refusal(403, "The token does not have access to this location.", error="Forbidden")


def simulator(
    seed: int = 0,
    faults: Faults | None = None,
    *,
    contacts: int = CONTACTS,
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    limit: tuple[int, float] = (100, 10.0),
    daily: int = 200_000,
    allow_duplicates: bool = False,
    planted: str | None = None,
) -> Simulator:
    """Return a simulated GoHighLevel with one location.

    Args:
        seed: of ids, tokens and the contacts at the beginning.
        faults: what goes wrong.
        contacts: at the beginning.
        now: seconds since the epoch.
        monotonic: seconds that never go back, for the limit.
        limit: requests, and seconds in which they may come; 0 requests is no limit.
        daily: requests in 24 hours.
        allow_duplicates: the location's setting.
        planted: id of a contact that there is at the beginning besides the others.
    """
    store = Store(
        seed,
        now,
        contacts=contacts,
        allow_duplicates=allow_duplicates,
        lag_s=lambda: made.layer.faults.lag_s,
        planted=planted,
    )
    tokens = Tokens(seed, store.location_id, now)
    service = Service(store, tokens, Limit(*limit, daily, monotonic=monotonic))
    made = Simulator(
        name="gohighlevel",
        routes=service.routes(),
        answer=lambda status, scope: _vendor(status, scope, service),
        state=store.state,
        reset=service.reset,
        greeting=lambda base_url: {
            "token": tokens.token,
            "location_id": store.location_id,
            "versions": list(DIALECTS),
            "read_only_token": tokens.read_only,
            "oauth": {
                "client_id": tokens.client_id,
                "client_secret": tokens.client_secret,
                "refresh_token": tokens.refresh,
            },
        },
        reads=READS,
        faults=faults,
        openapi=document(),
    )
    return made


def _dialect(request: Request) -> str:
    version = request.headers.get("version")
    if version is None:
        raise Refusal(401, "version header was not found.", error="Unauthorized")
    if version not in DIALECTS:
        raise Refusal(401, "version header is invalid", error="Unauthorized")
    return version


async def _body(request: Request) -> Any:
    raw = await request.body()
    return _decoded(raw) if raw and request.method != "GET" else None


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise Refusal(400, "the body is not valid JSON", error="Bad Request") from problem


def _count(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= MOST_PAGE:
        raise unprocessable(
            [f"limit must not be greater than {MOST_PAGE}", "limit must be a positive number"]
        )
    return int(text)


def _milliseconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise unprocessable(["startAfter must be a number"])
    return int(text)


def _vendor(status: int, scope: Scope, service: Service) -> App:
    """Return an answer with a status in the vendor's form; 404 and 409 have another status there."""
    words = {
        401: ("Invalid token: access token is invalid", "Unauthorized"),
        403: ("The token does not have access to this location.", "Forbidden"),
        408: ("Request timed out", "Request Timeout"),
        429: ("Too Many Requests", None),
    }
    path = scope.get("path", "")
    parts = path.strip("/").split("/")
    body: dict[str, Any] = {"statusCode": status}
    if status == 404 and _is_contact(parts):
        body = {"statusCode": 400, "message": f"Contact with id {parts[1]} not found", "error": "Bad Request"}
    elif status in (404, 405):
        body |= {"statusCode": 404, "message": f"Cannot {scope['method']} {path}", "error": "Not Found"}
    elif status == 409:
        meta = {"contactId": made_id(service.store.seed, "other"), "matchingField": "email"}
        text = "This location does not allow duplicated contacts."
        body = {"statusCode": 400, "message": text, "meta": meta}
    elif status == 422:
        body |= {"message": ["email must be an email"], "error": "Unprocessable Entity"}
    else:
        message, error = words.get(
            status, ("Internal server error" if status >= 500 else "Bad Request", None)
        )
        body |= {"message": message, **({"error": error} if error else {})}
    headers = service.limit.headers() if status == 429 else {}
    return JSONResponse(body, body["statusCode"], headers)


def _is_contact(parts: list[str]) -> bool:
    return len(parts) == 2 and parts[0] == "contacts" and parts[1] not in ("search", "upsert", "")
