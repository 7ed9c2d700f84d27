"""The formulas: rates, latencies, loads. A number for which there is no data is None, never 0 or 1."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil

from msgspec import Struct, field

from buddy.model.outcome import StepStatus
from buddy.projections.steps import LIVE, Cell, State

PLACES = 6
"""Decimal places of every number that an output works out."""

TOP = 10
"""Entries of a ranking."""


def places(value: float | None) -> float | None:
    """Round a number as the outputs show it; None stays None."""
    return None if value is None else round(value, PLACES)


def ratio(part: float, whole: float) -> float | None:
    """Return `part / whole`, None where there is no whole."""
    return part / whole if whole else None


def success_rate(by_status: Mapping[StepStatus, int]) -> float | None:
    """Return SUCCEEDED / (SUCCEEDED + FAILED + UNKNOWN + ROLLED_BACK), None where nothing finished."""
    succeeded = by_status.get(StepStatus.SUCCEEDED, 0)
    others = (StepStatus.FAILED, StepStatus.UNKNOWN, StepStatus.ROLLED_BACK)
    return ratio(succeeded, succeeded + sum(by_status.get(status, 0) for status in others))


def drift(confidence: float | None, actual: float | None) -> float | None:
    """Return mean confidence - success rate: positive is overconfident; None where either is unknown."""
    return None if confidence is None or actual is None else confidence - actual


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: the smallest value that `share` of all do not exceed.

    Args:
        ordered: at least one value, ascending.
        share: in (0, 1].
    """
    return ordered[max(ceil(share * len(ordered)), 1) - 1]


class Latency(Struct, frozen=True, kw_only=True):
    """How long calls took, in milliseconds; percentiles by nearest rank."""

    mean: float
    p50: float
    p95: float
    p99: float


def latency(values: Iterable[float]) -> Latency | None:
    """Summarise durations, None where there are none.

    Args:
        values: milliseconds.
    """
    ordered = sorted(values)
    if not ordered:
        return None
    p50, p95, p99 = (round(percentile(ordered, share), PLACES) for share in (0.50, 0.95, 0.99))
    return Latency(mean=round(sum(ordered) / len(ordered), PLACES), p50=p50, p95=p95, p99=p99)


def load_balance(loads: Sequence[float]) -> float:
    """Return min load / max load, 1 where nothing was assigned.

    Args:
        loads: seconds by agent.
    """
    most = max(loads, default=0.0)
    return min(loads) / most if most > 0 else 1.0


def imbalance(loads: Sequence[float]) -> float:
    """Return (max load - min load) / max load, 0 where nothing was assigned.

    Args:
        loads: seconds by agent.
    """
    return 1.0 - load_balance(loads)


def spread(loads: Sequence[float]) -> float | None:
    """Return max load / min load; 1 where nothing was assigned, None where only some have a load.

    Args:
        loads: seconds by agent.
    """
    most = max(loads, default=0.0)
    return ratio(most, min(loads)) if most > 0 else 1.0


def recurring(errors: dict[str, int]) -> dict[str, int]:
    """Return the classes of error that came more than once, most frequent first, at most `TOP`."""
    return {name: count for name, count in ranked(errors) if count > 1}


