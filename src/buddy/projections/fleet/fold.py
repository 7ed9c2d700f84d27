"""A fleet as its journal tells it: its tasks, who had them in which wave, and what was measured wave by wave.

The engine reads the standings and the measured rates from this fold when it assigns the next wave, and the
outputs read everything else, so that both see the same.
"""

from collections.abc import Iterable

from msgspec import Struct, field

from buddy.core.standing import FIT, AgentStatus, Standing, after_wave
from buddy.journal.events import (
    FleetPlan,
    Outcome,
    PlanStarted,
    Record,
    Rung,
    Settled,
    TaskAssigned,
    WaveFinished,
    WaveStarted,
)
from buddy.journal.times import seconds
from buddy.model.outcome import StepStatus
from buddy.projections.metrics import drift, imbalance, load_balance, ratio, success_rate
from buddy.projections.steps import BLANK, State, Steps


class Task(Struct):
    """One task of a fleet.

    Attributes:
        task_id: its id.
        assigned: the last assignment, None before there was one.
        assigned_at: when, UTC ISO 8601.
        started_at, ended_at: of its attempts, empty before there was one.
        attempts: at rungs that were more than a rehearsal.
        state: where it stands.
        error: what its last attempt said of its failure.
        reason: why it came to rest, where an event said so.
    """

    task_id: str
    assigned: TaskAssigned | None = None
    assigned_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    attempts: int = 0
    state: State = BLANK
    error: str = ""
    reason: str = ""

    @property
    def agent(self) -> str:
        """Whose it is."""
        return self.assigned.agent if self.assigned is not None else self.state.agent

    @property
    def rate(self) -> float:
        """Its predicted success rate."""
        assert self.assigned is not None
        return self.assigned.rate

    @property
    def load(self) -> float:
        """Estimated seconds."""
        assert self.assigned is not None
        return self.assigned.seconds

    @property
    def busy_s(self) -> float:
        """Seconds from the start of its first attempt to the end of its last."""
        return seconds(self.ended_at) - seconds(self.started_at) if self.started_at else 0.0

    @property
    def tried(self) -> bool:
        """Whether it finished with a first attempt."""
        return bool(self.state.task)

    @property
    def passed(self) -> bool:
        """Whether that attempt passed."""
        return bool(self.state.task_passed)


class Share(Struct, kw_only=True):
    """What one agent did in one wave, or in all.

    Attributes:
        agent: its name.
        standing: with which it began the wave.
        tasks: that it had.
        load_s: their estimated seconds.
        busy_s: seconds from start to end of each, summed.
        by_status: settled ones.
        tried, passed: first attempts of finished tasks, and those that passed.
        predicted: sum of their predicted rates.
        attempts: of all tasks.
    """

    agent: str
    standing: Standing = FIT
    tasks: int = 0
    load_s: float = 0.0
    busy_s: float = 0.0
    by_status: dict[StepStatus, int] = field(default_factory=dict)
    tried: int = 0
    passed: int = 0
    predicted: float = 0.0
    attempts: int = 0

    def add(self, task: Task) -> None:
        """Count a task in."""
        self.tasks += 1
        self.load_s += task.load
        self.busy_s += task.busy_s
        self.attempts += task.attempts
        status = task.state.status
        if status is not None:
            self.by_status[status] = self.by_status.get(status, 0) + 1
        if task.tried:
            self.tried += 1
            self.passed += task.passed
            self.predicted += task.rate

    @property
    def success_rate(self) -> float | None:
        """Share of finished tasks that succeeded."""
        return success_rate(self.by_status)

    @property
    def first_rate(self) -> float | None:
        """Share of first attempts that passed."""
        return ratio(self.passed, self.tried)

    @property
    def mean_predicted(self) -> float | None:
        """Mean predicted rate of the tasks that were tried."""
        return ratio(self.predicted, self.tried)

    @property
    def error(self) -> float | None:
        """Mean predicted - mean actual on first attempts."""
        return drift(self.mean_predicted, self.first_rate)


