"""The pages of the simulated portal."""

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jinja2
import msgspec
from msgspec import Struct
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from buddy.adapters.providers.base.faults import App, Faults, Scope
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.mployer.selectors import Selectors
from buddy.adapters.providers.mployer.simulator import openapi
from buddy.adapters.providers.mployer.simulator.accounts import Accounts, Deliver, Visit, login_of
from buddy.adapters.providers.mployer.simulator.employers import Employer, Person, World
from buddy.adapters.providers.mployer.simulator.filters import INDUSTRIES, Filters, parse
from buddy.errors import BadInput

SEED_RATES = {"401": 0.05, "429": 0.05}
"""How often the seeds let a request fail."""
PAGE = 5
"""Rows on a page of the table."""
COOKIE = "portal_visit"
RETRY_AFTER_S = 2
COLUMNS = (
    "contact_id",
    "first_name",
    "last_name",
    "title",
    "email",
    "phone",
    "company",
    "industry",
    "employees",
    "city",
    "state",
    "zip",
    "ein",
    "website",
)
"""Of the export, in this order."""

_ERRORS = {
    401: "You are not signed in, or we could not check that you are.",
    403: "Your plan does not include this page.",
    404: "There is no such page.",
    405: "This page cannot be used that way.",
    408: "That took too long.",
    429: "You are asking for pages faster than your plan allows. Wait a moment.",
    500: "Something went wrong on our side.",
    502: "The portal is being updated.",
    503: "The portal is not available right now.",
    504: "The portal did not answer in time.",
}

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


class SavedSearch(Struct, frozen=True, kw_only=True):
    """A search that somebody keeps.

    Attributes:
        name: as it was given.
        query: of the page that shows it.
    """

    name: str
    query: str


