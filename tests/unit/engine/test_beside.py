"""Verification: the plans beside a journal are those that the run began with."""

import hashlib

import pytest

from buddy.journal.events import RunStarted
from buddy.ports import PLANS
from unit.engine.runs import Case, case_of, told

DOCUMENT = b'{"plan_id":"p"}\n'


def with_plans() -> Case:
    case = case_of(told().last(RunStarted, plans_sha256=hashlib.sha256(DOCUMENT).hexdigest()))
    case.outputs[PLANS] = DOCUMENT
    return case


def test_the_plans_that_the_run_began_with_are_clean() -> None:
    assert with_plans().found() == set()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "plans.jsonl is not there"),
        (b"", "plans.jsonl does not hold the plans that the run began with"),
        (DOCUMENT.replace(b'"p"', b'"q"'), "plans.jsonl does not hold the plans that the run began with"),
        (DOCUMENT + b"\n", "plans.jsonl does not hold the plans that the run began with"),
    ],
)
def test_other_plans_are_found(found: bytes | None, said: str) -> None:
    case = with_plans()
    case.outputs[PLANS] = found
    [violation] = case.verify().violations
    assert (violation.rule, violation.seq, violation.message) == ("plans_differ", 1, said)


def test_a_run_without_plans_is_not_asked_for_them() -> None:
    case = case_of(told())
    case.outputs[PLANS] = DOCUMENT
    assert case.found() == set()