class Measured(Struct, kw_only=True):
    """The metrics of a wave, or of the whole run; None is no data.

    Attributes:
        success_rate: SUCCEEDED / (SUCCEEDED + FAILED + UNKNOWN + ROLLED_BACK).
        availability: available agent time / total agent time.
        accuracy: 1 - mean over agents of |mean predicted - mean actual on first attempts|.
        load_balance: least / most assigned seconds, of the agents that were available.
        confidence: mean predicted success rate.
    """

    success_rate: float | None = None
    availability: float | None = None
    accuracy: float | None = None
    load_balance: float | None = None
    confidence: float | None = None


class Wave(Struct, kw_only=True):
    """One wave.

    Attributes:
        number: from 1.
        seq: of the record that closed it, 0 while it is open.
        started_at, ended_at: UTC ISO 8601; empty before.
        rebalanced: all tasks were shared out anew because the load of the wave before was uneven.
        tasks: ids, in the order assigned.
        shares: agent -> what it did; filled when the wave is closed.
        measured: its metrics.
    """

    number: int
    seq: int = 0
    started_at: str = ""
    ended_at: str = ""
    rebalanced: bool = False
    tasks: dict[str, None] = field(default_factory=dict)
    shares: dict[str, Share] = field(default_factory=dict)
    measured: Measured = field(default_factory=Measured)

    @property
    def duration_s(self) -> float:
        """Seconds from its start to its end."""
        return seconds(self.ended_at) - seconds(self.started_at) if self.seq else 0.0


