"""The client's ways through the portal's pages: in, to what a search finds, and out."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from buddy.adapters.providers.base import redaction
from buddy.adapters.providers.base.errors import AuthError, InvalidRequest, ProviderUnavailable, by_status
from buddy.adapters.providers.mployer.pages import Pages
from buddy.adapters.providers.mployer.selectors import Selectors

MOST_PAGES = 200
"""Pages of a table that are turned."""


class Login(Struct, frozen=True, kw_only=True):
    """An account of the portal."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login(username={self.username!r}, password=***)"


class SignedOut(AuthError):
    """The portal wants somebody signed in; of the account it says nothing."""


class Walk:
    """What is done on the portal's pages, a visit each.

    Args:
        names: where things are in the portal.
        login: the account.
    """

    def __init__(self, names: Selectors, login: Login) -> None:
        self._names, self._login = names, login

    async def with_password(self, pages: Pages) -> bool:
        """Sign in with the password; returns whether the portal asks for a mailed code."""
        names = self._names
        await pages.open(names.login_path)
        await self._heed(pages)
        await pages.fill(names.username, self._login.username)
        await pages.send(names.go_on)
        await self._heed(pages)
        await pages.fill(names.credential, self._login.password)
        await pages.send(names.sign_in)
        await self._heed(pages)
        if await pages.has("field", names.code):
            return True
        await self._expect_inside(pages)
        return False

    async def with_code(self, pages: Pages, code: str) -> None:
        """Give the mailed code."""
        await pages.fill(self._names.code, code)
        await pages.send(self._names.verify)
        await self._heed(pages)
        await self._expect_inside(pages)

    async def sign_out(self, pages: Pages) -> bool:
        """Sign out; returns whether somebody was signed in."""
        await pages.open(self._names.search_path)
        await self._heed(pages)
        if not await pages.has("button", self._names.log_out):
            return False
        await pages.send(self._names.log_out)
        await self._heed(pages)
        return True

    async def search(self, pages: Pages, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Search, and return every row of every page.

        Raises:
            SignedOut: nobody is signed in.
            InvalidRequest: the portal does not take a filter.
            ProviderUnavailable: a column is missing.
        """
        names = self._names
        if not await self._found_any(pages, filters):
            return []
        rows = [self._row(row) for row in await pages.table(names.results)]
        for _ in range(MOST_PAGES):
            if not await pages.has("button", names.next_page):
                return rows
            await pages.send(names.next_page)
            await self._heed(pages)
            rows += [self._row(row) for row in await pages.table(names.results)]
        raise ProviderUnavailable(f"the portal's table has more than {MOST_PAGES} pages")

    async def export(self, pages: Pages, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Search, and return the portal's export of everything found.

        Raises:
            SignedOut, InvalidRequest, ProviderUnavailable: see `search`.
        """
        if not await self._found_any(pages, filters):
            return []
        return self._records(await pages.fetch(self._names.export))

    async def _found_any(self, pages: Pages, filters: Mapping[str, Any]) -> bool:
        names = self._names
        await pages.open(names.search_path)
        await self._heed(pages)
        if not await pages.has("button", names.log_out):
            raise SignedOut("the portal asks to sign in")
        for name, value in filters.items():
            await pages.fill(names.filters[name], str(value))
        await pages.send(names.search)
        refused = await pages.alerts(names.alert)
        if refused and pages.answered.status in (200, 400, 422):
            raise InvalidRequest(f"the portal does not take these filters: {' '.join(refused)}")
        await self._heed(pages)
        return await pages.has("button", names.export)

    def _row(self, row: Mapping[str, str]) -> dict[str, Any]:
        missing = [head for head in self._names.columns.values() if head not in row]
        if missing:
            raise ProviderUnavailable(_changed("the table", missing, row))
        found: dict[str, Any] = {name: row[head] for name, head in self._names.columns.items()}
        city, _, state = found.pop("location").rpartition(", ")
        return {**found, "employees": _number(found["employees"]), "city": city, "state": state}

    def _records(self, text: str) -> list[dict[str, Any]]:
        reader = csv.DictReader(io.StringIO(text))
        heads = reader.fieldnames or ()
        missing = [head for head in self._names.exported.values() if text and head not in heads]
        if missing:
            raise ProviderUnavailable(_changed("the export", missing, heads))
        records: list[dict[str, Any]] = []
        for line in reader:
            record = {name: line[head] or "" for name, head in self._names.exported.items()}
            records.append({**record, "employees": _number(record["employees"])})
        return records

    async def _heed(self, pages: Pages) -> None:
        """Raise what a page means that is not the one that was asked for."""
        answered = pages.answered
        if answered.status < 400:
            return
        told = " ".join(await pages.alerts(self._names.alert)) or "no reason given"
        kind = by_status(answered.status)
        if kind is AuthError and not await self._asks_who(pages):
            kind = SignedOut  # it refuses a page, and not the account
        raise kind(
            f"the portal answered {answered.status}: {redaction.text(told, [self._login.password])}",
            status=answered.status,
            retry_after=answered.retry_after,
        )

    async def _asks_who(self, pages: Pages) -> bool:
        names = self._names
        return await pages.has("field", names.credential) or await pages.has("field", names.code)

    async def _expect_inside(self, pages: Pages) -> None:
        names = self._names
        if await pages.has("button", names.log_out):
            return
        told = " ".join(await pages.alerts(names.alert))
        if told:
            raise AuthError(f"the portal does not sign in: {redaction.text(told, [self._login.password])}")
        raise ProviderUnavailable(
            f"expected {names.log_out!r} or {names.code!r} after signing in, found neither; if the portal"
            f" has changed, its names do too (selectors {names.version})"
        )


def _number(text: str) -> int:
    try:
        return int(text.replace(",", ""))
    except ValueError as problem:
        raise ProviderUnavailable(f"expected how many are employed, found {text!r}") from problem


def _changed(what: str, missing: Sequence[str], found: Iterable[str]) -> str:
    return f"expected {what} to have {', '.join(missing)}, found {', '.join(found)}; the portal has changed"