def ranked(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return the `TOP` entries, highest count first, equals by name."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP]


class Tally(Struct, kw_only=True):
    """Settled steps, counted.

    Attributes:
        steps: how many settled.
        by_status: of them.
        by_mode: by highest rung passed, as a number.
        held: HELD steps by the rule that holds them.
        stopped: steps by the rule that stopped them, HELD or not.
        live: reached LIVE, whatever came of it.
        conflicts: in a conflict.
        finished: the work was done, well or badly.
        stated, confidence: finished steps with a confidence, and its sum.
        timed, latency: steps with a latency, and its sum in ms.
        firsts, firsts_passed: finished steps with an attempt, and those whose first attempt passed.
        predicted, predicted_sum, predicted_passed: of `firsts` those with a confidence, its sum, and passes.
    """

    steps: int = 0
    by_status: dict[StepStatus, int] = {}
    by_mode: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    held: dict[str, int] = {}
    stopped: dict[str, int] = {}
    live: int = 0
    conflicts: int = 0
    finished: int = 0
    stated: int = 0
    confidence: float = 0.0
    timed: int = 0
    latency: float = 0.0
    firsts: int = 0
    firsts_passed: int = 0
    predicted: int = 0
    predicted_sum: float = 0.0
    predicted_passed: int = 0

    def add(self, cell: Cell) -> None:
        """Count the steps of a cell in."""
        state, count = cell.state, cell.steps
        assert state.status is not None
        self.steps += count
        self.by_status[state.status] = self.by_status.get(state.status, 0) + count
        self.by_mode[state.passed] += count
        if state.rule:
            self.stopped[state.rule] = self.stopped.get(state.rule, 0) + count
            if state.status is StepStatus.HELD:
                self.held[state.rule] = self.held.get(state.rule, 0) + count
        self.live += count * (state.tried == LIVE)
        self.conflicts += count * state.conflict
        self.timed += cell.timed
        self.latency += cell.latency
        if state.finished:
            self._add_finished(cell)

    def _add_finished(self, cell: Cell) -> None:
        self.finished += cell.steps
        self.stated += cell.stated
        self.confidence += cell.confidence
        if cell.state.task:
            self.firsts += cell.steps
            self.firsts_passed += cell.steps * cell.state.task_passed
            self.predicted += cell.stated
            self.predicted_sum += cell.confidence
            self.predicted_passed += cell.stated * cell.state.task_passed

    @property
    def success_rate(self) -> float | None:
        """Share of finished steps that succeeded."""
        return success_rate(self.by_status)

    @property
    def mean_confidence(self) -> float | None:
        """Mean confidence of finished steps that have one."""
        return ratio(self.confidence, self.stated)

    @property
    def mean_latency(self) -> float | None:
        """Mean latency in ms."""
        return ratio(self.latency, self.timed)

    @property
    def rollback_frequency(self) -> float | None:
        """Steps rolled back / steps that reached LIVE."""
        return ratio(self.by_status.get(StepStatus.ROLLED_BACK, 0), self.live)

    @property
    def first_rate(self) -> float | None:
        """Share of first attempts that passed."""
        return ratio(self.firsts_passed, self.firsts)

    @property
    def prediction_error(self) -> float | None:
        """Mean predicted - mean actual on first attempts that somebody had predicted."""
        if not self.predicted:
            return None
        return (self.predicted_sum - self.predicted_passed) / self.predicted


def tally(cells: Iterable[Cell]) -> Tally:
    """Count cells."""
    total = Tally()
    for cell in cells:
        total.add(cell)
    return total


def tallies(cells: Iterable[Cell], key: Callable[[State], str]) -> dict[str, Tally]:
    """Count cells by what `key` says of their states, names sorted."""
    found: dict[str, Tally] = {}
    for cell in cells:
        found.setdefault(key(cell.state), Tally()).add(cell)
    return dict(sorted(found.items()))


class Metrics(Struct, frozen=True, kw_only=True):
    """What a run measured; None is no data.

    Attributes:
        success_rate: SUCCEEDED / (SUCCEEDED + FAILED + UNKNOWN + ROLLED_BACK).
        latency_ms: of the last attempt at the top rung of each step; rehearsals that only check and reads
            that are reused do not count.
        rollback_frequency: steps rolled back / steps that reached LIVE.
        conflict_rate: steps in a conflict / steps.
        live_ratio: steps that reached LIVE / steps.
        confidence: mean confidence of finished steps that have one.
        confidence_drift: mean confidence - success rate.
        approval_rate: approved / decided.
        health_score: 0 to 100.
    """

    success_rate: float | None
    latency_ms: Latency | None
    rollback_frequency: float | None
    conflict_rate: float | None
    live_ratio: float | None
    confidence: float | None
    confidence_drift: float | None
    approval_rate: float | None
    health_score: float | None