class Fleet:
    """The fold of one fleet.

    Args:
        event: with which its plan began.
        steps: the fold of the run's steps, fed before this one.

    Attributes:
        plan_id: of its plan.
        plan: what it set out with.
        declared: how many tasks it has.
        tasks: by id, those that anything happened to.
        waves: by number.
        standings: of the agents, as of the last wave closed.
        closed: the wave that the last record closed, None for any other record.
        last_imbalance: of the assigned seconds in the last wave that is over, 0 before any.
    """

    def __init__(self, event: PlanStarted, steps: Steps) -> None:
        assert event.fleet is not None
        self.plan_id = event.plan
        self.plan: FleetPlan = event.fleet
        self.declared = event.steps
        self.tasks: dict[str, Task] = {}
        self.waves: dict[int, Wave] = {}
        self.standings: dict[str, Standing] = dict.fromkeys(self.plan.agents, FIT)
        self.closed: Wave | None = None
        self._steps = steps
        self._rates: dict[tuple[str, str], list[int]] = {}
        self._predicted = 0.0
        self._passed = 0
        self._tried = 0
        self._over = 0
        self._out: dict[str, int] = {}
        self.last_imbalance = 0.0

    def feed(self, record: Record) -> None:
        """Take in the next record."""
        self.closed = None
        event = record.event
        if getattr(event, "plan", None) != self.plan_id:
            return
        match event:
            case Rung() | Outcome():
                self._attempt(record, event)
            case TaskAssigned():
                self._assigned(record, event)
            case WaveStarted():
                wave = self._wave(event.wave)
                wave.started_at = wave.started_at or record.time
                wave.rebalanced = wave.rebalanced or event.rebalanced
            case WaveFinished():
                self._close(record, event.wave)
            case Settled():
                self._task(event.step).reason = event.reason
            case _:
                pass
        change = self._steps.change
        if change is not None:
            self._task(getattr(event, "step", "")).state = change[1]

    def _task(self, step: str) -> Task:
        task = self.tasks.get(step)
        if task is None:
            task = self.tasks[step] = Task(step)
        return task

    def _wave(self, number: int) -> Wave:
        wave = self.waves.get(number)
        if wave is None:
            wave = self.waves[number] = Wave(number=number)
        return wave

    def _assigned(self, record: Record, event: TaskAssigned) -> None:
        task = self._task(event.step)
        task.assigned, task.assigned_at = event, record.time
        self._wave(event.wave).tasks[event.step] = None

    def _attempt(self, record: Record, event: Rung | Outcome) -> None:
        task = self._task(event.step)
        task.error = "" if event.error is None else event.error.message
        if isinstance(event, Rung) and event.rehearsal and event.error is None:
            return
        task.attempts += 1
        task.started_at = task.started_at or event.started_at
        task.ended_at = record.time

    # when a wave is over

    def _close(self, record: Record, number: int) -> None:
        wave = self._wave(number)
        first = not wave.seq
        wave.seq, wave.ended_at = record.seq, record.time
        wave.shares = self.shares(wave.tasks, self.standings)
        wave.measured = self.measure(wave.shares.values())
        self.closed = wave
        if not first:
            return
        for task_id in wave.tasks:
            self._learn(self.tasks[task_id])
        self._over += 1
        self.last_imbalance = imbalance([share.load_s for share in _fit(wave.shares.values())])
        for agent, share in wave.shares.items():
            self._out[agent] = self._out.get(agent, 0) + (share.standing.status is AgentStatus.QUARANTINED)
            self.standings[agent] = after_wave(self.standings[agent], share.tried, share.passed)

    def _learn(self, task: Task) -> None:
        assert task.assigned is not None
        if task.tried:
            counted = self._rates.setdefault((task.agent, task.assigned.tool), [0, 0])
            counted[0] += 1
            counted[1] += task.passed
            self._tried += 1
            self._passed += task.passed
            self._predicted += task.rate

    def shares(self, tasks: Iterable[str], standings: dict[str, Standing]) -> dict[str, Share]:
        """Return what each agent did of some tasks."""
        found = {agent: Share(agent=agent, standing=standings[agent]) for agent in self.plan.agents}
        for task_id in tasks:
            task = self.tasks[task_id]
            found[task.agent].add(task)
        return found

    def measure(self, shares: Iterable[Share]) -> Measured:
        """Return the metrics of what agents did in a wave."""
        every = list(shares)
        fit = _fit(every)
        by_status: dict[StepStatus, int] = {}
        for share in every:
            for status, count in share.by_status.items():
                by_status[status] = by_status.get(status, 0) + count
        return Measured(
            success_rate=success_rate(by_status),
            availability=ratio(len(fit), len(every)),
            accuracy=accuracy(every),
            load_balance=load_balance([share.load_s for share in fit]),
            confidence=ratio(sum(share.predicted for share in every), sum(share.tried for share in every)),
        )

    # what the next wave is assigned by

    @property
    def error(self) -> float:
        """Mean predicted - mean actual of all first attempts of the waves that are over; 0 before any."""
        return (self._predicted - self._passed) / self._tried if self._tried else 0.0

    def rates(self, agent: str) -> dict[str, float]:
        """Return an agent's share of first attempts that passed, by tool, from the waves that are over."""
        return {
            tool: passed / tried for (name, tool), (tried, passed) in self._rates.items() if name == agent
        }

    def availability(self, agent: str) -> float:
        """Return the share of the waves that are over in which an agent was not quarantined; 1 before any."""
        return 1.0 - self._out.get(agent, 0) / self._over if self._over else 1.0

    # the whole

    @property
    def makespan_s(self) -> float:
        """Seconds from the start of the first task to the end of the last."""
        starts = [task.started_at for task in self.tasks.values() if task.started_at]
        ends = [task.ended_at for task in self.tasks.values() if task.started_at]
        return seconds(max(ends)) - seconds(min(starts)) if starts else 0.0


def _fit(shares: Iterable[Share]) -> list[Share]:
    return [share for share in shares if share.standing.status is not AgentStatus.QUARANTINED]


def accuracy(shares: Iterable[Share]) -> float | None:
    """Return 1 - mean over agents of |mean predicted - mean actual on first attempts|, None without data."""
    errors = [abs(share.error) for share in shares if share.error is not None]
    mean = ratio(sum(errors), len(errors))
    return None if mean is None else 1.0 - mean
