"""A plan under way: where each of its steps stands, in arrays, because a plan may have a million."""

from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain
from typing import Any

from msgspec import Struct

from buddy.core.duplicates import ActionIndex
from buddy.core.findings import Findings
from buddy.core.gate import Facts
from buddy.core.ordering import Schedule
from buddy.core.rollback import Done
from buddy.core.status import change
from buddy.errors import BadInput
from buddy.model.conflict import StepRef
from buddy.model.decision import Ceiling
from buddy.model.mode import DRY_RUN, LIVE, Mode
from buddy.model.outcome import HELD, PENDING, SUCCEEDED, UNKNOWN, StepStatus
from buddy.model.plan import Agent, OnFailure
from buddy.ports import Toolbox

STATUSES = tuple(StepStatus)
_STATUS_CODE = {status: code for code, status in enumerate(STATUSES)}
_MODES: tuple[Mode | None, ...] = (None, *Mode)
_MODE_CODE: dict[Mode | None, int] = {mode: code for code, mode in enumerate(_MODES)}
_SUCCEEDED = _STATUS_CODE[SUCCEEDED]


class Rehearsed(Struct, frozen=True, gc=False):
    """What the rehearsal of a step found: digest of its arguments under which contract."""

    digest: str
    contract: str


class Doubt(Struct, frozen=True, kw_only=True):
    """A live call, or an undo, of which only the beginning is known.

    Attributes:
        place: of its step.
        done: the call.
        reached: the highest rung that was passed before it.
        told: the journal says already that nobody knows.
        repeatable: the call may simply be made again.
    """

    place: int
    done: Done
    reached: Mode | None
    told: bool
    repeatable: bool


class GateMemory:
    """What the gate was told about the steps of a plan, and what it said.

    Attributes:
        alike: agent and tool -> what holds for every step of theirs, as long as the plan runs.
        answers: a question and the facts that it goes by -> the answer.
    """

    def __init__(self) -> None:
        self.alike: dict[tuple[str, str], Facts] = {}
        self.answers: dict[tuple[object, ...], Any] = {}


