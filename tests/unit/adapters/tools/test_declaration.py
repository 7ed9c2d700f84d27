from typing import Any

import msgspec
import pytest

from buddy.adapters.tools import declaration
from buddy.adapters.tools.declaration import declare
from buddy.model.contract import Rate, ToolContract
from buddy.model.mode import Effect, Risk


def test_every_field_of_a_contract_is_described() -> None:
    assert set(declaration._EXPECTED) == {field.name for field in msgspec.structs.fields(ToolContract)}


def test_fields_become_a_contract() -> None:
    made, problems = declare(
        {"name": "x", "risk": "LOW", "effect": Effect.READ, "permissions": {"b", "a"},
         "resources": ["r"], "rate": {"calls": 1, "seconds": 2}, "timeout_s": 3, "example": {"a": (1,)},
         "input": {"type": "object"}}
    )  # fmt: skip
    assert problems == []
    assert made == ToolContract(
        name="x", risk=Risk.LOW, effect=Effect.READ, permissions=("a", "b"), resources=("r",),
        rate=Rate(calls=1, seconds=2.0), timeout_s=3.0, example={"a": [1]}, input={"type": "object"},
    )  # fmt: skip


def test_what_is_left_out_of_an_override_stays() -> None:
    base = ToolContract(name="x", risk=Risk.LOW, example=3, rate=Rate(calls=1, seconds=2.0))
    made, _ = declare({"risk": "HIGH", "permissions": ["p"]}, base)
    assert made == ToolContract(
        name="x", risk=Risk.HIGH, permissions=("p",), example=3, rate=Rate(calls=1, seconds=2.0)
    )


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("name", "", 'name: expected a name of 1 to 256 characters, found ""'),
        ("risk", "low", 'risk: expected "LOW", "MEDIUM" or "HIGH", found "low"'),
        ("effect", "delete", 'effect: expected "read" or "write", found "delete"'),
        ("undo", "reversible", 'undo: expected "exact", "equivalent" or "none", found "reversible"'),
        ("idempotent", "yes", 'idempotent: expected true or false, found "yes"'),
        ("permissions", "crm.write", 'permissions: expected a list of names, found "crm.write"'),
        ("permissions", [1], "permissions: expected a list of names, found [1]"),
        ("timeout_s", 0, "timeout_s: expected seconds above 0, at most 604,800, found 0"),
        ("timeout_s", float("nan"), "timeout_s: expected seconds above 0, at most 604,800, found null"),
        ("max_concurrency", 0, "max_concurrency: expected a whole number of at least 1, found 0"),
        (
            "rate",
            [1, 2],
            "rate: expected calls (a whole number of at least 1) and seconds (above 0, at most 604,800)",
        ),
        (
            "rate",
            {"calls": 1, "second": 2},
            "rate: expected calls (a whole number of at least 1) and seconds",
        ),
        ("input", "x", 'input: expected a JSON Schema, found "x"'),
        ("example", object(), "example: expected any JSON, found object"),
        ("example", "\ud800", "example: expected any JSON, found str"),
        ("timeout", 3, "timeout: expected a field of a contract (did you mean timeout_s?), found timeout"),
        (
            "create",
            {"risk": "LOW"},
            "create: expected a field of a contract, found a table (the name of a tool",
        ),
        ("zzz", 1, "zzz: expected one of name, summary, risk, "),
    ],
)
def test_a_wrong_field_is_one_sentence(field: str, value: Any, problem: str) -> None:
    made, problems = declare({"name": "x", field: value})
    assert made is None
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_all_wrong_fields_are_told() -> None:
    _, problems = declare({"name": "x", "risk": 1, "undo": 2, "zzz": 3})
    assert [problem.split(":")[0] for problem in problems] == ["risk", "undo", "zzz"]
