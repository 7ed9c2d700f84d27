import pytest

from buddy.core import permissions
from buddy.model.plan import Agent
from unit.core.plans import plan, step, tool

WRITER = Agent(permissions=("w",))
NEEDS = tool(permissions=("r", "w"))


def test_without_an_operator_the_plan_is_believed() -> None:
    agents = permissions.effective_agents(plan(step("a", agent="bob"), ann=WRITER), {})
    assert agents == {"ann": WRITER, "bob": Agent()}
    assert list(agents) == ["ann", "bob"]


@pytest.mark.parametrize(
    ("allowed", "said", "expected"),
    [
        (("r", "w"), ("w", "x"), ("w",)),
        (("r",), ("w",), ()),
        (None, ("w",), ("w",)),
        (("w", "r"), None, ("w", "r")),
        (None, None, None),
    ],
)
def test_a_plan_only_narrows_what_the_operator_grants(
    allowed: tuple[str, ...] | None, said: tuple[str, ...] | None, expected: tuple[str, ...] | None
) -> None:
    operator = {"ann": Agent(permissions=allowed, skills=("mail",), capacity=2)}
    agents = permissions.effective_agents(plan(step("a"), ann=Agent(permissions=said, capacity=5)), operator)
    assert agents == {"ann": Agent(permissions=expected, skills=("mail",), capacity=2)}


def test_skills_of_the_plan_come_first() -> None:
    agents = permissions.effective_agents(plan(ann=Agent(skills=("web",))), {"ann": Agent(skills=("mail",))})
    assert agents["ann"].skills == ("web",)


def test_whom_the_plan_says_nothing_about_is_as_the_operator_says() -> None:
    assert permissions.effective_agents(plan(step("a")), {"ann": WRITER, "cid": WRITER}) == {"ann": WRITER}


def test_whom_the_operator_leaves_out_may_nothing() -> None:
    claimed = plan(step("a", agent="eve"), ann=WRITER, eve=Agent(permissions=("w",)))
    agents = permissions.effective_agents(claimed, {"ann": WRITER})
    assert permissions.missing(agents["eve"], NEEDS) == ("r", "w")
    assert permissions.unknown_agents(claimed, {"ann": WRITER}) == ["eve"]
    assert permissions.unknown_agents(claimed, {}) == []


@pytest.mark.parametrize(
    ("agent", "lacking"),
    [
        (Agent(), ()),
        (Agent(permissions=("w", "r")), ()),
        (WRITER, ("r",)),
        (Agent(permissions=()), ("r", "w")),
        (None, ("r", "w")),
    ],
)
def test_what_an_agent_lacks(agent: Agent | None, lacking: tuple[str, ...]) -> None:
    assert permissions.missing(agent, NEEDS) == lacking
    assert permissions.missing(agent, None) == ()
    assert permissions.missing(agent, tool()) == ()


def test_load_is_in_estimated_seconds() -> None:
    steps = [
        step("a", estimated_duration_s=2.5),
        step("b"),
        step("c", agent="bob", estimated_duration_s=0.0),
    ]
    assert permissions.loads(steps) == {"ann": 3.5, "bob": 0.0}


def test_the_least_loaded_agent_that_may_is_chosen_and_of_equals_the_first_by_name() -> None:
    agents = {"dan": Agent(), "cid": Agent(), "bob": WRITER, "ann": Agent(permissions=("r", "w"))}
    assert permissions.least_loaded(agents, {"ann": 2.0, "cid": 1.0, "dan": 1.0}, NEEDS) == "cid"
    assert permissions.least_loaded(agents, {"cid": 1.0, "dan": 1.0}, NEEDS) == "ann"
    assert permissions.least_loaded({"bob": WRITER}, {}, NEEDS) is None
