"""Where things are in the portal: one map, with a version, that is all there is to change when the portal is.

The names are what a person sees: labels of fields, words on buttons. A selector of Playwright (`css=...`,
`role=...`) does as well. They were made for the simulated portal and are unverified against the real one.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from buddy.adapters.providers.base.errors import InvalidRequest

VARIABLE = "BUDDY_MPLOYER_SELECTORS"
"""Environment variable that names a JSON file with other names than these."""


_FILTERS = {
    "min_employees": "Minimum employees",
    "max_employees": "Maximum employees",
    "industry": "Industry",
    "state": "State",
    "city": "City",
    "zip": "ZIP code",
    "ein": "EIN",
    "website": "Website",
}
_COLUMNS = {
    "name": "Contact",
    "title": "Title",
    "company": "Employer",
    "industry": "Industry",
    "employees": "Employees",
    "location": "Location",
}
_EXPORTED = (
    *("contact_id", "first_name", "last_name", "title", "email", "phone", "company", "industry"),
    *("employees", "city", "state", "zip", "ein", "website"),
)


class Selectors(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The names of everything that the client touches.

    Attributes:
        version: of this map; changes whenever one of its names does.
        login_path, search_path: of the pages where signing in and searching begin.
        session_paths: addresses that a POST opens or closes a session at, and changes nothing else.
        username, go_on: field and button of the first page of the sign-in.
        credential, sign_in: of the second.
        code, verify: of the third, where a code was mailed.
        filters: filter -> field of the search form.
        search: its button.
        results: the table with what was found.
        next_page: the link to its next page.
        export: the link to everything that was found, as CSV.
        log_out: the button that is there while somebody is signed in.
        alert: what the portal refuses with.
        columns: our name -> head of a column of the table.
        exported: our name -> head of a column of the CSV.
    """

    version: str = "2026-11-simulated"
    login_path: str = "/login"
    search_path: str = "/employers"
    session_paths: tuple[str, ...] = ("/login", "/login/password", "/login/code", "/logout")
    username: str = "User name"
    go_on: str = "Continue"
    credential: str = "Password"
    sign_in: str = "Sign in"
    code: str = "Code"
    verify: str = "Verify"
    filters: dict[str, str] = msgspec.field(default_factory=lambda: dict(_FILTERS))
    search: str = "Search"
    results: str = "Contacts"
    next_page: str = "Next"
    export: str = "Export CSV"
    log_out: str = "Log out"
    alert: str = "css=[role=alert]"
    columns: dict[str, str] = msgspec.field(default_factory=lambda: dict(_COLUMNS))
    exported: dict[str, str] = msgspec.field(
        default_factory=lambda: dict(zip(_EXPORTED, _EXPORTED, strict=True))
    )


def load(environ: Mapping[str, str]) -> Selectors:
    """Return the map in force.

    Raises:
        InvalidRequest: the file that the environment names cannot be used.
    """
    named = environ.get(VARIABLE)
    if not named:
        return Selectors()
    try:
        return msgspec.json.decode(Path(named).read_bytes(), type=Selectors)
    except (OSError, ValueError) as problem:
        raise InvalidRequest(f"{VARIABLE}: {named}: expected a JSON object of names: {problem}") from problem