class Portal:
    """The pages, and what they keep.

    Args:
        seed: of employers, account, cookies and codes.
        deliver: mails sign-in codes; None: none is asked for.
        now: the portal's clock, in seconds.
    """

    def __init__(self, seed: int, deliver: Deliver | None, now: Callable[[], float]) -> None:
        self._seed, self._deliver, self._now = seed, deliver, now
        self.login = login_of(seed)
        self.reset()

    def reset(self) -> None:
        """Forget every session and saved search."""
        self.world = World(self._seed)
        self.accounts = Accounts(self.login, self._now, self._deliver, self._seed)
        self.saved: list[SavedSearch] = []

    def state(self) -> Any:
        """Return what the portal keeps; sessions come and go and are not part of it."""
        return {"saved_searches": msgspec.to_builtins(self.saved)}

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            Route("/", self._home),
            Route("/login", self._user_name, methods=["GET", "POST"]),
            Route("/login/password", self._password, methods=["GET", "POST"]),
            Route("/login/code", self._code, methods=["GET", "POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/employers", self._search),
            Route("/employers.csv", self._export),
            Route("/employers/{employer_id}", self._employer),
            Route("/searches", self._save, methods=["POST"]),
            Route("/portal.css", self._style),
        ]

    # the way in

    async def _home(self, request: Request) -> Response:
        return _to("/employers" if self._signed_in(request) else "/login")

    async def _user_name(self, request: Request) -> Response:
        ended = request.query_params.get("ended") == "1"
        notice = "Your session has ended. Sign in again." if ended else ""
        if request.method == "GET":
            return _page("user_name.html", notice=notice, problem="")
        name = _text(await request.form(), "username")
        if not name:
            return _page("user_name.html", 422, notice="", problem="Enter your user name.")
        answer = _to("/login/password")
        answer.set_cookie(COOKIE, self.accounts.begin(name), httponly=True, samesite="lax")
        return answer

    async def _password(self, request: Request) -> Response:
        visit = self._visit(request)
        if visit is None or not visit.username:
            return _to("/login")
        if request.method == "GET":
            return _page("password.html", username=visit.username, problem="")
        if not await self.accounts.password(visit, _text(await request.form(), "password")):
            problem = "The user name or the password is not right."
            return _page("password.html", 401, username=visit.username, problem=problem)
        return _to("/employers" if visit.signed_in else "/login/code")

    async def _code(self, request: Request) -> Response:
        visit = self._visit(request)
        if visit is None or not visit.code:
            return _to("/login")
        if request.method == "GET":
            return _page("code.html", mailbox=_masked(self.login.mailbox), problem="")
        if not self.accounts.code(visit, _text(await request.form(), "code")):
            problem = "That is not the code we sent." if visit.code else "That code can no longer be used."
            return _page("code.html", 401, mailbox=_masked(self.login.mailbox), problem=problem)
        return _to("/employers")

    async def _logout(self, request: Request) -> Response:
        self.accounts.end(request.cookies.get(COOKIE))
        answer = _to("/login")
        answer.delete_cookie(COOKIE)
        return answer

    # behind it

    async def _search(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        form = dict(request.query_params)
        filters, problems = parse(form, self.world.states)
        asked = "page" in form or any(name in form for name in Filters.__struct_fields__)
        found = self.world.search(filters) if asked and not problems else []
        pages = max(1, -(-len(found) // PAGE))
        page = min(max(1, _number(form.get("page", "1"))), pages)
        return _page(
            "employers.html",
            422 if problems else 200,
            form=form,
            states=sorted(self.world.states.items(), key=lambda state: state[1]),
            industries=INDUSTRIES,
            problems=problems,
            asked=asked and not problems,
            total=len(found),
            rows=found[(page - 1) * PAGE : page * PAGE],
            first=(page - 1) * PAGE + 1,
            page=page,
            pages=pages,
            query=_query(form),
            link=lambda number: f"/employers?{_query({**form, 'page': str(number)}, page=True)}",
            saved=self.saved,
            username=self.login.username,
        )

    async def _export(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        filters, problems = parse(dict(request.query_params), self.world.states)
        if problems:
            return _error(422, problems[0])
        file = io.StringIO()
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(row(employer, person) for employer, person in self.world.search(filters))
        headers = {"Content-Disposition": 'attachment; filename="contacts.csv"'}
        return Response(file.getvalue(), media_type="text/csv", headers=headers)

    async def _employer(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        employer = self.world.employer(request.path_params["employer_id"])
        if employer is None:
            return _error(404)
        return _page("employer.html", employer=employer, saved=self.saved, username=self.login.username)

    async def _save(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        form = await request.form()
        name, query = _text(form, "name"), _text(form, "query")
        if not name or len(name) > 60:
            return _error(422, "A saved search has a name of 1 to 60 characters.")
        self.saved.append(SavedSearch(name=name, query=query))
        return _to(f"/employers?{query}")

    async def _style(self, request: Request) -> Response:
        return Response(_templates.get_template("portal.css").render(), media_type="text/css")

    def _visit(self, request: Request) -> Visit | None:
        return self.accounts.visit(request.cookies.get(COOKIE))[0]

    def _signed_in(self, request: Request) -> bool:
        visit = self._visit(request)
        return visit is not None and visit.signed_in

    def _refused(self, request: Request) -> Response | None:
        """Return where somebody is sent who may not see a page."""
        visit, ended = self.accounts.visit(request.cookies.get(COOKIE))
        if visit is not None and visit.signed_in:
            return None
        return _to("/login?ended=1" if ended else "/login")


def simulator(
    seed: int = 0,
    faults: Faults | None = None,
    *,
    deliver: Deliver | None = None,
    now: Callable[[], float] = time.monotonic,
) -> "PortalSimulator":
    """Return a portal.

    Args:
        seed: of its employers, its account, and its cookies and codes.
        faults: what goes wrong.
        deliver: mails sign-in codes; None: the password opens the session.
        now: the portal's clock, in seconds.
    """
    return PortalSimulator(Portal(seed, deliver, now), faults)


def mail_to(address: str) -> Deliver:
    """Return what mails codes to a simulated mailbox that is served elsewhere.

    Args:
        address: that mails are posted to, as JSON with mailbox, subject and body; `?mailbox=` in it names the
            mailbox where it is not the account's own.

    Raises:
        BadInput: it is no address.
    """
    url = httpx.URL(address)
    if url.scheme not in ("http", "https") or not url.host:
        raise BadInput(
            f"--codes-to: expected an address such as http://127.0.0.1:8082/..., found {address!r}"
        )

    async def deliver(mailbox: str, subject: str, body: str) -> None:
        mail = {"mailbox": url.params.get("mailbox", mailbox), "subject": subject, "body": body}
        async with httpx.AsyncClient(timeout=5) as http:
            (await http.post(url.copy_with(query=None), json=mail)).raise_for_status()

    return deliver


class PortalSimulator(Simulator):
    """A portal with its frame.

    Attributes:
        portal: its pages, for looking inside.
    """

    def __init__(self, portal: Portal, faults: Faults | None = None) -> None:
        self.portal = portal
        super().__init__(
            name="mployer",
            routes=portal.routes(),
            answer=answer,
            state=portal.state,
            reset=portal.reset,
            greeting=lambda base_url: {"login": msgspec.to_builtins(portal.login)},
            reads=[("POST", path) for path in Selectors().session_paths],
            faults=faults,
            openapi=openapi.document(),
        )


def answer(status: int, scope: Scope) -> App:
    """Return the portal's own page for a status."""
    return _error(status)


def row(employer: Employer, person: Person) -> dict[str, str]:
    """Return one line of the export."""
    line = {
        **msgspec.structs.asdict(person),
        **msgspec.structs.asdict(employer),
        "company": employer.name,
    }
    return {column: str(line[column]) for column in COLUMNS}


def _page(template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    return HTMLResponse(_templates.get_template(template).render(values), status)


def _error(status: int, problem: str = "") -> HTMLResponse:
    told = problem or _ERRORS.get(status, "The portal cannot do that.")
    page = _page("error.html", status, status_code=status, problem=told)
    if status == 429:
        page.headers["Retry-After"] = str(RETRY_AFTER_S)
    return page


def _to(address: str) -> RedirectResponse:
    return RedirectResponse(address, 303)


def _text(form: FormData, name: str) -> str:
    found = form.get(name, "")
    return found.strip() if isinstance(found, str) else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _query(form: Mapping[str, str], *, page: bool = False) -> str:
    names: Sequence[str] = (*Filters.__struct_fields__, *(("page",) if page else ()))
    return urlencode({name: form[name] for name in names if name in form})


def _masked(mailbox: str) -> str:
    name, _, host = mailbox.partition("@")
    return f"{name[:1]}***@{host}"