class PlanState:
    """Where the steps of one plan stand, by place in its schedule.

    Args:
        ordinal: number of the plan in the run, from 0.
        schedule: its steps in order.
        tools: of its world.
        findings: conflicts of the run.

    Attributes:
        steps: by place; in a fleet a step may come to be another agent's.
    """

    def __init__(self, ordinal: int, schedule: Schedule, tools: Toolbox, findings: Findings) -> None:
        size = len(schedule)
        self.ordinal = ordinal
        self.plan_id = schedule.plan.plan_id
        self.schedule, self.steps = schedule, schedule.steps
        self.tools = tools
        self.on_failure = schedule.plan.on_failure
        self.results: dict[int, Any] = {}
        self.done: list[Done] = []
        self.rehearsed: dict[str, Rehearsed] = {}
        self.gate = GateMemory()
        self.actions: ActionIndex[StepRef] = ActionIndex()
        self.approvals: dict[str, str] = {}
        self.decided: set[str] = set()
        self.edited: dict[str, dict[str, Any]] = {}
        self.attempts: dict[str, tuple[int, int, int]] = {}
        self.item_status: dict[str, tuple[StepStatus, Mode | None, Any]] = {}
        self.failed_groups: set[str | None] = set()
        self.undo_tried: set[str] = set()
        self.stopped: tuple[StepStatus, str, str] | None = None
        self.doubts: list[Doubt] = []
        self.undo_doubts: list[Done] = []
        self.undo_lost: set[str] = set()
        self.repeats: dict[str, str] = {}
        self.unsettled = size
        self.running = 0
        self._findings = findings
        self._status, self._reached, self._real = bytearray(size), bytearray(size), bytearray(size)
        self.awaited = bytearray(size)
        self._sources = {source for needs in schedule.needs for source in needs}

    def __len__(self) -> int:
        return len(self._status)

    def agent(self, name: str) -> Agent:
        """Return what an agent of this plan may do."""
        return self.schedule.plan.agents[name]

    def status(self, place: int) -> StepStatus:
        """Return where a step stands."""
        return STATUSES[self._status[place]]

    def reached(self, place: int) -> Mode | None:
        """Return the highest rung that a step passed."""
        return _MODES[self._reached[place]]

    def to_undo(self) -> list[str | None]:
        """Return the groups in which a step failed, and a live write stands that nobody tried to undo yet."""
        if not self.failed_groups:
            return []
        groups = {done.group for done in self.done if done.step_id not in self.undo_tried}
        return sorted(groups & self.failed_groups, key=str)

    def put(self, place: int, status: StepStatus, reached: Mode | None) -> None:
        """Move a step to a status that may follow its own, and note the highest rung that it passed.

        Raises:
            IllegalMove: the table of `core.status` has no such change.
        """
        self.restore(place, change(STATUSES[self._status[place]], status), reached)

    def standing(self, name: str, status: StepStatus) -> StepStatus:
        """Return how a call stands that came to rest: UNKNOWN while an attempt before may have happened.

        Args:
            name: of the step, or of an item of its fan-out.
            status: that its last attempt alone would give it.
        """
        return UNKNOWN if name in self.repeats else status

    def lost_calls(self, name: str) -> list[str]:
        """Return the calls of a step, or of its items, that are in doubt and were to be made again."""
        return [lost for lost in self.repeats if lost == name or lost.startswith(f"{name}[")]

    def is_lost(self, name: str) -> bool:
        """Whether a call of a step, or of an item of it, is in doubt and was to be made again."""
        return bool(self.repeats) and bool(self.lost_calls(name))

    def groups_in_doubt(self) -> set[str | None]:
        """Return the groups with a call of which nobody knows how it ended; None is the plan."""
        places = {*self.places(UNKNOWN), *(self.place_of(name) for name in self.repeats)}
        return {self.steps[place].group for place in places}

    def place_of(self, name: str) -> int:
        """Return the place of a step, or of that whose fan-out an item is of.

        Raises:
            BadInput: the plan has no such step.
        """
        for known in (name, name.rsplit("[", 1)[0]):
            if known in self.schedule.index:
                return self.schedule.index[known]
        told = f"expected the steps that its journal tells of, found no '{name}'"
        raise BadInput(f"plan '{self.plan_id}': {told}")

    def stops(self, otherwise: OnFailure) -> bool:
        """Whether a step that failed stops what comes after it; a plan that does not say does as the run."""
        return (self.on_failure or otherwise) == "stop"

    def stop_at_unknown(self, place: int) -> None:
        """Hold what is left of a chain behind a step of which nobody knows how it ended."""
        name = self.steps[place].step_id
        self.stopped = self.stopped or (
            HELD,
            "dependency",
            f"nobody knows how step '{name}' ended",
        )

    def restore(self, place: int, status: StepStatus, reached: Mode | None) -> None:
        """Set where a step stands, as a journal tells it."""
        if self._status[place] == 0 and status is not PENDING:
            self.unsettled -= 1
        elif self._status[place] != 0 and status is PENDING:
            self.unsettled += 1
        self._status[place] = _STATUS_CODE[status]
        self._reached[place] = _MODE_CODE[reached]
        self._real[place] = self._is_real(place, reached)

    def note_awaited(self, elsewhere: Iterable[int]) -> None:
        """Note for which steps somebody waits: a step that needs them, or one of another agent.

        Args:
            elsewhere: places that steps of other plans wait for.
        """
        schedule, steps = self.schedule, self.schedule.steps
        if schedule.plan.fleet is not None:
            self.awaited = bytearray(b"\1") * len(self)
            return
        for place in chain(self._sources, elsewhere, chain.from_iterable(schedule.asked)):
            self.awaited[place] = 1
        for later, befores in enumerate(schedule.after):
            for before in befores:
                if steps[before].agent != steps[later].agent:
                    self.awaited[before] = 1

    def keep(self, place: int, result: Any) -> None:
        """Keep a result that a later step takes."""
        if place in self._sources:
            self.results[place] = result

    def source(self, place: int) -> tuple[Mode | None, str] | None:
        """Return the step that this one depends on which got least far, None where what all gave is real."""
        lowest: tuple[Mode | None, str] | None = None
        for source in self.schedule.needs[place]:
            reached = self.reached(source)
            if self._real[source]:
                continue
            if lowest is None or _MODE_CODE[reached] < _MODE_CODE[lowest[0]]:
                lowest = (reached, self.steps[source].step_id)
        return lowest

    def _is_real(self, place: int, reached: Mode | None) -> bool:
        """Whether what a step gave is real: it was LIVE, or a read in DRY_RUN of what is real itself."""
        if reached is not DRY_RUN:
            return reached is LIVE
        tool = self.tools.get(self.steps[place].tool)
        reads = tool is not None and not tool.contract.writes
        return reads and all(self._real[source] for source in self.schedule.needs[place])

    def sources(self, place: int) -> list[str]:
        """Return ids of the steps that this one depends on."""
        needs = self.schedule.needs[place]
        return [self.steps[source].step_id for source in needs] if needs else []

    def held_source(self, place: int) -> bool:
        """Whether a step that this one depends on can still get further."""
        open_ones = (HELD, UNKNOWN, PENDING)
        return any(self.status(source) in open_ones for source in self.schedule.needs[place])

    def limit(self, place: int) -> Ceiling | None:
        """Return the ceiling that a conflict gives a step."""
        return self._findings.ceilings.get((self.ordinal, place))

    def refused(self, place: int) -> Ceiling | None:
        """Return why a conflict keeps a step from running at all."""
        return self._findings.aborted.get((self.ordinal, place))

    def statuses(self) -> dict[StepStatus, int]:
        """Return how many steps stand how."""
        return {status: count for code, status in enumerate(STATUSES) if (count := self._status.count(code))}

    def places(self, status: StepStatus) -> Iterator[int]:
        """Yield the places of the steps that stand so."""
        code = _STATUS_CODE[status]
        return (place for place, found in enumerate(self._status) if found == code)


class Edges:
    """Who waits for whom in a plan, in two flat arrays: `place` -> the places that come after it."""

    def __init__(self, schedule: Schedule) -> None:
        size = len(schedule)
        self.waiting = array("l", bytes(8 * size))
        counts = array("l", bytes(8 * (size + 1)))
        for before, place in self._pairs(schedule):
            counts[before + 1] += 1
            self.waiting[place] += 1
        self._starts = array("l", accumulate(counts))
        self._targets = array("l", bytes(8 * self._starts[size]))
        fill = array("l", self._starts)
        for before, place in self._pairs(schedule):
            self._targets[fill[before]] = place
            fill[before] += 1

    @staticmethod
    def _pairs(schedule: Schedule) -> Iterator[tuple[int, int]]:
        for place, befores in enumerate(schedule.after):
            for before in befores:
                yield before, place

    def after(self, place: int) -> "array[int]":
        """Return the places that wait for this one."""
        return self._targets[self._starts[place] : self._starts[place + 1]]
