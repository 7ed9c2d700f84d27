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
from buddy.core.contention import Contention
from buddy.core.duplicates import ActionIndex
from buddy.core.findings import Findings, Place
from buddy.core.gate import Facts, ceiling
from buddy.core.ordering import Schedule, needs_of
from buddy.core.usage import Usage
from buddy.model.config import ExecutionConfig
from buddy.model.conflict import ConflictType, StepRef, Strategy
from buddy.model.contract import ToolContract
from buddy.model.decision import Ceiling
from buddy.model.mode import Mode
from buddy.model.plan import Agent, Plan, Step

DYNAMIC = frozenset({"lock", "breaker", "caps", "rehearsal", "approval", "live_budget", "dependency"})
"""Rules that say nothing about how high a step could ever climb."""


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
        self._contention = Contention()
        self._actions: ActionIndex[_Taken] = ActionIndex()
        self._usage: dict[str, Usage] = {}

    def plan(self, ordinal: int, plan: Plan) -> Schedule:
        """Look at one plan and return its schedule, reassigned steps included."""
        agents = permissions.effective_agents(plan, self._config.agents)
        plan, refused = self._permissions(replace(plan, agents=agents))
        schedule = Schedule(plan, needs_of(self._known.contract))
        for step_id, reason in refused.items():
            self.findings.aborted[ordinal, schedule.index[step_id]] = Ceiling(Mode.MOCK, "conflict", reason)
        self._ordering(ordinal, schedule)
        self._timeouts(ordinal, schedule)
        if plan.fleet is not None and self._config.mode is not Mode.MOCK:
            self._unsure(ordinal, schedule)
        if self._config.mode is Mode.LIVE:
            self._duplicates(ordinal, schedule)
        self._collect(ordinal, schedule)
        if not self._cross:
            self._contention.settle(self.findings, self._strategy(ConflictType.RESOURCE))
        if self._config.isolate:
            self._actions = ActionIndex()
            self._rates()
        return schedule

    def finish(self) -> Findings:
        """Look at what the plans do to each other and return everything found."""
        self._contention.settle(self.findings, self._strategy(ConflictType.RESOURCE))
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
                seconds = permissions.seconds(step)
                load[step.agent] -= seconds
                load[able] = load.get(able, 0.0) + seconds
                steps[place] = replace(step, agent=able)
                self.findings.add(
                    ConflictType.PERMISSION,
                    ref,
                    {step.agent, able},
                    ", ".join(lacking),
                    strategy,
                    f"{what}; '{able}' has it and does the step",
                )
                continue
            abort = strategy is Strategy.ABORT
            nobody = "nobody else has it, so " if strategy is Strategy.REASSIGN else ""
            self.findings.add(
                ConflictType.PERMISSION,
                ref,
                {step.agent},
                ", ".join(lacking),
                Strategy.ABORT if abort else Strategy.DOWNGRADE,
                f"{what}; {'the step is aborted' if abort else f'{nobody}the step is held at MOCK'}",
                resolved=abort,
            )
            if abort:
                refused[step.step_id] = what
        if steps:
            plan = replace(plan, steps=tuple(steps.get(place, step) for place, step in enumerate(plan.steps)))
        return plan, refused

    def _ordering(self, ordinal: int, schedule: Schedule) -> None:
        steps, plan_id = schedule.steps, schedule.plan.plan_id
        found = [
            (pair, self._strategy(ConflictType.ORDERING), "'{}' stands before '{}', which it depends on")
            for pair in schedule.moved
        ] + [
            (pair, Strategy.ABORT, "'{}' has a tool that needs '{}' before it, which the plan puts after it")
            for pair in schedule.impossible
        ]
        for (place, source), strategy, reason in found:
            one, other = steps[place], steps[source]
            conflict = self.findings.add(
                ConflictType.ORDERING,
                [StepRef(plan_id, one.step_id), StepRef(plan_id, other.step_id)],
                {one.agent, other.agent},
                f"step:{other.step_id}",
                strategy,
                reason.format(one.step_id, other.step_id),
            )
            self.findings.restrict((ordinal, place), conflict)

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

    def _unsure(self, ordinal: int, schedule: Schedule) -> None:
        """Keep the tasks of a fleet of which nobody is sure enough at MOCK."""
        least = self._config.confidence_threshold
        for place, step in enumerate(schedule.steps):
            if not (step.confidence or 0.0) >= least:
                said = f"a task of confidence {step.confidence or 0.0:g} is not assigned above MOCK"
                limit = Ceiling(Mode.MOCK, "confidence", f"{said} (confidence_threshold {least:g})")
                self.findings.ceilings[ordinal, place] = limit

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
                limit = f"the timeout of '{step.tool}', {contract.timeout_s:g} s"
                reason = f"the estimate of {estimate:g} s exceeds {limit}"
            if deadline is not None:
                start = max((finish[before] for before in schedule.after[place]), default=0.0)
                finish.append(start + (estimate or 0.0))
                if finish[-1] > deadline:
                    reason = (
                        reason
                        or f"it would end {finish[-1]:g} s into the run, after the deadline of {deadline:g} s"
                    )
            if reason:
                found = self.findings.add(
                    ConflictType.TIMEOUT,
                    [StepRef(schedule.plan.plan_id, step.step_id)],
                    {step.agent},
                    f"tool:{step.tool}",
                    self._strategy(ConflictType.TIMEOUT),
                    reason,
                )
                self.findings.restrict((ordinal, place), found)

    def _duplicates(self, ordinal: int, schedule: Schedule) -> None:
        """Find writes that would be LIVE twice; a step that gets no further than its sources is none."""
        limits: dict[tuple[str, str, float | None], bool] = {}
        live = bytearray(len(schedule))
        for place, step in enumerate(schedule.steps):
            key = (step.tool, step.agent, step.confidence)
            may = limits.get(key)
            if may is None:
                may = limits[key] = ceiling(self.facts(step, schedule.plan.agents), skip=DYNAMIC) is None
            if not may or self.findings.is_restricted((ordinal, place)):
                continue
            if not all(live[source] for source in schedule.needs[place]):
                continue
            contract = self._known.contract(step.tool)
            assert contract is not None
            if contract.writes:
                self._write((ordinal, place), schedule.plan.plan_id, step, contract)
            live[place] = not self.findings.is_restricted((ordinal, place))

    def _write(self, place: Place, plan_id: str, step: Step, contract: ToolContract) -> None:
        """Compare a write that will be LIVE with those before it.

        What a write with references does is not known, so it is compared when it is admitted; that it
        comes between others is known as far as it names its resources.
        """
        ref = StepRef(plan_id, step.step_id)
        if step.for_each is not None or references.has_references(step.args):
            written = tuple(resource for resource, writes in planned_claims(contract, step) if writes)
            self._actions.add(f"{place}", written, _Taken(ref, step.agent))
            return
        digest = keyed_digest(self._key, step.tool, step.args)
        resources = resources_of(contract, step.args)
        if not contract.idempotent and not step.repeat:
            earlier = self._actions.find(digest, resources)
            told = f"the same action as {earlier.ref}" if earlier else self._ledger(digest, resources)
            if told and self._duplicate(place, step, contract, ref, earlier, told) is not Strategy.ALLOW:
                return
        self._actions.add(digest, resources, _Taken(ref, step.agent))

    def _duplicate(
        self,
        place: Place,
        step: Step,
        contract: ToolContract,
        ref: StepRef,
        earlier: "_Taken | None",
        told: str,
    ) -> Strategy:
        found = self.findings.add(
            ConflictType.DUPLICATE_ACTION,
            [earlier.ref, ref] if earlier else [ref],
            {earlier.agent, step.agent} if earlier else {step.agent},
            f"tool:{step.tool}",
            duplicate_strategy(self._config, contract),
            f"'{step.tool}' with these arguments is {told}, with no other write in between",
        )
        self.findings.restrict(place, found)
        return found.resolution

    def _collect(self, ordinal: int, schedule: Schedule) -> None:
        """Note what every step uses; the steps of a chain are not in one another's way."""
        alone = schedule.plan.chain and not self._cross
        for place, step in enumerate(schedule.steps):
            if (ordinal, place) in self.findings.aborted:
                continue
            contract = self._known.contract(step.tool)
            if contract is not None and (contract.rate is not None or contract.max_concurrency is not None):
                usage = self._usage.get(step.tool)
                if usage is None:
                    usage = self._usage[step.tool] = Usage(contract)
                usage.add((ordinal, place), schedule)
            if not alone and (claims := planned_claims(contract, step)):
                self._contention.add((ordinal, place), schedule, claims)

    def _rates(self) -> None:
        for _, usage in sorted(self._usage.items()):
            usage.settle(
                self.findings, self._strategy(ConflictType.RATE_LIMIT), self._config.max_parallel_plans
            )
        self._usage.clear()


class _Taken(NamedTuple):
    ref: StepRef
    agent: str


def duplicate_strategy(config: ExecutionConfig, contract: ToolContract) -> Strategy:
    """What is done about a duplicate.

    Only ALLOW lets it act; waiting or another agent would not make it another action. An irreversible one
    is aborted.
    """
    strategy = config.conflicts[ConflictType.DUPLICATE_ACTION]
    if strategy in (Strategy.ALLOW, Strategy.ABORT):
        return strategy
    return Strategy.ABORT if contract.irreversible else Strategy.DOWNGRADE


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
