"""Collections: query options, order, pages and the links between them."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from msgspec import Struct

from buddy.adapters.providers.msgraph.simulator import filters, keywords, rendering
from buddy.adapters.providers.msgraph.simulator.bodies import PROPERTIES
from buddy.adapters.providers.msgraph.simulator.failures import bad_query, no_property, refuse
from buddy.adapters.providers.msgraph.simulator.rendering import View
from buddy.adapters.providers.msgraph.simulator.store import Item, Mailbox

LARGEST_PAGE = 1_000
PAGE = 10
"""Messages of a page where the client does not say."""

_OPTIONS = frozenset(
    ("$top", "$skip", "$filter", "$search", "$select", "$orderby", "$expand", "$count", "$skiptoken")
)
_NOT_WITH_SEARCH = {"$filter": "SearchWithFilter", "$orderby": "SearchWithOrderBy", "$skip": "SearchWithSkip"}
_ORDERED = PROPERTIES - {
    *("body", "flag", "categories", "toRecipients", "ccRecipients", "bccRecipients", "replyTo", "from"),
    *("sender", "attachments", "internetMessageHeaders", "singleValueExtendedProperties", "uniqueBody"),
    *("multiValueExtendedProperties", "extensions", "bodyPreview", "webLink", "id", "changeKey"),
}


class Order(Struct, frozen=True):
    """One property that messages are sorted by."""

    path: str
    descending: bool


class Query(Struct, frozen=True, kw_only=True):
    """What a client asks of a collection of messages.

    Attributes:
        size: messages of a page.
        skip: messages before it.
        count: with the number of all.
        passes: whether a message is among them.
        order: what they are sorted by.
        how: they are shown.
    """

    size: int
    skip: int
    count: bool
    passes: filters.Test
    order: tuple[Order, ...]
    how: View


def read(options: Mapping[str, str], prefer: str) -> Query:
    """Read query options; refuse those that the vendor does not take together.

    Args:
        options: of the request's address.
        prefer: the header of that name.
    """
    given = {name.lower(): value for name, value in options.items() if name.startswith("$")}
    for name in given:
        if name not in _OPTIONS:
            bad_query(f"The query parameter '{name}' is not supported.")
    search = given.get("$search")
    for name, code in _NOT_WITH_SEARCH.items():
        if search is not None and name in given:
            spelled = "$orderBy" if name == "$orderby" else name
            refuse(400, code, f"The query parameter '{spelled}' is not supported with '$search'.")
    found = filters.read(given["$filter"]) if "$filter" in given else None
    order = _order(given.get("$orderby"))
    if found is not None and "$orderby" in given:
        _check_order(found.paths, order)
    passes = found.matches if found else keywords.read(search) if search is not None else _any
    return Query(
        size=_size(given.get("$top"), prefer),
        skip=_skip(given),
        count=_count(given.get("$count", "false")),
        passes=passes,
        order=order,
        how=rendering.view(prefer, given.get("$select"), given.get("$expand")),
    )


def page(
    mailbox: Mailbox, items: Iterable[Item], query: Query, url: str, options: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Write one page of messages.

    Args:
        mailbox: they are in.
        items: to choose from.
        query: what the client asks.
        url: of the collection, without options.
        options: of this request, for the link to the next page.
    """
    found = sorted(chosen(items, query), key=lambda item: item.number, reverse=True)
    for order in reversed(query.order):
        found.sort(
            key=lambda item: _rank(filters.value_at(item.content, order.path)), reverse=order.descending
        )
    end = query.skip + query.size
    base = url.partition("/v1.0/")[0]
    answer: dict[str, Any] = {
        "@odata.context": f"{base}/v1.0/$metadata#users('{quote(mailbox.user_id)}')/messages"
    }
    if query.count:
        answer["@odata.count"] = len(found)
    answer["value"] = [rendering.message(mailbox, item, query.how) for item in found[query.skip : end]]
    if end < len(found):
        kept = [(name, value) for name, value in options if name.lower() not in ("$skip", "$skiptoken")]
        answer["@odata.nextLink"] = f"{url}?{urlencode([*kept, ('$skiptoken', _token(end))])}"
    return answer


def chosen(items: Iterable[Item], query: Query) -> list[Item]:
    """The messages that a client asks for, on all pages."""
    return [item for item in items if query.passes(item.content)]


def _any(message: Mapping[str, Any]) -> bool:
    return True


def _size(top: str | None, prefer: str) -> int:
    asked = re.search(r"odata\.maxpagesize\s*=\s*(\d{1,9})", prefer, re.I)
    if top is None:
        return min(max(int(asked[1]), 1), LARGEST_PAGE) if asked else PAGE
    size = _whole("$top", top)
    if size > LARGEST_PAGE:
        more = f"The value from the incoming request is '{size}'."
        refuse(
            400,
            "ErrorInvalidUrlQuery",
            f"The limit of '{LARGEST_PAGE}' for Top query has been exceeded. {more}",
        )
    if size == 0:
        _invalid("$top", top)
    return size


def _skip(given: Mapping[str, str]) -> int:
    if "$skiptoken" not in given:
        return _whole("$skip", given.get("$skip", "0"))
    try:
        found = base64.b64decode(given["$skiptoken"].encode(), altchars=b"-_", validate=True).decode()
    except ValueError:
        found = ""
    match = re.fullmatch(r"page:(\d{1,9})", found)
    return int(match[1]) if match else _invalid("$skiptoken", given["$skiptoken"])


def _token(skip: int) -> str:
    return base64.urlsafe_b64encode(f"page:{skip}".encode()).decode()


def _whole(name: str, text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else _invalid(name, text)


def _count(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        _invalid("$count", text)
    return text.lower() == "true"


def _invalid(name: str, text: str) -> NoReturn:
    bad_query(f"Invalid value '{text}' for {name} query option found.")


def _order(text: str | None) -> tuple[Order, ...]:
    if text is None:
        return (Order("receivedDateTime", True),)
    found: list[Order] = []
    for part in text.split(","):
        path, _, direction = part.strip().partition(" ")
        direction = direction.strip().lower() or "asc"
        if direction not in ("asc", "desc"):
            bad_query(f"Syntax error at '{part.strip()}' in '$orderby'.")
        if path not in _ORDERED and path not in ("from/emailAddress/address", "from/emailAddress/name"):
            no_property(path)
        found.append(Order(path, direction == "desc"))
    return tuple(found)


def _check_order(filtered: tuple[str, ...], order: tuple[Order, ...]) -> None:
    """Hold the vendor's rule: what is sorted by leads the filter, in the same order."""
    seen = tuple(dict.fromkeys(filtered))
    if seen[: len(order)] != tuple(one.path for one in order):
        why = "The restriction or sort order is too complex for this operation."
        refuse(400, "InefficientFilter", why)


def _rank(value: Any) -> tuple[bool, str | float]:
    """Give values of every kind an order: nothing first, then texts and numbers."""
    if isinstance(value, bool | int | float):
        return True, float(value)
    return value is not None, str(value or "").lower()
