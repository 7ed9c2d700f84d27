"""Conflicts of a run, found before it starts. Deterministic, and O(n log n) in steps.

`Detector.plan` looks at one plan on its own and gives back its schedule; `Detector.finish` looks at what
the plans do to each other. What cannot be known before a step runs (arguments from earlier results) is
looked at again when the step is admitted, by `duplicates.ActionIndex` and the leases.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from buddy.core import permissions, references
from buddy.core.canonical import keyed_digest
from buddy.core.catalogue import claims_of, resources_of
from buddy.core.duplicates import ActionIndex
from buddy.core.findings import Findings, Place
from buddy.core.gate import Facts, ceiling
from buddy.core.ordering import Schedule, needs_of
from buddy.model.config import ExecutionConfig
from buddy.model.conflict import ConflictType, StepRef, Strategy
from buddy.model.contract import ToolContract
from buddy.model.decision import Ceiling
from buddy.model.mode import Mode
from buddy.model.plan import Agent, Plan, Step

DYNAMIC = frozenset({"lock", "breaker", "caps", "rehearsal", "approval", "live_budget", "dependency"})
"""Rules that say nothing about how high a step could ever climb."""


class Access(NamedTuple):
    """One step's use of one resource."""

    place: Place
    plan: str
    step: Step
    writes: bool


class Known(NamedTuple):
    """What is known of the tools: contracts, and which of them can be called for real."""

    contract: Callable[[str], ToolContract | None]
    runnable: Callable[[str], bool]


Ledger = Callable[[str, tuple[str, ...]], str]
"""Digest and resources of an action -> one sentence on an identical earlier one, empty where none is."""


