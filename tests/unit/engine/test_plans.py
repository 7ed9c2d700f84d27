"""For which steps of a plan somebody waits."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from buddy.core.findings import Findings
from buddy.core.ordering import Schedule
from buddy.engine.plans import PlanState
from buddy.model.plan import Plan, Step


def awaited(
    *steps: Step, elsewhere: Iterable[int] = (), needs: dict[str, tuple[str, ...]] | None = None, **plan: Any
) -> set[str]:
    made = Plan(plan_id="p", steps=steps, **({"chain": False} | plan))
    tools: Any = SimpleNamespace()
    state = PlanState(0, Schedule(made, lambda tool: (needs or {}).get(tool, ())), tools, Findings())
    state.note_awaited(elsewhere)
    return {state.steps[place].step_id for place in range(len(state)) if state.awaited[place]}


def step(name: str, agent: str = "a", tool: str = "put", **fields: Any) -> Step:
    return Step(step_id=name, tool=tool, agent=agent, **fields)


def test_nobody_waits_for_what_an_agent_does_one_after_another() -> None:
    assert awaited(step("s0"), step("s1"), step("t0", "b"), step("t1", "b")) == set()
    assert awaited(step("s0"), step("s1"), chain=True) == set()


def test_a_step_that_depends_on_it_waits() -> None:
    assert awaited(step("s0"), step("s1"), step("s2", depends_on=("s0",))) == {"s0"}
    assert awaited(step("s0"), step("s1"), step("s2", depends_on=("s0",)), chain=True) == {"s0"}


@pytest.mark.parametrize("chain", [False, True])
def test_a_step_whose_tool_asks_for_it_waits(chain: bool) -> None:
    found = awaited(step("s0"), step("s1", tool="fetch"), needs={"fetch": ("put",)}, chain=chain)
    assert found == {"s0"}


def test_another_agent_waits() -> None:
    assert awaited(step("s0"), step("t0", "b"), step("t1", "b"), chain=True) == {"s0"}


def test_another_plan_waits() -> None:
    assert awaited(step("s0"), step("s1"), elsewhere=[1]) == {"s1"}


def test_whoever_reads_the_reports_of_a_fleet_waits_for_all() -> None:
    assert awaited(step("s0"), step("s1"), fleet="waves") == {"s0", "s1"}
