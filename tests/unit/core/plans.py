"""Plans and contracts in a few words."""

from collections.abc import Callable, Iterable
from typing import Any

from buddy.core.conflicts import Detector, Known
from buddy.core.findings import Findings
from buddy.core.ordering import Schedule
from buddy.model.config import DEFAULT_STRATEGIES, ExecutionConfig
from buddy.model.conflict import ConflictType, Strategy
from buddy.model.contract import ToolContract
from buddy.model.mode import Effect, Mode, Risk, Undo
from buddy.model.plan import Agent, Plan, Step

KEY = b"k" * 32


def tool(name: str = "set", **fields: Any) -> ToolContract:
    """A LOW risk write that can be undone."""
    return ToolContract(
        **{"name": name, "risk": Risk.LOW, "effect": Effect.WRITE, "undo": Undo.EXACT, **fields}
    )


def read(name: str = "get", **fields: Any) -> ToolContract:
    """A LOW risk read."""
    return ToolContract(**{"name": name, "risk": Risk.LOW, "effect": Effect.READ, **fields})


def step(step_id: str, name: str = "set", agent: str = "ann", *needs: str, **fields: Any) -> Step:
    """A step that is sure of itself."""
    return Step(step_id=step_id, tool=name, agent=agent, depends_on=needs, **{"confidence": 1.0, **fields})


def plan(*steps: Step, plan_id: str = "p", chain: bool = False, **agents: Agent) -> Plan:
    """A plan whose agents work beside one another."""
    return Plan(plan_id=plan_id, steps=steps, chain=chain, agents=agents)


def config(
    mode: Mode = Mode.LIVE, strategies: dict[ConflictType, Strategy] | None = None, **fields: Any
) -> ExecutionConfig:
    """A run that goes LIVE."""
    return ExecutionConfig(mode=mode, conflicts={**DEFAULT_STRATEGIES, **(strategies or {})}, **fields)


def detector(
    tools: Iterable[ToolContract],
    settings: ExecutionConfig | None = None,
    ledger: Callable[[str, tuple[str, ...]], str] = lambda digest, resources: "",
    **options: Any,
) -> Detector:
    """A detector that knows these tools, all of which can act."""
    known = {contract.name: contract for contract in tools}
    return Detector(settings or config(), Known(known.get, known.__contains__), KEY, ledger, **options)


def detect(
    tools: Iterable[ToolContract], *plans: Plan, settings: ExecutionConfig | None = None, **options: Any
) -> tuple[Findings, list[Schedule]]:
    """What is found in these plans, and their schedules."""
    found = detector(tools, settings, **options)
    schedules = [found.plan(ordinal, each) for ordinal, each in enumerate(plans)]
    return found.finish(), schedules
