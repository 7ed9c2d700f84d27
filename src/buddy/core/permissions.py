"""Who may what: the operator's word, which a plan may only narrow."""

from collections.abc import Iterable, Mapping

from buddy.model.contract import ToolContract
from buddy.model.plan import Agent, Plan, Step


def effective_agents(plan: Plan, operator: Mapping[str, Agent]) -> dict[str, Agent]:
    """Return what each agent of a plan may do and how much at once.

    Where the operator names agents, permissions are those that both name; where it names none, a plan's
    own permissions hold, and an agent without any gets what its tools need (None), which the person who
    starts the run grants. An agent whom an operator that names agents leaves out may nothing.
    """
    agents: dict[str, Agent] = {}
    for name in dict.fromkeys([*plan.agents, *(step.agent for step in plan.steps)]):
        said, allowed = plan.agents.get(name), operator.get(name)
        if allowed is None:
            agents[name] = Agent(permissions=()) if operator else said or Agent()
        elif said is None:
            agents[name] = allowed
        else:
            agents[name] = Agent(
                permissions=_narrowed(allowed.permissions, said.permissions),
                skills=said.skills or allowed.skills,
                capacity=min(allowed.capacity, said.capacity),
            )
    return agents


def _narrowed(allowed: tuple[str, ...] | None, said: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if allowed is None:
        return said
    return allowed if said is None else tuple(sorted(set(allowed) & set(said)))


def unknown_agents(plan: Plan, operator: Mapping[str, Agent]) -> list[str]:
    """Return the plan's agents that the operator does not name, none where it names nobody."""
    if not operator:
        return []
    named = dict.fromkeys([*plan.agents, *(step.agent for step in plan.steps)])
    return [name for name in named if name not in operator]


def missing(agent: Agent | None, contract: ToolContract | None) -> tuple[str, ...]:
    """Return the permissions of a tool that an agent lacks; an agent that nobody knows lacks them all."""
    if contract is None or not contract.permissions:
        return ()
    if agent is None:
        return contract.permissions
    if agent.permissions is None:
        return ()
    held = frozenset(agent.permissions)
    return tuple(need for need in contract.permissions if need not in held)


def least_loaded(
    agents: Mapping[str, Agent], load: Mapping[str, float], contract: ToolContract
) -> str | None:
    """Return the agent with the least load that may call a tool, None where nobody may."""
    able = [name for name, agent in agents.items() if not missing(agent, contract)]
    return min(able, key=lambda name: (load.get(name, 0.0), name), default=None)


def loads(steps: Iterable[Step]) -> dict[str, float]:
    """Return each agent's load: estimated seconds of its steps, one second where nobody estimated."""
    load: dict[str, float] = {}
    for step in steps:
        load[step.agent] = load.get(step.agent, 0.0) + seconds(step)
    return load


def seconds(step: Step) -> float:
    """Estimated seconds of a step, one where nobody estimated."""
    return 1.0 if step.estimated_duration_s is None else step.estimated_duration_s
