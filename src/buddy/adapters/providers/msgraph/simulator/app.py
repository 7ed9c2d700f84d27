"""The simulator: the vendor's addresses, each behind the token's check, the limit and the mailbox's owner."""

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from buddy.adapters.providers.base.faults import App, Faults, Scope
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.msgraph.allowed import ALLOWED
from buddy.adapters.providers.msgraph.simulator import openapi, seeded
from buddy.adapters.providers.msgraph.simulator.bodies import LIMIT
from buddy.adapters.providers.msgraph.simulator.failures import GraphFailure, denied, refuse
from buddy.adapters.providers.msgraph.simulator.login import Login, Refused, refusal
from buddy.adapters.providers.msgraph.simulator.operations import OPERATIONS, Answer, Asked, Operation
from buddy.adapters.providers.msgraph.simulator.store import Item, Mailbox, Store
from buddy.adapters.providers.msgraph.simulator.throttle import Throttle
from buddy.adapters.providers.msgraph.simulator.tokens import PERMISSIONS, Claims, Tenant

DAY_S = 86_400.0

SEED_RATES: Mapping[str, float] = {"401": 0.02, "404": 0.02, "408": 0.02, "429": 0.05}
"""The rates of failure that the phase documents give this provider's mock."""

_WORDS: Mapping[int, tuple[str, str]] = {
    400: ("BadRequest", "The request is malformed or incorrect."),
    401: ("InvalidAuthenticationToken", "Access token has expired or is not yet valid."),
    403: ("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    404: ("ErrorItemNotFound", "The specified object was not found in the store."),
    405: ("BadRequest", "The OData request is not supported."),
    408: ("RequestTimeout", "The request timed out."),
    409: ("ErrorIrresolvableConflict", "The update could not be performed because of a conflict."),
    422: ("UnprocessableEntity", "The request cannot be processed."),
    429: ("ApplicationThrottled", "Application is over its MailboxConcurrency limit."),
    500: ("ErrorInternalServerError", "An internal server error occurred. The operation failed."),
    502: ("BadGateway", "A server behind this one gave no good answer."),
    503: ("ErrorServerBusy", "The server cannot service this request right now. Try again later."),
    504: ("GatewayTimeout", "A server behind this one did not answer in time."),
}
_ASKS_TO_WAIT = (429, 503)


class GraphSimulator(Simulator):
    """Microsoft Graph mail, simulated.

    Args:
        seed: of ids, secrets and faults.
        faults: what goes wrong.
        limit: requests, and in how many seconds, of one application to one mailbox.
        now: seconds since the epoch.

    Attributes:
        tenant: that gives out tokens.
        store: of the mailboxes as they are now.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        faults: Faults | None = None,
        limit: tuple[int, float] = (10_000, 600.0),
        now: Callable[[], float] = time.time,
    ) -> None:
        self.tenant = Tenant(seed, now)
        self.store = Store(now, seed)
        seeded.fill(self.store)
        self._throttle = Throttle(*limit, now)
        self._login = Login(self.tenant, self.store)
        super().__init__(
            name="msgraph",
            routes=[*self._mail(), *self._login.routes()],
            answer=_failure,
            state=self._content,
            reset=self._fresh,
            greeting=self._client_needs,
            reads=ALLOWED,
            faults=faults,
            openapi=openapi.document(seeded.MAILBOX, self._example()),
        )

    def deliver(self, mailbox: str, subject: str, body: str, sender: str = "noreply@contoso.example") -> str:
        """Let a mail arrive from outside the tenant; a mailbox that is not there yet is opened.

        Args:
            mailbox: address that it goes to.
            subject: of the mail.
            body: plain text.
            sender: address that it comes from.

        Returns:
            Its immutable id.
        """
        item = self.store.deliver(mailbox, subject, body, sender)
        found = self.store.find(mailbox)
        assert found is not None, "delivery opens the mailbox"
        return found.id_of(item, lasting=True)

    def stand_in(self, message_id: str) -> None:
        """Have a draft of this id in the client's mailbox, where there is no message of it."""
        self.store.open(seeded.MAILBOX, "").stand_in(message_id)

    def token(self, *permissions: str, mailbox: str = seeded.MAILBOX, lifetime_s: float = DAY_S) -> str:
        """Return a token as a client would get one.

        Args:
            permissions: that it carries; none means all.
            mailbox: address of the person it stands for, empty for the application.
            lifetime_s: seconds until it ends.
        """
        return self.tenant.issue(permissions or PERMISSIONS, mailbox, lifetime_s=lifetime_s)

    def _client_needs(self, base_url: str) -> dict[str, Any]:
        application = self.tenant.application
        return {
            "base_url": f"{base_url}/v1.0",
            "login_url": base_url,
            "tenant_id": self.tenant.tenant_id,
            "client_id": application.client_id,
            "client_secret": application.secret,
            "mailbox": seeded.MAILBOX,
            "token": self.token(),
            "admin_url": f"{base_url}/_sim",
        }

    def _example(self) -> str:
        box = self.store.open(seeded.MAILBOX, "")
        return box.id_of(box.within("inbox")[0], lasting=True)

    def _content(self) -> dict[str, Any]:
        return {
            "mailboxes": {one.address: _shown(one) for one in self.store.mailboxes()},
            "sent": [msgspec.to_builtins(one) for one in self.store.sent],
        }

    def _fresh(self) -> None:
        self.store.clear()
        seeded.fill(self.store)
        self._throttle.reset()
        self._login.reset()

    def _mail(self) -> list[Route]:
        routes = []
        for operation in OPERATIONS:
            for prefix in ("/v1.0/me", "/v1.0/users/{user}"):
                path = f"{prefix}/{operation.path}" if operation.path else prefix
                routes.append(Route(path, self._endpoint(operation), methods=[operation.method]))
        return routes

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            try:
                answer = operation.run(self._asked(request, raw, operation))
            except GraphFailure as problem:
                return _error(problem, request.scope)
            return _response(answer, request)

        return endpoint

    def _asked(self, request: Request, raw: bytes, operation: Operation) -> Asked:
        claims = self.tenant.check(request.headers.get("authorization", ""))
        mailbox = self._mailbox(claims, request.path_params.get("user", "me"))
        self._throttle.take(claims.appid, mailbox.address)
        if len(raw) > LIMIT:
            refuse(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
        asked = Asked(
            store=self.store,
            mailbox=mailbox,
            claims=claims,
            path=request.path_params,
            options=tuple(request.query_params.multi_items()),
            raw=raw,
            prefer=", ".join(request.headers.getlist("prefer")),
            if_match=request.headers.get("if-match", ""),
            url=str(request.url.replace(query="")),
        )
        asked.need(*operation.permissions)
        return asked

    def _mailbox(self, claims: Claims, who: str) -> Mailbox:
        """Find the mailbox that an address names; a person's token opens that person's alone."""
        if who == "me" and not claims.upn:
            refuse(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        found = self.store.find(claims.upn if who == "me" else who)
        if found is None:
            refuse(404, "ErrorInvalidUser", f"The requested user '{who}' is invalid.")
        if claims.upn and found.address != claims.upn:
            denied()
        return found

    def _own(self) -> list[BaseRoute]:
        return [*super()._own(), Route("/deliver", self._deliver, methods=["POST"])]

    async def _deliver(self, request: Request) -> Response:
        """Take a mail from outside the tenant, as a mail server would hand it over."""
        try:
            given = msgspec.json.decode(await request.body(), type=Arriving)
        except msgspec.MsgspecError as problem:
            return JSONResponse({"error": str(problem)}, status_code=400)
        return JSONResponse({"id": self.deliver(given.mailbox, given.subject, given.body, given.sender)}, 201)


class Arriving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mail from outside the tenant.

    Attributes:
        mailbox: address that it goes to.
        subject: of the mail.
        body: plain text.
        sender: address that it comes from.
    """

    mailbox: str
    subject: str
    body: str
    sender: str = "noreply@contoso.example"


def _response(answer: Answer, request: Request) -> Response:
    headers = _ids(request.scope)
    prefer = ", ".join(request.headers.getlist("prefer"))
    if prefer:
        headers["Preference-Applied"] = prefer.encode("latin-1", "replace").decode("latin-1")
    if answer.body is UNSET:
        return Response(status_code=answer.status, headers=headers)
    if isinstance(answer.body, str):
        return PlainTextResponse(answer.body, answer.status, headers)
    return JSONResponse(answer.body, answer.status, headers)


def _error(problem: GraphFailure, scope: Scope) -> Response:
    ids = _ids(scope)
    inner = {"date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), **ids}
    body = {"error": {"code": problem.code, "message": problem.message, "innerError": inner}}
    return JSONResponse(body, problem.status, {**ids, **problem.headers})


def _failure(status: int, scope: Scope) -> App:
    """Answer with a status as the interface at that address would."""
    code, words = _WORDS[status]
    if not scope["path"].startswith("/v1.0/"):
        return refusal(Refused(status, "temporarily_unavailable", 90033, words))
    headers = {"Retry-After": "1"} if status in _ASKS_TO_WAIT else {}
    return _error(GraphFailure(status, code, words, headers), scope)


def _ids(scope: Scope) -> dict[str, str]:
    """The names of a request, the vendor's and the client's own."""
    ours = str(uuid.uuid4())
    theirs = next(
        (value.decode("latin-1") for name, value in scope["headers"] if name == b"client-request-id"), ours
    )
    return {"request-id": ours, "client-request-id": theirs}


def _shown(mailbox: Mailbox) -> dict[str, list[Any]]:
    """What the owner of a mailbox can see of it, without when it was changed last."""
    found: dict[str, list[Any]] = {}
    for item in sorted(mailbox.within(None), key=_number):
        kept = {name: value for name, value in item.content.items() if name != "lastModifiedDateTime"}
        found.setdefault(item.folder, []).append({"number": item.number, **kept})
    return found


def _number(item: Item) -> int:
    return item.number


def simulator(seed: int = 0, faults: Faults | None = None) -> GraphSimulator:
    """Return a simulator as it is served.

    Args:
        seed: of ids, secrets and faults.
        faults: what goes wrong.
    """
    return GraphSimulator(seed=seed, faults=faults)
