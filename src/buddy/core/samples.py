"""Single strings and numbers that fit a JSON Schema, for results that are made up."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from buddy.core import patterns

SPAN = 100
"""Steps from the lowest to the highest number where the schema names only one of them, or none."""

Pick = Callable[[int], int]
"""A number below the one given, drawn afresh at every call."""

# format -> a string in it, from eight hexadecimal digits and the number that they write.
_FORMATS: Mapping[str, Callable[[str, int], str]] = {
    "date-time": lambda mark, n: f"{_day(n)}T{_hour(n)}Z",
    "date": lambda mark, n: _day(n),
    "time": lambda mark, n: f"{_hour(n)}Z",
    "duration": lambda mark, n: f"PT{n % 59 + 1}M",
    "email": lambda mark, n: f"example-{mark[:4]}@example.com",
    "idn-email": lambda mark, n: f"example-{mark[:4]}@example.com",
    "uuid": lambda mark, n: f"{mark}-{mark[:4]}-4{mark[4:7]}-8{mark[:3]}-{mark}{mark[:4]}",
    "uri": lambda mark, n: f"https://example.com/{mark[:4]}",
    "uri-reference": lambda mark, n: f"https://example.com/{mark[:4]}",
    "iri": lambda mark, n: f"https://example.com/{mark[:4]}",
    "iri-reference": lambda mark, n: f"https://example.com/{mark[:4]}",
    "uri-template": lambda mark, n: f"https://example.com/{mark[:4]}/{{id}}",
    "hostname": lambda mark, n: f"h{mark[:4]}.example.com",
    "idn-hostname": lambda mark, n: f"h{mark[:4]}.example.com",
    "ipv4": lambda mark, n: f"192.0.2.{n % 256}",
    "ipv6": lambda mark, n: f"2001:db8::{mark[:4]}",
    "json-pointer": lambda mark, n: f"/{mark[:4]}",
    "relative-json-pointer": lambda mark, n: f"{n % 9}/{mark[:4]}",
    "regex": lambda mark, n: f"^{mark[:4]}$",
    "decimal": lambda mark, n: f"{n % 10_000 / 100:.2f}",
}


def text(schema: Mapping[str, Any], pick: Pick, stretch: int = 0) -> str | None:
    """Make a string, None where the schema's pattern is beyond what can be made up.

    Args:
        schema: of type string.
        pick: draws a number.
        stretch: how far repeats of a pattern go beyond what it asks for.
    """
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    if "pattern" in schema:
        return patterns.match(schema["pattern"], pick, max(stretch, least))
    number = pick(1 << 32)
    mark = f"{number:08x}"
    form = _FORMATS.get(schema.get("format", ""))
    if form is not None:
        return form(mark, number)
    if schema.get("contentEncoding") == "base64":
        return "ZXhhbXBsZQ=="
    made = f"example-{mark[:4]}"
    if len(made) > most:
        made = mark[: int(min(most, len(mark)))]
    return made.ljust(least, mark[-1])


def number(schema: Mapping[str, Any], pick: Pick) -> int | float | None:
    """Make a number, None where no number is in the range.

    Args:
        schema: of type number or integer.
        pick: draws a number.
    """
    whole = schema.get("type") == "integer"
    low, high = (
        _closest(schema, "minimum", "exclusiveMinimum", max),
        _closest(schema, "maximum", "exclusiveMaximum", min),
    )
    step = _step(schema, whole, low, high)
    unit = max(step, Fraction(1))
    if low is None:
        low = Fraction(0) if high is None or high >= unit else high - SPAN * unit
    if high is None:
        high = low + SPAN * unit
    first, last = math.ceil(low / step), math.floor(high / step)
    if _excludes(schema, "exclusiveMinimum", first * step):
        first += 1
    if _excludes(schema, "exclusiveMaximum", last * step):
        last -= 1
    if last < first:
        return None
    value = (first + pick(last - first + 1)) * step
    return int(value) if whole else float(value)


def _closest(
    schema: Mapping[str, Any], closed: str, open_: str, of: Callable[[list[Fraction]], Fraction]
) -> Fraction | None:
    bounds = [Fraction(str(schema[word])) for word in (closed, open_) if word in schema]
    return of(bounds) if bounds else None


def _excludes(schema: Mapping[str, Any], word: str, value: Fraction) -> bool:
    return word in schema and Fraction(str(schema[word])) == value


def _step(schema: Mapping[str, Any], whole: bool, low: Fraction | None, high: Fraction | None) -> Fraction:
    """Return the grid that the number is taken from: cents, finer where the range is narrow."""
    if "multipleOf" in schema:
        step = Fraction(str(schema["multipleOf"]))
        return Fraction(step.numerator) if whole else step
    if whole:
        return Fraction(1)
    cents = Fraction(1, 100)
    if low is None or high is None:
        return cents
    return min(cents, (high - low) / 128) if low < high else abs(low) or cents


def _day(number: int) -> str:
    return f"2025-{number % 12 + 1:02}-{number // 12 % 28 + 1:02}"


def _hour(number: int) -> str:
    return f"{number // 336 % 24:02}:{number // 8064 % 60:02}:{number // 483_840 % 60:02}"
