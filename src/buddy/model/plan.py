"""Plans: the form in files (`PlanDocument`) and the form that everything else works on (`Plan`)."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

ID_PATTERN = r"^[^\[\]#\x00-\x1f\x7f]+$"
Id = Annotated[str, Meta(min_length=1, max_length=256, extra_json_schema={"pattern": ID_PATTERN})]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Duration = Annotated[float, Meta(ge=0, le=1e9)]
Access = Literal["read", "write"]
OnFailure = Literal["stop", "continue"]
ScheduleKind = Literal["waves", "continuous"]
Wave = Annotated[int, Meta(ge=1, le=1_000_000)]

MAX_ITEMS = 1_000


class Claim(Struct, frozen=True, forbid_unknown_fields=True):
    """A resource that a step reads or writes.

    Attributes:
        resource: its name, `contact:a@b.c`.
        access: `read` or `write`; two reads go together, anything else does not.
    """

    resource: Annotated[str, Meta(min_length=1, max_length=1024)]
    access: Access = "write"


class Agent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who acts.

    Attributes:
        permissions: what it may do; None is "what its tools need", as far as the operator grants it.
        skills: words for the kinds of work that it is good at.
        capacity: calls at once.
    """

    permissions: tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...] | None = None
    skills: tuple[str, ...] = ()
    capacity: Annotated[int, Meta(ge=1, le=100_000)] = 1


class Reference(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a value comes from: a step's result, and a JSON Pointer into it."""

    source: Id = field(name="$from")
    path: str = ""


class Validation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a validator said about a step before it ran (phase 22)."""

    passed: bool
    score: Fraction | None = None
    issues: tuple[str, ...] = ()


class StepDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry under `steps` of a plan file.

    Attributes:
        tool: the tool's name; the step's id where it is left out.
        args: the call's arguments; a value may be a reference `{"$from": STEP, "path": POINTER}`.
        agent: who acts, where `agent_assignments` does not say it.
        confidence: where `confidence_scores` does not say it.
        depends_on: ids of steps that must be done first.
        claims: resources beyond those of the tool's contract.
        group: steps of one group are rolled back together; the plan where it is left out.
        repeat: the same action twice is meant.
        estimated_duration_s: seconds.
        for_each: a reference to a list; the step becomes one call an item.
        max_items: more items than this are an error.
        meta: anything; Buddy does not look into it.
    """

    tool: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    args: dict[str, Any] = field(default_factory=dict)
    agent: Id | None = None
    confidence: Fraction | None = None
    depends_on: tuple[Id, ...] = ()
    claims: tuple[Claim, ...] = ()
    group: Id | None = None
    repeat: bool = False
    estimated_duration_s: Duration | None = None
    for_each: Reference | None = None
    max_items: Annotated[int, Meta(ge=1, le=1_000_000)] = MAX_ITEMS
    meta: dict[str, Any] = field(default_factory=dict)


class PlanDocument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A plan as a file holds it.

    Attributes:
        plan_id: its name (`phase21_plan_id` is accepted for it).
        steps: what the steps do; an id without an entry is a tool of that name with no arguments.
        execution_order: ids in the order meant; the order of `steps` where it is left out.
        order: `strict` (a chain unless dependencies say otherwise) or `parallel`.
        agent_assignments: agent -> ids of its steps.
        confidence_scores: id -> how sure the planner is that the step is right.
        agents: what the plan says of its agents; it can only narrow what the operator says.
        on_failure: what a failed step does to the rest; the run's setting where it is left out.
        validation_results: what a validator said of the steps before they ran.
        meta: anything; Buddy does not look into it.
    """

    plan_id: Id | None = None
    phase21_plan_id: Id | None = None
    steps: dict[Id, StepDocument] = field(default_factory=dict)
    execution_order: tuple[Id, ...] | None = None
    order: Literal["strict", "parallel"] = "strict"
    agent_assignments: dict[Id, tuple[Id, ...]] = field(default_factory=dict)
    confidence_scores: dict[Id, Fraction] = field(default_factory=dict)
    agents: dict[Id, Agent] = field(default_factory=dict)
    on_failure: OnFailure | None = None
    validation_results: dict[Id, Validation] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)


class Prediction(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a step of a fleet keeps of its prediction.

    Attributes:
        rate: predicted chance that the first attempt succeeds.
        wave: in which it runs, from 1.
        scheduled: the agent was chosen by the schedule.
        complexity, priority: as predicted.
        heuristic_id, prediction_id: where the prediction comes from.
    """

    rate: float
    wave: int
    scheduled: bool = False
    complexity: float | None = None
    priority: float | None = None
    heuristic_id: str | None = None
    prediction_id: str | None = None


class Step(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One call that a plan means to make.

    Attributes:
        step_id: unique in its plan; `fill[3]` is the fourth item of a `for_each`.
        tool: name of the tool.
        agent: who acts.
        args: arguments, references included.
        confidence: in [0, 1]; None counts as 0.
        depends_on: ids of the steps that must be done first, sources of references included.
        claims: resources beyond those of the contract.
        group: rolled back together; None is the plan.
        repeat: the same action twice is meant.
        estimated_duration_s: seconds, None where nobody estimated.
        for_each: the list that the step fans out over.
        max_items: more items are an error.
        task: what was predicted of it, where it is a task of a fleet.
    """

    step_id: str
    tool: str
    agent: str
    args: dict[str, Any] = field(default_factory=dict)
    confidence: float | None = None
    depends_on: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    group: str | None = None
    repeat: bool = False
    estimated_duration_s: float | None = None
    for_each: Reference | None = None
    max_items: int = MAX_ITEMS
    task: Prediction | None = None


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Steps in the order meant, with every id resolved.

    Attributes:
        plan_id: unique in a run.
        steps: in execution order.
        chain: the steps follow one another although nothing says that one needs the other.
        agents: what the plan says of its agents.
        on_failure: None is the run's setting.
        validation_results: step -> what a validator said.
        fleet: how its tasks are scheduled, where it is the plan of a fleet.
    """

    plan_id: str
    steps: tuple[Step, ...] = ()
    chain: bool = True
    agents: dict[str, Agent] = field(default_factory=dict)
    on_failure: OnFailure | None = None
    validation_results: dict[str, Validation] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    fleet: ScheduleKind | None = None
