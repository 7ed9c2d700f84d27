"""What tools and agents have behind them, as far as it decides about an anomaly."""

from msgspec import Struct

from buddy.projections.steps import State


class Streak(Struct):
    """Failures of a tool in a row."""

    length: int = 0
    seqs: list[int] = []
    breaker: bool = True


class FirstAttempts(Struct):
    """First attempts of an agent, finished steps only.

    Attributes:
        tasks, passed: all.
        real, real_passed: at DRY_RUN or LIVE, without failures that are no mark against anyone.
        level: 0 nothing raised, 1 raised, 2 raised on failures that may open a breaker.
        low: raised with fewer than `LEAST_TASKS`.
        seqs: lines of its first failures.
    """

    tasks: int = 0
    passed: int = 0
    real: int = 0
    real_passed: int = 0
    level: int = 0
    low: bool = False
    seqs: list[int] = []

    def count(self, state: State, sign: int) -> None:
        """Count a step in its state in, or out."""
        self.tasks += sign * state.task
        self.passed += sign * state.task_passed
        self.real += sign * state.real
        self.real_passed += sign * state.real_passed
