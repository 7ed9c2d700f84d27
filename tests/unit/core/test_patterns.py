import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core import patterns

COVERED = [
    "^EVT-[0-9]{6}$",
    r"\d{3}-\d{2,4}",
    "^(a|bc|)+d*e?$",
    "^[^a-z0-9]$",
    r"^[\w.+-]+@[a-z]{2,}\.(com|org)$",
    r"^(?:x|(?P<year>\d{4}))\/\.\*$",
    r"^\x41\u00e9\t$",
    "^[]a]$",
    "^[a-]$",
    "a.c",
    "",
    "^$",
    r"^\S\s\D\W$",
    r"^a{0}b{2,}?$",
    r"[\-\]]",
    "(?<word>ab)+",
]


def drawing(numbers: list[int]) -> Callable[[int], int]:
    rest = iter(numbers)
    return lambda below: next(rest, 0) % below


@pytest.mark.parametrize("pattern", COVERED)
@given(numbers=st.lists(st.integers(0, 10**6), max_size=30), stretch=st.integers(0, 5))
def test_what_is_made_matches(pattern: str, numbers: list[int], stretch: int) -> None:
    made = patterns.match(pattern, drawing(numbers), stretch)
    assert made is not None
    assert re.search(pattern.replace("(?<word>", "(?P<word>"), made), made


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)b",
        "(?<!a)b",
        r"(a)\1",
        r"\bword",
        r"\p{L}",
        "(a",
        "[a",
        "a)",
        "*",
        "a{",
        "a{x}",
        "\\",
        "(?P=y)",
        r"[^\x00-\xff]",
    ],
)
def test_what_is_not_covered_is_told(pattern: str) -> None:
    assert patterns.match(pattern, lambda below: 0) is None


def test_repeats_grow_with_the_stretch() -> None:
    assert patterns.match("a+", lambda below: below - 1) == "a"
    assert patterns.match("a+", lambda below: below - 1, 5) == "aaaaaa"
    assert patterns.match("a{1,3}", lambda below: below - 1, 5) == "aaa"
