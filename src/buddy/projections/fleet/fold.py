"""A fleet as its journal tells it: its tasks, who had them in which wave, and what was measured wave by wave.

The engine reads the standings and the measured rates from this fold when it assigns the next wave, and the
outputs read everything else, so that both see the same.
"""

from collections.abc import Iterable

from buddy.core.standing import FIT, AgentStatus, Standing, after_wave
from buddy.journal.events import (
    FleetPlan,
    Outcome,
    PlanStarted,
    Record,
    Rung,
    RunResumed,
    Settled,
    TaskAssigned,
    UndoIntent,
    WaveFinished,
    WaveStarted,
)
from buddy.journal.times import between
from buddy.projections.anomaly import AnomalyType
from buddy.projections.fleet.shares import Share, Task, Wave, measure
from buddy.projections.metrics import imbalance, load_balance
from buddy.projections.steps import Steps

LEAST_LOADED_TASKS = 2
"""Tasks that an agent must have in a wave for its load to be compared."""

LEAST_TRIED = 10
"""First attempts of a tool from which its own prediction error counts."""


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
        totals: agent -> what it did in the waves that are over.
        closed: the wave that the last record closed, None for any other record.
        span: when the first task was started and the last one ended; empty where none was tried.
        rebalanced: a wave was so uneven that all that was pending was shared out anew.
        told: what is wrong with loads that was found once, for a schedule without barriers.
        last_imbalance: of the loads compared in the last wave that is over, 0 before any.
    """

    def __init__(self, event: PlanStarted, steps: Steps) -> None:
        assert event.fleet is not None
        self.plan_id = event.plan
        self.plan: FleetPlan = event.fleet
        self.declared = event.steps
        self.tasks: dict[str, Task] = {}
        self.waves: dict[int, Wave] = {}
        self.standings: dict[str, Standing] = {}
        self.totals: dict[str, Share] = {}
        self.closed: Wave | None = None
        self.span = ("", "")
        self._steps = steps
        self._rates: dict[tuple[str, str], list[int]] = {}
        self._tools: dict[str, Share] = {}
        self._all = Share(agent="")
        self.rebalanced = False
        self.told: set[AnomalyType] = set()
        self._over = 0
        self._over_s = 0.0
        self._out: dict[str, tuple[int, float]] = {}
        self._outs: set[str] = set()
        self._given: dict[str, Share] = {}
        self._order: dict[str, int] = {}
        self._last = ""
        self._rest_s = 0.0
        self._rests: list[tuple[str, float]] = []
        self.last_imbalance = 0.0
        for agent in self.plan.agents:
            self._meet(agent)

    def feed(self, record: Record) -> None:
        """Take in the next record."""
        self.closed = None
        event = record.event
        if isinstance(event, RunResumed) and self._last:
            # Whether it came to rest before or was killed: nobody worked on it in between.
            self._rest_s += between(self._last, record.time)
        self._last = record.time
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
                self.rebalanced = self.rebalanced or event.rebalanced
            case WaveFinished():
                self._close(record, event.wave)
            case Settled():
                self._task(event.step).reason = event.reason
            case UndoIntent():
                self._task(event.step).reason = f"undone: {event.trigger}"
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
        self._meet(event.agent)
        if task.assigned is not None:
            self._given[task.assigned.agent].take(-1, -task.assigned.seconds)
        self._given[event.agent].take(1, event.seconds)
        task.assigned, task.assigned_at = event, record.time
        wave = self._wave(event.wave)
        wave.tasks[event.step] = None
        wave.moved += bool(event.moved_from)

    def _meet(self, agent: str) -> None:
        """Learn of an agent; a journal that somebody made up may name one that the plan does not."""
        if agent not in self.standings:
            self._order[agent] = len(self._order)
            self.standings[agent] = FIT
            self.totals[agent] = Share(agent=agent)
            self._given[agent] = Share(agent=agent)

    def _attempt(self, record: Record, event: Rung | Outcome) -> None:
        task = self._task(event.step)
        again = bool(task.error)
        task.error = "" if event.error is None else event.error.message or event.error.type
        if isinstance(event, Rung) and event.rehearsal and event.error is None:
            return
        # The next rung, or a DRY_RUN that an approval has repeated, is no retry.
        if again or not task.attempts:
            task.attempts += 1
        if self._rest_s and self.span[0]:
            self._rests.append((record.time, self._rest_s))
        self._rest_s = 0.0
        if event.error is not None:
            task.errors[event.error.type] = task.errors.get(event.error.type, 0) + 1
        task.started_at = task.started_at or event.started_at
        task.ended_at = record.time
        begun, ended = self.span
        self.span = min(begun or task.started_at, task.started_at), max(ended, record.time)
        if task.spans and task.spans[-1][1] >= event.started_at:
            task.spans[-1] = (task.spans[-1][0], record.time)
        else:
            task.spans.append((event.started_at, record.time))

    # when a wave is over

    def _close(self, record: Record, number: int) -> None:
        """Measure a wave; one that is over again, after a resume, is learned from where it was not before."""
        wave = self._wave(number)
        first = not wave.seq
        wave.seq, wave.ended_at = record.seq, record.time
        if first:
            self._over += 1
            self._over_s += wave.duration_s
            for agent in self._outs:
                waves, seconds = self._out.get(agent, (0, 0.0))
                self._out[agent] = (waves + 1, seconds + wave.duration_s)
        wave.shares = self.shares(wave.tasks)
        wave.measured = measure(wave.shares.values(), len(self.standings), len(self._outs))
        self.closed = wave
        self._compare_loads(wave)
        fresh = [task for name in wave.tasks if (task := self.tasks[name]).tried and not task.learned]
        for task in fresh:
            self._learn(task)
        for agent, share in self.shares(task.task_id for task in fresh).items():
            self.standings[agent] = after_wave(share.standing, share.tried, share.passed)
            out = self.standings[agent].status is AgentStatus.QUARANTINED
            (self._outs.add if out else self._outs.discard)(agent)

    def _learn(self, task: Task) -> None:
        assert task.assigned is not None
        task.learned = True
        counted = self._rates.setdefault((task.agent, task.assigned.tool), [0, 0])
        counted[0] += 1
        counted[1] += task.passed
        self.totals[task.agent].add(task)
        self._all.add(task)
        self._tools.setdefault(task.assigned.tool, Share(agent="")).add(task)

    def _compare_loads(self, wave: Wave) -> None:
        """Compare who had how much to do: in the wave, or where no barrier makes it a whole, so far."""
        shares = wave.shares
        if self.plan.kind == "continuous":
            shares = self._given
            available = [agent for agent in self.standings if agent not in self._outs]
            wave.measured.load_balance = load_balance([shares[agent].assigned_s for agent in available])
        wave.compared = {
            agent: share.assigned_s
            for agent, share in shares.items()
            # An agent that is out or on probation is not meant to have as much as the others.
            if share.tasks >= LEAST_LOADED_TASKS and self.standings[agent].limit is None
        }
        self.last_imbalance = imbalance(list(wave.compared.values()))

    def shares(self, tasks: Iterable[str]) -> dict[str, Share]:
        """Return what each agent that had any did of some tasks, in the order of the agents."""
        found: dict[str, Share] = {}
        for task_id in tasks:
            task = self.tasks[task_id]
            share = found.get(task.agent)
            if share is None:
                share = found[task.agent] = Share(agent=task.agent, standing=self.standings[task.agent])
            share.add(task)
        return {agent: found[agent] for agent in sorted(found, key=self._order.__getitem__)}

    # what the next wave is assigned by

    @property
    def tried(self) -> int:
        """First attempts of the waves that are over."""
        return self._all.tried

    @property
    def error(self) -> float:
        """Mean predicted - mean actual of all first attempts of the waves that are over; 0 before any."""
        return self._all.error or 0.0

    def error_of(self, tool: str) -> float:
        """Return the same for a tool; as long as it was tried less than `LEAST_TRIED` times, that of all."""
        own = self._tools.get(tool)
        return self.error if own is None or own.tried < LEAST_TRIED else own.error or 0.0

    def rates(self, agent: str) -> dict[str, float]:
        """Return an agent's share of first attempts that passed, by tool, from the waves that are over."""
        return {
            tool: passed / tried for (name, tool), (tried, passed) in self._rates.items() if name == agent
        }

    def availability(self, agent: str) -> float:
        """Return the share of the time of the waves that are over in which an agent was not quarantined.

        Of waves that took no time their number counts; 1 before any.
        """
        waves, seconds = self._out.get(agent, (0, 0.0))
        if self._over_s:
            return 1.0 - seconds / self._over_s
        return 1.0 - waves / self._over if self._over else 1.0

    # the whole

    @property
    def over(self) -> list[Wave]:
        """The waves that are over, in the order of their numbers."""
        return [wave for _, wave in sorted(self.waves.items()) if wave.seq]

    @property
    def makespan_s(self) -> float:
        """Seconds from the start of the first task to the end of the last, without the run's own rests."""
        return self.elapsed_s(self.span[1])

    def elapsed_s(self, time: str) -> float:
        """Return the seconds from the start of the first task to a time, without the run's own rests."""
        rested = sum(seconds for until, seconds in self._rests if until <= time)
        return max(0.0, between(self.span[0], time) - rested)
