"""The description of the simulated portal, as OpenAPI; what it says is what the routes do."""

from typing import Any

from buddy.adapters.providers.mployer.simulator.filters import INDUSTRIES, Filters

_TEXT = {"type": "string"}
_ERRORS = {
    "401": "the sign-in is refused",
    "404": "no such page, or no such employer",
    "422": "a field of the form does not fit",
}
_FILTERS: dict[str, Any] = {
    "industry": {"type": "string", "enum": ["", *INDUSTRIES]},
    "zip": {"type": "string", "description": "five digits"},
    "ein": {"type": "string", "description": "nine digits, 00-1234567"},
}


def _page(words: str) -> dict[str, Any]:
    return {"description": words, "content": {"text/html": {"schema": _TEXT}}}


def _answers(*codes: str, shown: str = "", leads: str = "") -> dict[str, Any]:
    """Return the answers of an address.

    Args:
        codes: errors.
        shown: what the page of 200 shows.
        leads: where 303 leads.
    """
    found: dict[str, Any] = {code: _page(_ERRORS[code]) for code in codes}
    if shown:
        found["200"] = _page(shown)
    if leads:
        found["303"] = {"description": leads}
    return found


def _form(*fields: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict.fromkeys(fields, _TEXT)}
    return {"required": False, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}


def _query() -> list[dict[str, Any]]:
    names = (*Filters.__struct_fields__, "page")
    return [{"name": name, "in": "query", "schema": _FILTERS.get(name, _TEXT)} for name in names]


def _step(what: str, *fields: str) -> dict[str, Any]:
    return {
        "get": {
            "summary": f"the page that asks for {what}",
            "responses": _answers(shown="the page", leads="no sign-in is under way"),
        },
        "post": {
            "summary": f"take {what}",
            "requestBody": _form(*fields),
            "responses": _answers("401", "422", leads="the next page"),
        },
    }


def document() -> dict[str, Any]:
    """Return the description."""
    away = "nobody is signed in: to the sign-in"
    lines = {"description": "every contact that was found", "content": {"text/csv": {"schema": _TEXT}}}
    employer = {"name": "employer_id", "in": "path", "required": True, "schema": _TEXT}
    return {
        "openapi": "3.1.0",
        "info": {"title": "The simulated portal of Mployer", "version": "1"},
        "paths": {
            "/": {"get": {"summary": "lead on", "responses": _answers(leads="to search or sign-in")}},
            "/login": _step("the user name", "username"),
            "/login/password": _step("the password", "password"),
            "/login/code": _step("the mailed code", "code"),
            "/logout": {"post": {"summary": "sign out", "responses": _answers(leads="to the sign-in")}},
            "/employers": {
                "get": {
                    "summary": "the search form, and what it finds",
                    "parameters": _query(),
                    "responses": _answers("422", shown="the form, and the table", leads=away),
                }
            },
            "/employers.csv": {
                "get": {
                    "summary": "the export of a search",
                    "parameters": _query(),
                    "responses": {**_answers("422", leads=away), "200": lines},
                }
            },
            "/employers/{employer_id}": {
                "get": {
                    "summary": "one employer",
                    "parameters": [employer],
                    "responses": _answers("404", shown="the employer and three people", leads=away),
                }
            },
            "/searches": {
                "post": {
                    "summary": "save a search",
                    "requestBody": _form("name", "query"),
                    "responses": _answers("422", leads="to the search, or to the sign-in"),
                }
            },
        },
    }
