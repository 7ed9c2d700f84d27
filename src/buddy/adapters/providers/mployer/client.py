"""What a person does in the portal, done by a client: sign in, search, take the contacts along, sign out."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from buddy.adapters.providers.base.errors import (
    AuthError,
    InvalidRequest,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
    Uncertain,
)
from buddy.adapters.providers.base.sync import Sync
from buddy.adapters.providers.gohighlevel.client import GoHighLevelClient
from buddy.adapters.providers.mployer.pages import Pages
from buddy.adapters.providers.mployer.portal import Portal
from buddy.adapters.providers.mployer.selectors import Selectors
from buddy.adapters.providers.mployer.walk import Login, SignedOut, Walk
from buddy.model.mode import Mode

T = TypeVar("T")

ATTEMPTS = 6
"""Times that something that only reads is tried."""
WAIT_S = 1.0
"""Seconds before the second attempt where the portal asks for none; doubles."""
LONGEST_WAIT_S = 20.0
"""Seconds that the portal may ask to wait; more is reported instead."""
CODE_S = 60.0
"""Seconds that a mailed code may take to arrive."""
_CODE = re.compile(r"\b[0-9]{6}\b")


class Mailbox(Protocol):
    """Where the portal's codes arrive."""

    async def codes(self) -> Mapping[str, str]:
        """Return mails with sign-in codes: id -> text, the newest last."""
        ...


