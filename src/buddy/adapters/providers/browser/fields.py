"""What is in a field of a form, and putting something else into it."""

from typing import TYPE_CHECKING, Any

from buddy.adapters.providers.base.errors import InvalidRequest
from buddy.adapters.providers.browser import elements, scripts

if TYPE_CHECKING:
    from playwright.async_api import Locator


async def read(found: "Locator") -> Any:
    """Return what is in a field: text, the label of the chosen option, or whether a box is ticked."""
    return await found.evaluate(scripts.READ)


async def write(found: "Locator", value: str | bool, limit: float) -> None:
    """Put something into a field.

    Args:
        found: the field.
        value: in the form in which `read` gives it.
        limit: milliseconds that the field may take.
    """
    if isinstance(value, bool):
        await found.set_checked(value, timeout=limit)
    elif await found.evaluate("(one) => one.tagName") == "SELECT":
        await found.select_option(label=value, timeout=limit)
    else:
        await found.fill(value, timeout=limit)


async def fitting(found: "Locator", target: str, value: str | bool) -> str | bool:
    """Return a value in the form that the field will have it in, or refuse it."""
    kind = await elements.described(found)
    box = kind["type"] in ("checkbox", "radio")
    if box != isinstance(value, bool):
        expected = "true or false" if box else "a text"
        raise InvalidRequest(f"expected {expected} for the field {target!r}, found {value!r}")
    if kind["tag"] != "select":
        return value
    options: list[list[str]] = await found.evaluate(scripts.OPTIONS)
    label = next((option[0] for option in options if value in option), None)
    if label is None:
        there = ", ".join(repr(label) for label, _ in options[: elements.LISTED])
        more = ", ..." if len(options) > elements.LISTED else ""
        raise InvalidRequest(f"expected an option of the field {target!r} ({there}{more}), found {value!r}")
    return label
