"""What the figures of a fleet suggest to change before the next run; people decide."""

from collections.abc import Iterator

from buddy.core.standing import AgentStatus
from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.judging import MOST_DRIFT
from buddy.projections.fleet.summary import FleetSummary
from buddy.projections.health import TARGETS
from buddy.projections.metrics import PLACES
from buddy.projections.phrases import count

_STANDS = {AgentStatus.QUARANTINED: "quarantined", AgentStatus.FAILING: "on probation"}

WORTH = 0.05
"""Share of the expected time from which dropping the barrier is worth a word."""
LEAST_TASKS = 20
"""First attempts from which a correction of predictions is proposed."""


def proposals(fleet: Fleet, summary: FleetSummary) -> Iterator[str]:
    """Yield what to change, a sentence each.

    Args:
        fleet: the fold.
        summary: of the whole run.
    """
    yield from _barrier(summary)
    yield from _agents(fleet, summary)
    yield from _predictions(fleet)
    yield from _size(summary)


def _barrier(summary: FleetSummary) -> Iterator[str]:
    saved = summary.barrier_cost_s
    if summary.schedule == "waves" and saved > WORTH * summary.expected_s:
        yield (
            f"`--schedule continuous` would take about {saved:,.2f} s less by the estimates"
            f" ({100 * saved / summary.expected_s:.0f} %): agents would not wait for the end of a wave."
        )


def _agents(fleet: Fleet, summary: FleetSummary) -> Iterator[str]:
    for agent, total in summary.per_agent_metrics.items():
        if total.status is not AgentStatus.AVAILABLE:
            rate = total.first_attempt_success_rate
            passed = "" if rate is None else f", passed {100 * rate:.0f} % of its first attempts"
            yield f"Look at agent `{agent}` before the next run: it ended {_STANDS[total.status]}{passed}."


def _predictions(fleet: Fleet) -> Iterator[str]:
    error, tried = fleet.error, fleet.tried
    if tried < LEAST_TASKS or TARGETS["accuracy"].met(round(1.0 - abs(error), PLACES)):
        return
    way, to = ("optimistic", "Lower") if error > 0 else ("pessimistic", "Raise")
    urgent = (
        "; this is drift, so the model behind them should be looked at" if abs(error) > MOST_DRIFT else ""
    )
    yield (
        f"Predicted success rates were {abs(error):.2f} too {way} over {count(tried, 'first attempt')}. {to}"
        f" them by that much, and the thresholds that they are held against mean what they say{urgent}."
    )


def _size(summary: FleetSummary) -> Iterator[str]:
    path, bound = summary.critical_path_s, summary.lower_bound_s
    if path and path >= bound and summary.makespan_s <= 1.1 * path and summary.num_agents > 1:
        yield (
            "More agents would not make it faster: the critical path alone takes"
            f" {path:,.2f} s. Splitting its tasks would."
        )