class MployerClient:
    """A client of the portal; what it returns is plain JSON.

    Args:
        portal: where its pages are.
        login: the account.
        mailbox: where its codes arrive; None: an account that is asked for one cannot sign in.
        contacts: the client of GoHighLevel, for `add_to_gohighlevel`.
        selectors: where things are in the portal.
        attempts: how often something that only reads is tried.
        sleep: waits some seconds.
    """

    def __init__(
        self,
        portal: Portal,
        login: Login,
        *,
        mailbox: Mailbox | None = None,
        contacts: GoHighLevelClient | None = None,
        selectors: Selectors | None = None,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._portal, self._login, self._mailbox, self._contacts = portal, login, mailbox, contacts
        self._names = selectors or Selectors()
        self._walk = Walk(self._names, login)
        self._attempts, self._sleep = attempts, sleep
        self._found: Mapping[str, Any] | None = None

    def bound(self, mode: Mode) -> "MployerClient":
        """Return the same client, with the same session, in another mode."""
        return MployerClient(
            self._portal.bound(mode),
            self._login,
            mailbox=self._mailbox,
            contacts=self._contacts.bound(mode) if self._contacts is not None else None,
            selectors=self._names,
            attempts=self._attempts,
            sleep=self._sleep,
        )

    @property
    def sync(self) -> Sync:
        """The same methods, blocking."""
        return Sync(self)

    async def close(self) -> None:
        """Close the window on the portal, without signing out."""
        await self._portal.close()

    async def login(self) -> dict[str, Any]:
        """Sign in, with the code that is mailed where one is.

        Returns:
            `signed_in`, and whether a `code` was needed.

        Raises:
            AuthError: the portal does not take the account, or mailed a code that cannot be read.
            ProviderError: it cannot be reached, or limits the rate.
        """
        return {"signed_in": True, "code": await self._patiently(self._sign_in)}

    async def test_connection(self) -> dict[str, Any]:
        """Say whether the portal can be reached and takes the account; signs in."""
        return {"connected": True, **await self.login()}

    async def search_contacts(self, filters: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """Search for employers, and return the people that the portal shows.

        Args:
            filters: min_employees, max_employees, industry, state, city, zip, ein, website.
            more: the same, by name.

        Returns:
            `filters`, `total`, and `contacts` with name, title, company, industry, employees, city, state.

        Raises:
            InvalidRequest: the portal does not take a filter.
            ProviderError: see `login`.
        """
        asked = {name: value for name, value in {**(filters or {}), **more}.items() if value is not None}
        self._check(asked)
        rows = await self._signed_in(lambda pages: self._walk.search(pages, asked))
        self._found = {"filters": asked, "total": len(rows), "contacts": rows}
        return dict(self._found)

    async def extract_contacts(self, found: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Take along what the portal knows of the people that a search found.

        Args:
            found: what `search_contacts` returned; None: what it returned last.

        Returns:
            `total`, and `contacts` with contact_id, first_name, last_name, title, email, phone, company,
            industry, employees, city, state, zip, ein, website.

        Raises:
            InvalidRequest: there is no such search.
            ProviderError: see `login`.
        """
        search = found if found is not None else self._found
        if search is None or not isinstance(search.get("filters"), Mapping):
            raise InvalidRequest("expected what search_contacts returned, found no search")
        filters = search["filters"]
        self._check(filters)
        wanted = {_identity(contact) for contact in search.get("contacts", ())}
        exported = await self._signed_in(lambda pages: self._walk.export(pages, filters))
        records = [record for record in exported if _identity(record) in wanted]
        return {"total": len(records), "contacts": records}

    async def add_to_gohighlevel(
        self, contacts: Iterable[Mapping[str, Any]], source: str = "Mployer"
    ) -> dict[str, Any]:
        """Create those contacts that GoHighLevel does not have, by mail address; leave the others alone.

        Args:
            contacts: as `extract_contacts` returns them.
            source: of what is created; a contact with this source counts as created here.

        Returns:
            `created`: ids; `existing`: ids of those that were there.

        Raises:
            ProviderError: nothing happened: what was created before the failure has been deleted again.
            Uncertain: something may have been created.
        """
        crm = self._crm()
        created: list[str] = []
        existing: list[str] = []
        for contact in contacts:
            try:
                there = await self.in_gohighlevel(contact["email"])
                if there is None:
                    made = await crm.create_contact(**{**as_contact(contact), "source": source})
                    created.append(made["id"])
                elif there.get("source") == source:
                    created.append(there["id"])
                else:
                    existing.append(there["id"])
            except ProviderError:
                await self.take_back(created)
                raise
        return {"created": created, "existing": existing}

    async def in_gohighlevel(self, email: str) -> dict[str, Any] | None:
        """Return the contact with this address, None where there is none."""
        found, wanted = await self._crm().search_contact(email=email), email.casefold()
        return next((one for one in found if str(one.get("email", "")).casefold() == wanted), None)

    async def take_back(self, created: Sequence[str]) -> None:
        """Delete contacts that were created.

        Raises:
            Uncertain: it could not be done.
        """
        for contact_id in reversed(created):
            try:
                await self._crm().delete_contact(contact_id)
            except ProviderError as problem:
                raise Uncertain(problem) from problem

    async def logout(self) -> dict[str, Any]:
        """Sign out; nothing happens where nobody is signed in."""
        return {
            "signed_in": False,
            "was": await self._patiently(lambda: self._portal.visit(self._walk.sign_out)),
        }

    # signing in and out

    async def _sign_in(self) -> bool:
        seen = set(await self._mailbox.codes()) if self._mailbox is not None else set()
        needs_code = await self._portal.visit(self._walk.with_password)
        if needs_code:
            code = await self._code(seen)
            await self._portal.visit(lambda pages: self._walk.with_code(pages, code))
        return needs_code

    async def _code(self, seen: set[str]) -> str:
        if self._mailbox is None:
            raise AuthError("the portal mailed a sign-in code, and there is no mailbox to read it from")
        waited = 0.0
        while True:
            fresh = [text for key, text in (await self._mailbox.codes()).items() if key not in seen]
            if fresh and (found := _CODE.search(fresh[-1])):
                return found.group()
            if waited >= CODE_S:
                raise ProviderTimeout(f"the portal's sign-in code did not arrive within {CODE_S:g} s")
            await self._sleep(1.0)
            waited += 1.0

    # what every step needs

    async def _signed_in(self, work: Callable[[Pages], Awaitable[T]]) -> T:
        """Do something that needs a session; signs in, once, where there is none or it has ended."""

        async def attempt() -> T:
            try:
                return await self._portal.visit(work)
            except AuthError:
                await self._sign_in()
                return await self._portal.visit(work)

        return await self._patiently(attempt)

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Try again what only reads, when the portal is busy or does not answer."""
        wait = WAIT_S
        for attempt in range(1, self._attempts + 1):
            try:
                return await work()
            except (RateLimited, ProviderTimeout, ProviderUnavailable, SignedOut) as problem:
                asked = problem.retry_after if problem.retry_after is not None else wait
                if attempt == self._attempts or asked > LONGEST_WAIT_S:
                    raise
                await self._sleep(asked)
                wait *= 2
        raise AssertionError("the last attempt returns or raises")

    def _check(self, filters: Mapping[str, Any]) -> None:
        known = self._names.filters
        for name, value in filters.items():
            if name not in known:
                raise InvalidRequest(f"expected a filter of {', '.join(known)}, found {name!r}")
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise InvalidRequest(f"expected a text or a whole number for {name}, found {value!r}")

    def _crm(self) -> GoHighLevelClient:
        if self._contacts is None:
            raise InvalidRequest("expected a client of GoHighLevel to hand contacts over to, found none")
        return self._contacts


def as_contact(contact: Mapping[str, Any]) -> dict[str, Any]:
    """Return a contact of the portal as fields of one in GoHighLevel."""
    given = {
        "first_name": contact.get("first_name"),
        "last_name": contact.get("last_name"),
        "email": contact["email"],
        "phone": contact.get("phone"),
        "company_name": contact.get("company"),
        "city": contact.get("city"),
        "state": contact.get("state"),
        "postal_code": contact.get("zip"),
        "website": contact.get("website"),
    }
    return {name: value for name, value in given.items() if value}


def _identity(contact: Mapping[str, Any]) -> tuple[str, str, str]:
    name = contact.get("name") or f"{contact.get('first_name', '')} {contact.get('last_name', '')}"
    return str(name), str(contact.get("title", "")), str(contact.get("company", ""))
