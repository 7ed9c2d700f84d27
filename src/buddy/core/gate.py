"""The gate: how high may a step climb, and which rule says so.

Each rule is a small function from the facts to a ceiling (or None where it has nothing to say). They are
asked in the order of `RULES`, the lowest ceiling wins, and of equals the first. Nothing else decides.
"""

from collections.abc import Callable
from enum import Enum
from functools import lru_cache

from msgspec import Struct

from buddy.core.ladder import below
from buddy.model.contract import ToolContract
from buddy.model.decision import Ceiling, Decision, Denied, NeedsApproval, Run, Wait
from buddy.model.fleet import TASK
from buddy.model.mode import DRY_RUN, LIVE, MOCK, Mode, Risk

THRESHOLDS: dict[Risk, dict[Mode, float]] = {
    Risk.LOW: {MOCK: 0.0, DRY_RUN: 0.50, LIVE: 0.70},
    Risk.MEDIUM: {MOCK: 0.0, DRY_RUN: 0.65, LIVE: 0.80},
    Risk.HIGH: {MOCK: 0.0, DRY_RUN: 0.80, LIVE: 0.85},
}
"""Confidence that a rung asks for, by risk; reached means >=."""


class Grant(Enum):
    """Where the approval of an action stands."""

    NOT_ASKED = "not asked"
    PENDING = "pending"
    APPROVED = "approved"

    # Members are singletons: Enum's own hash is Python code and these are in a key of every decision.
    __hash__ = object.__hash__


class Facts(Struct, frozen=True, kw_only=True, gc=False):
    """What the gate is told about a step and its surroundings.

    Attributes:
        tool, agent: whose step it is.
        contract: None where no catalogue names the tool.
        runnable: the tool has a live handler.
        has_preview: it has a preview handler (or is a read).
        mode: of the run.
        dry_run_only: the configuration caps everything at DRY_RUN.
        environment: `DRY_RUN=true` is set.
        locked: reason of the engaged system lock, None while it is open.
        missing: permissions that the agent lacks.
        confidence: None counts as 0.
        live_floor: floor under every LIVE threshold.
        source: the lowest rung passed by a step that this one depends on, and its id.
        breaker: reason of an open breaker, empty where none is.
        caps: the cap that is used up, empty where none is.
        passed: the highest rung passed with these arguments and this contract.
        approve_high: HIGH risk needs a person.
        approve_all: everything live needs a person.
        earlier: an irreversible identical action was taken before.
        grant: where the approval stands.
        in_flight: live calls now.
        budget: live calls allowed at once.
    """

    tool: str
    agent: str
    contract: ToolContract | None
    runnable: bool = False
    has_preview: bool = True
    mode: Mode = MOCK
    dry_run_only: bool = False
    environment: bool = False
    locked: str | None = None
    missing: tuple[str, ...] = ()
    confidence: float | None = None
    live_floor: float = 0.75
    source: tuple[Mode | None, str] | None = None
    breaker: str = ""
    caps: str = ""
    passed: Mode | None = None
    approve_high: bool = True
    approve_all: bool = False
    earlier: str = ""
    grant: Grant = Grant.NOT_ASKED
    in_flight: int = 0
    budget: int = 1


Limit = tuple[Mode, str] | None


def environment(f: Facts) -> Limit:
    """`DRY_RUN=true` in the environment keeps everything at MOCK."""
    if not f.environment:
        return None
    return MOCK, "DRY_RUN=true is set in the environment; unset it to go higher"


def lock(f: Facts) -> Limit:
    """The system lock keeps everything at MOCK."""
    if f.locked is None:
        return None
    return MOCK, f"the system is locked ({f.locked}); 'buddy unlock' opens it"


def unknown_tool(f: Facts) -> Limit:
    """A tool that is in no catalogue, or has no handler, is only mocked."""
    if f.contract is None and f.tool == TASK:
        return MOCK, "a task that names no tool is simulated, and goes no higher"
    if f.contract is None:
        return MOCK, f"no catalogue names the tool '{f.tool}'; add it with --tools"
    if not f.runnable:
        return MOCK, f"'{f.tool}' has a contract but no handler; give one with --tools FILE.py"
    return None


def permission(f: Facts) -> Limit:
    """An agent without the tool's permissions only mocks it."""
    if not f.missing:
        return None
    return MOCK, f"agent '{f.agent}' lacks {', '.join(f.missing)}; grant it in the configuration"


def requested_mode(f: Facts) -> Limit:
    """Nothing climbs above the run's mode."""
    if f.dry_run_only and f.mode is LIVE:
        return DRY_RUN, "the configuration says dry_run_only"
    if f.mode is LIVE:
        return None
    return f.mode, f"the run was asked to go no higher than {f.mode.value}"


def threshold(contract: ToolContract | None, mode: Mode, live_floor: float) -> float:
    """Confidence that a rung asks for; a tool without a contract counts as HIGH."""
    asked = THRESHOLDS[contract.risk if contract else Risk.HIGH][mode]
    return max(asked, live_floor) if mode is LIVE else asked


