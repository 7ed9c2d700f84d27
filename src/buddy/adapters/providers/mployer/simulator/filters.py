"""What the portal's search form takes."""

import re
from collections.abc import Mapping

from msgspec import Struct

INDUSTRIES = (
    "Agriculture",
    "Construction",
    "Education",
    "Finance",
    "Healthcare",
    "Hospitality",
    "Logistics",
    "Manufacturing",
    "Professional Services",
    "Real Estate",
    "Retail",
    "Technology",
)

_ZIP = re.compile(r"[0-9]{5}")
_EIN = re.compile(r"[0-9]{2}-?[0-9]{7}")


class Filters(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One search; what is None does not narrow it.

    Attributes:
        min_employees, max_employees: people employed, both ends included.
        state: two letters.
        city: compared without case.
        zip: five digits.
        industry: one of `INDUSTRIES`.
        ein: nine digits with a hyphen after the second.
        website: host name without `www.`.
    """

    min_employees: int | None = None
    max_employees: int | None = None
    state: str | None = None
    city: str | None = None
    zip: str | None = None
    industry: str | None = None
    ein: str | None = None
    website: str | None = None

    @property
    def names_one(self) -> bool:
        """Whether they name one employer rather than a kind of employer."""
        return self.ein is not None or self.website is not None


def parse(form: Mapping[str, str], states: Mapping[str, str]) -> tuple[Filters, list[str]]:
    """Read a form as it was sent.

    Args:
        form: field -> text; empty is not given.
        states: two letters -> name.

    Returns:
        The filters, and one sentence for each field that cannot be used.
    """
    given = {name: form[name].strip() for name in Filters.__struct_fields__ if form.get(name, "").strip()}
    problems: list[str] = []
    low = _count("Minimum employees", given.get("min_employees"), problems)
    high = _count("Maximum employees", given.get("max_employees"), problems)
    if low is not None and high is not None and low > high:
        problems.append("Minimum employees is larger than maximum employees.")
    state = given.get("state")
    if state is not None:
        letters = {name.casefold(): short for short, name in states.items()} | {
            s.casefold(): s for s in states
        }
        state = letters.get(state.casefold())
        if state is None:
            problems.append("State is not one that we know.")
    industry = given.get("industry")
    if industry is not None and industry not in INDUSTRIES:
        problems.append("Industry is not one that we know.")
    if (code := given.get("zip")) is not None and not _ZIP.fullmatch(code):
        problems.append("ZIP code has five digits.")
    ein = given.get("ein")
    if ein is not None and not _EIN.fullmatch(ein):
        problems.append("EIN has nine digits, such as 00-1234567.")
    filters = Filters(
        min_employees=low,
        max_employees=high,
        state=state,
        city=given.get("city"),
        zip=given.get("zip"),
        industry=industry,
        ein=f"{ein[:2]}-{ein[-7:]}" if ein else None,
        website=_host(given.get("website")),
    )
    return filters, problems


def _count(label: str, text: str | None, problems: list[str]) -> int | None:
    if text is None:
        return None
    plain = text.replace(",", "")
    if not (plain.isascii() and plain.isdigit()) or len(plain) > 9:
        problems.append(f"{label} is a whole number.")
        return None
    return int(plain)


def _host(text: str | None) -> str | None:
    if text is None:
        return None
    host = text.split("://", 1)[-1].split("/", 1)[0].casefold()
    return host.removeprefix("www.")
