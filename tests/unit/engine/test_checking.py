"""What a run would do is told of the plans that were looked at."""

from collections.abc import Iterator

import pytest

from buddy.core.conflicts import Detector, Known
from buddy.engine.checking import ceilings
from buddy.engine.orchestrator import survey
from buddy.model.config import ExecutionConfig
from buddy.model.plan import Plan, Step
from buddy.ports import LockState


class Source:
    """Plans, and how often they were asked for."""

    def __init__(self, *plans: Plan) -> None:
        self._plans = plans
        self.asked = 0

    def plans(self) -> Iterator[Plan]:
        self.asked += 1
        yield from self._plans


def plan(name: str) -> Plan:
    return Plan(plan_id=name, steps=(Step(step_id=f"{name}_step", tool="t", agent="a", confidence=0.9),))


def detector() -> Detector:
    known = Known(contract=lambda name: None, runnable=lambda name: False)
    return Detector(ExecutionConfig(), known, b"key", lambda digest, resources: "")


@pytest.mark.parametrize(("names", "asked"), [(["p"], 1), (["p", "q"], 2)])
def test_the_only_plan_is_asked_for_once(names: list[str], asked: int) -> None:
    source = Source(*map(plan, names))
    known = survey(source, ExecutionConfig(), detector())
    steps = list(ceilings(source, known, detector(), LockState(), ()))
    assert [step["step"] for step in steps] == [f"{name}_step" for name in names]
    assert source.asked == asked