def confidence(f: Facts) -> Limit:
    """The higher the risk and the rung, the surer the planner has to be."""
    have = f.confidence or 0.0
    # asked as "reached", so that a confidence that is no number reaches nothing
    if have >= threshold(f.contract, LIVE, f.live_floor):
        return None
    reached, wanted = DRY_RUN, LIVE
    if not have >= threshold(f.contract, DRY_RUN, f.live_floor):
        reached, wanted = MOCK, DRY_RUN
    risk = f.contract.risk.value if f.contract else Risk.HIGH.value
    needed = threshold(f.contract, wanted, f.live_floor)
    said = "no confidence score, which counts as 0" if f.confidence is None else f"{have:.15g}"
    return reached, f"{wanted.value} of a {risk} risk tool needs confidence {needed:g}; the step has {said}"


def dependency(f: Facts) -> Limit:
    """Nothing real is fed with invented data: a step climbs no higher than its sources."""
    if f.source is None or f.source[0] is LIVE:
        return None
    reached = f.source[0] or MOCK
    return reached, f"step '{f.source[1]}', which it depends on, went no higher than {reached.value}"


def breaker(f: Facts) -> Limit:
    """An open breaker on the tool or the agent keeps it at DRY_RUN."""
    if not f.breaker:
        return None
    return DRY_RUN, f"{f.breaker}; 'buddy breaker close' closes it"


def caps(f: Facts) -> Limit:
    """A cap of the operator that is used up keeps further steps at MOCK."""
    return (MOCK, f.caps) if f.caps else None


def rehearsal(f: Facts) -> Limit:
    """A rung is open only when the one below it was passed with these arguments and this contract."""
    if f.passed is LIVE or f.passed is DRY_RUN:
        return None
    if f.passed is MOCK:
        return DRY_RUN, "DRY_RUN was not passed yet"
    return MOCK, "MOCK was not passed yet"


def approval_reasons(f: Facts) -> tuple[str, ...]:
    """Why a person has to say yes before this step is LIVE; empty where nobody has to."""
    contract = f.contract
    if contract is None:
        return ()
    reasons = []
    if contract.risk is Risk.HIGH and f.approve_high:
        reasons.append(f"'{f.tool}' is of HIGH risk")
    if contract.irreversible:
        reasons.append(f"'{f.tool}' cannot be undone")
    if contract.writes and not f.has_preview:
        reasons.append(f"'{f.tool}' has no preview")
    if f.approve_all:
        reasons.append("the configuration asks a person about everything live")
    if f.earlier:
        reasons.append(f.earlier)
    return tuple(reasons)


def approval(f: Facts) -> Limit:
    """What needs a person stays at DRY_RUN until one said yes; a read, whose DRY_RUN is the call, at MOCK."""
    if f.grant is Grant.APPROVED or f.contract is None:
        return None
    reasons = approval_reasons(f)
    if not reasons:
        return None
    held_at = DRY_RUN if f.contract.writes else MOCK
    return held_at, f"a person has to approve it: {'; '.join(reasons)}"


def live_budget(f: Facts) -> Limit:
    """At most so many live calls at once; the rest wait."""
    if f.in_flight < f.budget:
        return None
    return DRY_RUN, f"{f.in_flight} live calls are under way, which is the budget"


Rule = Callable[[Facts], Limit]

RULES: tuple[tuple[str, Rule], ...] = tuple(
    (rule.__name__, rule)
    for rule in (
        environment,
        lock,
        unknown_tool,
        permission,
        requested_mode,
        confidence,
        dependency,
        breaker,
        caps,
        rehearsal,
        approval,
        live_budget,
    )
)

TRANSIENT = frozenset({"rehearsal", "live_budget"})
"""Rules about this moment, not about the step: they say in which order, not how high."""

PLANNED = TRANSIENT | {"approval"}
"""Rules about what the ladder asks for on the way: what they ask for may still come."""

HOLDING = frozenset({"lock", "unknown_tool", "permission", "breaker", "caps", "approval"})
"""Rules whose ceiling can rise without changed input: a step that they stop below the run's mode is HELD."""

GATE_DENIED = HOLDING - {"approval"}
"""Rules whose holding is an anomaly."""


@lru_cache(maxsize=16)
def _asked(skip: frozenset[str]) -> tuple[tuple[str, Rule], ...]:
    return tuple((name, rule) for name, rule in RULES if name not in skip)


def ceiling(facts: Facts, skip: frozenset[str] = frozenset()) -> Ceiling | None:
    """Return the lowest ceiling and the first rule that gives it; None where the step may go LIVE.

    Args:
        facts: about the step.
        skip: names of rules that are not asked.
    """
    lowest: Ceiling | None = None
    for name, rule in _asked(skip):
        limit = rule(facts)
        if limit is not None and (lowest is None or limit[0] < lowest.mode):
            lowest = Ceiling(limit[0], name, limit[1])
            if limit[0] is MOCK:
                break
    return lowest


def decide(facts: Facts, wanted: Mode) -> Decision:
    """Say whether the step may run on a rung now.

    Args:
        facts: about the step.
        wanted: the rung.
    """
    limit = ceiling(facts)
    if limit is None or limit.mode >= wanted:
        rule = "" if limit is None else limit.rule
        return Run(wanted, rule, threshold(facts.contract, wanted, facts.live_floor))
    if limit.rule == "approval":
        return NeedsApproval(limit.rule, limit.reason)
    if limit.rule == "live_budget":
        return Wait(limit.rule, limit.reason)
    return Denied(limit)


def next_rung(passed: Mode | None) -> Mode | None:
    """Return the rung to try next, None when the step is at the top."""
    return next((mode for mode in Mode if below(mode) is passed), None)
