"""What is known of a fleet's tasks, its agents' shares of them, and its waves."""

from collections.abc import Iterable

from msgspec import Struct, field

from buddy.core.standing import FIT, AgentStatus, Standing
from buddy.journal.events import TaskAssigned
from buddy.journal.times import between
from buddy.model.outcome import StepStatus
from buddy.projections.anomaly import Anomaly
from buddy.projections.metrics import drift, load_balance, ratio, success_rate
from buddy.projections.steps import BLANK, FINISHED, State


class Task(Struct):
    """One task of a fleet.

    Attributes:
        task_id: its id.
        assigned: the last assignment, None before there was one.
        assigned_at: when, UTC ISO 8601.
        started_at, ended_at: of its first and its last attempt, empty before there was one.
        spans: from when to when it was worked on, without waits for retries, people and restarts.
        attempts: the first, and one for each that failed before it; 0 where it was only rehearsed.
        errors: failed attempts by class of error.
        state: where it stands.
        error: what its last attempt said of its failure.
        reason: why it came to rest, where an event said so.
        learned: a wave that is over took it into account.
    """

    task_id: str
    assigned: TaskAssigned | None = None
    assigned_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    spans: list[tuple[str, str]] = []
    attempts: int = 0
    errors: dict[str, int] = {}
    state: State = BLANK
    error: str = ""
    reason: str = ""
    learned: bool = False

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
        """Seconds for which it was worked on."""
        return sum(between(start, end) for start, end in self.spans)

    @property
    def tried(self) -> bool:
        """Whether it finished with a first attempt that was more than a rehearsal."""
        return bool(self.state.task and self.attempts)

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
        assigned_s: their estimated seconds.
        busy_s: seconds for which they were worked on.
        by_status: settled ones.
        tried, passed: first attempts of finished tasks, and those that passed.
        predicted: sum of their predicted rates.
        attempts: of all tasks.
        errors: failed ones by class of error.
    """

    agent: str
    standing: Standing = FIT
    tasks: int = 0
    assigned_s: float = 0.0
    busy_s: float = 0.0
    by_status: dict[StepStatus, int] = field(default_factory=dict)
    tried: int = 0
    passed: int = 0
    predicted: float = 0.0
    attempts: int = 0
    errors: dict[str, int] = {}

    def take(self, tasks: int, seconds: float) -> None:
        """Count tasks in that are only assigned so far, or out."""
        self.tasks += tasks
        self.assigned_s += seconds

    def add(self, task: Task) -> None:
        """Count a task in, with what became of it."""
        self.take(1, task.load)
        self.busy_s += task.busy_s
        self.attempts += task.attempts
        for name, count in task.errors.items():
            self.errors[name] = self.errors.get(name, 0) + count
        status = task.state.status
        if status is not None:
            self.by_status[status] = self.by_status.get(status, 0) + 1
        if task.tried:
            self.tried += 1
            self.passed += task.passed
            self.predicted += task.rate

    @property
    def finished(self) -> int:
        """Tasks whose work was done, well or badly."""
        return sum(count for status, count in self.by_status.items() if status in FINISHED)

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
        shares: agent -> what it did, of those with tasks; filled when the wave is closed.
        measured: its metrics.
        compared: agent -> assigned seconds that are held against each other.
        anomalies: that it showed.
        moved: tasks that went to another agent than planned.
    """

    number: int
    seq: int = 0
    started_at: str = ""
    ended_at: str = ""
    rebalanced: bool = False
    tasks: dict[str, None] = field(default_factory=dict)
    shares: dict[str, Share] = field(default_factory=dict)
    measured: Measured = field(default_factory=Measured)
    compared: dict[str, float] = field(default_factory=dict)
    anomalies: list[Anomaly] = field(default_factory=list)
    moved: int = 0

    @property
    def duration_s(self) -> float:
        """Seconds from its start to its end."""
        return between(self.started_at, self.ended_at)


def measure(shares: Iterable[Share], agents: int, out: int) -> Measured:
    """Return the metrics of what agents did in a wave.

    Args:
        shares: of the agents with tasks in it.
        agents: of the fleet.
        out: of those, quarantined.
    """
    every = list(shares)
    fit = fit_ones(every)
    by_status: dict[StepStatus, int] = {}
    for share in every:
        for status, count in share.by_status.items():
            by_status[status] = by_status.get(status, 0) + count
    loads = [share.assigned_s for share in fit]
    idle = [0.0] if len(fit) < agents - out else []
    return Measured(
        success_rate=success_rate(by_status),
        availability=ratio(agents - out, agents),
        accuracy=accuracy(every),
        load_balance=load_balance([*loads, *idle]),
        confidence=ratio(sum(share.predicted for share in every), sum(share.tried for share in every)),
    )


def fit_ones(shares: Iterable[Share]) -> list[Share]:
    """Return the shares of agents that were not quarantined."""
    return [share for share in shares if share.standing.status is not AgentStatus.QUARANTINED]


def accuracy(shares: Iterable[Share]) -> float | None:
    """Return 1 - mean over agents of |mean predicted - mean actual on first attempts|, None without data."""
    errors = [abs(share.error) for share in shares if share.error is not None]
    mean = ratio(sum(errors), len(errors))
    return None if mean is None else 1.0 - mean
