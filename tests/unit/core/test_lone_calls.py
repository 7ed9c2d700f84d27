from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from buddy.core.lone_calls import lone_call_problems


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("a", "crm.update", None, None), []),
        (("a", "crm.update", "c", 1), []),
        (("a", "crm.update", "c", 0.5), []),
        (("a", "crm.update", "c", Decimal("0.5")), []),
        (("a", "crm.update", "c", Fraction(1, 2)), []),
        (
            ("a", "t", "c", Decimal("sNaN")),
            ["confidence: expected a number from 0 to 1, found Decimal('sNaN')"],
        ),
        (("a", "t", "c", 1j), ["confidence: expected a number from 0 to 1, found 1j"]),
        (("a", "crm.update", "", 0.5), ["call_id: expected 1 to 256 characters, found 0"]),
        (("a", "x" * 257, None, 0.5), ["tool: expected 1 to 256 characters, found 257"]),
        (("a", "t", "c[1]#2", 0.5), []),
        (("a", "t", "a\0", 0.5), ["call_id: expected no control or invisible characters, found 'a\\x00'"]),
        (("\ud800", "t", "c", 0.5), ["agent: expected no control or invisible characters, found '\\ud800'"]),
        ((None, 5, "c", 0.5), ["agent: expected a text, found None", "tool: expected a text, found 5"]),
        (("a", "t", "c", 1.5), ["confidence: expected a number from 0 to 1, found 1.5"]),
        (("a", "t", "c", float("nan")), ["confidence: expected a number from 0 to 1, found nan"]),
        (("a", "t", "c", "0.5"), ["confidence: expected a number from 0 to 1, found '0.5'"]),
    ],
)
def test_a_call_that_stands_in_no_plan_is_looked_at_as_well(call: tuple[Any, ...], told: list[str]) -> None:
    assert list(lone_call_problems(*call)) == told