class Detector:
    """Finds the conflicts of the plans of a run, one plan at a time.

    Args:
        config: the run's settings.
        known: the tools.
        key: of the home, for digests.
        operator: the operator's agents.
        ledger: looks up actions of earlier runs.
        environment: `DRY_RUN=true` is set.
        cross: plans can be in each other's way.
    """

    def __init__(
        self,
        config: ExecutionConfig,
        known: Known,
        key: bytes,
        ledger: Ledger,
        *,
        environment: bool = False,
        cross: bool = True,
    ) -> None:
        self.findings = Findings()
        self._config = config
        self._known = known
        self._key = key
        self._ledger = ledger
        self._environment = environment
        self._cross = cross and not config.isolate
        self._accesses: dict[str, list[Access]] = {}
        self._schedules: dict[int, Schedule] = {}
        self._actions: ActionIndex[StepRef] = ActionIndex()
        self._calls: dict[str, _Usage] = {}

    def plan(self, ordinal: int, plan: Plan) -> Schedule:
        """Look at one plan and return its schedule, reassigned steps included."""
        agents = permissions.effective_agents(plan, self._config.agents)
        plan, refused = self._permissions(replace(plan, agents=agents))
        schedule = Schedule(plan, needs_of(self._known.contract))
        for step_id, reason in refused.items():
            self.findings.aborted[ordinal, schedule.index[step_id]] = Ceiling(Mode.MOCK, "conflict", reason)
        self._ordering(ordinal, schedule)
        ceilings = self._static_ceilings(schedule)
        self._timeouts(ordinal, schedule)
        if self._config.isolate:
            self._actions = ActionIndex()
        self._duplicates(ordinal, schedule, ceilings)
        self._usage(ordinal, schedule)
        self._collect(ordinal, schedule)
        if not self._cross:
            self._resources()
        return schedule

    def finish(self) -> Findings:
        """Look at what the plans do to each other and return everything found."""
        self._resources()
        self._rates()
        return self.findings

    def _strategy(self, kind: ConflictType) -> Strategy:
        return self._config.conflicts[kind]

    def _permissions(self, plan: Plan) -> tuple[Plan, dict[str, str]]:
        load: dict[str, float] | None = None
        steps: dict[int, Step] = {}
        refused: dict[str, str] = {}
        for place, step in enumerate(plan.steps):
            contract = self._known.contract(step.tool)
            lacking = permissions.missing(plan.agents.get(step.agent), contract)
            if not lacking or contract is None:
                continue
            load = permissions.loads(plan.steps) if load is None else load
            strategy, able = self._strategy(ConflictType.PERMISSION), None
            if strategy is Strategy.REASSIGN:
                able = permissions.least_loaded(plan.agents, load, contract)
            what = f"agent '{step.agent}' lacks {', '.join(lacking)} for '{step.tool}'"
            ref = [StepRef(plan.plan_id, step.step_id)]
            if able is not None:
                seconds = step.estimated_duration_s or 1.0
                load[step.agent] -= seconds
                load[able] = load.get(able, 0.0) + seconds
                steps[place] = replace(step, agent=able)
                self.findings.add(
                    ConflictType.PERMISSION, ref, {step.agent, able}, ", ".join(lacking), strategy,
                    f"{what}; '{able}' has it and does the step",
                )  # fmt: skip
                continue
            abort = strategy is Strategy.ABORT
            self.findings.add(
                ConflictType.PERMISSION, ref, {step.agent}, ", ".join(lacking),
                Strategy.ABORT if abort else Strategy.DOWNGRADE,
                f"{what}; {'the step is aborted' if abort else 'nobody else has it, so the step is held at MOCK'}",
                resolved=abort,
            )  # fmt: skip
            if abort:
                refused[step.step_id] = what
        if steps:
            plan = replace(plan, steps=tuple(steps.get(place, step) for place, step in enumerate(plan.steps)))
        return plan, refused

    def _ordering(self, ordinal: int, schedule: Schedule) -> None:
        for later, earlier in schedule.moved:
            one, other = schedule.steps[later], schedule.steps[earlier]
            strategy = self._strategy(ConflictType.ORDERING)
            conflict = self.findings.add(
                ConflictType.ORDERING,
                [StepRef(schedule.plan.plan_id, one.step_id), StepRef(schedule.plan.plan_id, other.step_id)],
                {one.agent, other.agent},
                f"step:{other.step_id}",
                strategy,
                f"'{one.step_id}' stands before '{other.step_id}', which it depends on",
            )
            self._restrict((ordinal, later), strategy, conflict.conflict_id, conflict.reason)

    def _restrict(self, place: Place, strategy: Strategy, conflict_id: str, reason: str) -> None:
        limit = Ceiling(Mode.DRY_RUN, "conflict", f"{conflict_id}: {reason}")
        if strategy is Strategy.DOWNGRADE:
            self.findings.ceilings.setdefault(place, limit)
        elif strategy is Strategy.ABORT:
            self.findings.aborted.setdefault(place, limit)

    def _static_ceilings(self, schedule: Schedule) -> list[Mode]:
        """How high each step could ever climb, whatever approvals and locks say."""
        if self._config.mode is not Mode.LIVE:
            return []
        reached: list[Mode] = []
        for place, step in enumerate(schedule.steps):
            limit = ceiling(self.facts(step, schedule.plan.agents), skip=DYNAMIC)
            mode = Mode.LIVE if limit is None else limit.mode
            for source in schedule.needs[place]:
                mode = min(mode, reached[source])
            reached.append(mode)
        return reached

    def facts(self, step: Step, agents: Mapping[str, Agent]) -> Facts:
        """Return what the gate can be told about a step before anything ran."""
        contract = self._known.contract(step.tool)
        return Facts(
            tool=step.tool,
            agent=step.agent,
            contract=contract,
            runnable=self._known.runnable(step.tool),
            mode=self._config.mode,
            dry_run_only=self._config.dry_run_only,
            environment=self._environment,
            missing=permissions.missing(agents.get(step.agent), contract),
            confidence=step.confidence,
            live_floor=self._config.confidence_threshold_for_live,
            approve_high=self._config.approval_required_for_high_risk,
            approve_all=self._config.approval_required == "all",
            budget=self._config.max_live_escalations,
        )

    def _timeouts(self, ordinal: int, schedule: Schedule) -> None:
        deadline = self._config.deadline_s
        finish: list[float] = []
        for place, step in enumerate(schedule.steps):
            estimate = step.estimated_duration_s
            if estimate is None and deadline is None:
                continue
            reason = ""
            contract = self._known.contract(step.tool)
            if contract is not None and (estimate or 0.0) > contract.timeout_s:
                reason = f"the estimate of {estimate:g} s exceeds the timeout of '{step.tool}', {contract.timeout_s:g} s"
            if deadline is not None:
                start = max((finish[before] for before in schedule.after[place]), default=0.0)
                finish.append(start + (estimate or 0.0))
                if finish[-1] > deadline:
                    reason = reason or f"it would end {finish[-1]:g} s into the run, after the deadline of {deadline:g} s"
            if reason:
                strategy = self._strategy(ConflictType.TIMEOUT)
                ref = StepRef(schedule.plan.plan_id, step.step_id)
                found = self.findings.add(
                    ConflictType.TIMEOUT, [ref], {step.agent}, f"tool:{step.tool}", strategy, reason
                )
                self._restrict((ordinal, place), strategy, found.conflict_id, reason)

    def _duplicates(self, ordinal: int, schedule: Schedule, ceilings: list[Mode]) -> None:
        for place, mode in enumerate(ceilings):
            step = schedule.steps[place]
            contract = self._known.contract(step.tool)
            if mode is not Mode.LIVE or contract is None or not contract.writes or step.for_each is not None:
                continue
            if (ordinal, place) in self.findings.ceilings or (ordinal, place) in self.findings.aborted:
                continue
            if references.has_references(step.args):
                continue
            digest = keyed_digest(self._key, step.tool, step.args)
            resources = resources_of(contract, step.args)
            ref = StepRef(schedule.plan.plan_id, step.step_id)
            if contract.idempotent or step.repeat:
                self._actions.add(digest, resources, ref)
                continue
            earlier = self._actions.find(digest, resources)
            told = f"the same action as {earlier}" if earlier else self._ledger(digest, resources)
            if told:
                self._duplicate((ordinal, place), step, contract, ref, earlier, told)
            if not told or self._strategy(ConflictType.DUPLICATE_ACTION) is Strategy.ALLOW:
                self._actions.add(digest, resources, ref)

    def _duplicate(
        self, place: Place, step: Step, contract: ToolContract, ref: StepRef, earlier: StepRef | None, told: str
    ) -> None:
        strategy = duplicate_strategy(self._config, contract)
        steps = [earlier, ref] if earlier else [ref]
        reason = f"'{step.tool}' with these arguments is {told}, with no other write in between"
        found = self.findings.add(
            ConflictType.DUPLICATE_ACTION, steps, {step.agent}, f"tool:{step.tool}", strategy, reason
        )
        self._restrict(place, strategy, found.conflict_id, reason)

    def _usage(self, ordinal: int, schedule: Schedule) -> None:
        for step in schedule.steps:
            contract = self._known.contract(step.tool)
            if contract is None or (contract.rate is None and contract.max_concurrency is None):
                continue
            usage = self._calls.setdefault(step.tool, _Usage())
            agent = schedule.plan.agents.get(step.agent)
            lane = (ordinal, "" if schedule.plan.chain else step.agent)
            usage.lanes[lane] = 1 if schedule.plan.chain or agent is None else agent.capacity
            usage.agents.add(step.agent)
            usage.count += 1
            if len(usage.steps) < 64:
                usage.steps.append(StepRef(schedule.plan.plan_id, step.step_id))

    def _rates(self) -> None:
        for tool, usage in sorted(self._calls.items()):
            contract = self._known.contract(tool)
            if contract is None:
                continue
            at_once = min(usage.count, sum(usage.lanes.values()))
            reasons = []
            if contract.rate is not None and usage.count > contract.rate.calls:
                rate = contract.rate
                reasons.append(f"{usage.count} calls, {rate.calls} allowed in any {rate.seconds:g} s")
            if contract.max_concurrency is not None and at_once > contract.max_concurrency:
                reasons.append(f"up to {at_once} calls at once, {contract.max_concurrency} allowed")
            if reasons:
                self.findings.add(
                    ConflictType.RATE_LIMIT, usage.steps, usage.agents, f"tool:{tool}",
                    self._strategy(ConflictType.RATE_LIMIT), "; ".join(reasons),
                )  # fmt: skip

    def _collect(self, ordinal: int, schedule: Schedule) -> None:
        if schedule.plan.chain and not self._cross:
            return
        self._schedules[ordinal] = schedule
        plan_id = schedule.plan.plan_id
        for place, step in enumerate(schedule.steps):
            contract = self._known.contract(step.tool)
            for resource, writes in planned_claims(contract, step):
                self._accesses.setdefault(resource, []).append(Access((ordinal, place), plan_id, step, writes))

    def _resources(self) -> None:
        for resource, accesses in self._accesses.items():
            if len(accesses) > 1:
                self._resource(resource, accesses)
        self._accesses.clear()
        self._schedules.clear()

    def _resource(self, resource: str, accesses: list[Access]) -> None:
        """Order the accesses to one resource: a read after the last write, a write after all since it."""
        edges: list[tuple[Access, Access]] = []
        write: Access | None = None
        reads: list[Access] = []
        for access in accesses:
            rivals = [*reads, *([write] if write and not reads else [])] if access.writes else [write] if write else []
            edges += [(rival, access) for rival in rivals if self._rival(rival, access)]
            if access.writes:
                write, reads = access, []
            else:
                reads.append(access)
        if not edges:
            return
        strategy = self._strategy(ConflictType.RESOURCE)
        writers = sum(access.writes for access in accesses)
        found = self.findings.add(
            ConflictType.RESOURCE,
            [StepRef(access.plan, access.step.step_id) for access in accesses],
            {access.step.agent for access in accesses},
            resource,
            strategy,
            f"{len(accesses)} steps use it, {writers} of them write, and nothing orders them",
        )
        for earlier, later in edges:
            if strategy in (Strategy.DELAY, Strategy.REASSIGN):
                self.findings.edges.setdefault(later.place, []).append(earlier.place)
            else:
                self._restrict(later.place, strategy, found.conflict_id, found.reason)

    def _rival(self, earlier: Access, later: Access) -> bool:
        """Whether two incompatible accesses belong to different agents (or plans) and nothing orders them."""
        if earlier.place[0] != later.place[0]:
            return True
        return not self._schedules[later.place[0]].ordered(earlier.place[1], later.place[1])


class _Usage:
    __slots__ = ("agents", "count", "lanes", "steps")

    def __init__(self) -> None:
        self.count = 0
        self.lanes: dict[tuple[int, str], int] = {}
        self.agents: set[str] = set()
        self.steps: list[StepRef] = []


def duplicate_strategy(config: ExecutionConfig, contract: ToolContract) -> Strategy:
    """What is done about a duplicate: an irreversible one is aborted unless duplicates are allowed."""
    strategy = config.conflicts[ConflictType.DUPLICATE_ACTION]
    return Strategy.ABORT if strategy is Strategy.DOWNGRADE and contract.irreversible else strategy


def planned_claims(contract: ToolContract | None, step: Step) -> tuple[tuple[str, bool], ...]:
    """What a step claims as far as it can be told from the plan; what comes from results is left out."""
    declared = tuple((claim.resource, claim.access == "write") for claim in step.claims)
    if contract is None:
        return declared
    if step.for_each is None and not references.has_references(step.args):
        return claims_of(contract, step.args, step.claims)
    known = {name: value for name, value in step.args.items() if not references.has_references({name: value})}
    found = tuple((resource, contract.writes) for resource in resources_of(contract, known))
    return tuple(dict.fromkeys((*found, *declared)))
