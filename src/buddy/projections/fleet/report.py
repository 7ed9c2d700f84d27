"""`PHASE_21_AUTONOMOUS_EXECUTION.md`: what a fleet did, for a person to read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from buddy.projections.anomaly import Anomaly
from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.health import FleetHealth
from buddy.projections.fleet.lines import TaskStatus, executed, word
from buddy.projections.fleet.proposals import proposals
from buddy.projections.fleet.shares import Task, Wave
from buddy.projections.fleet.summary import FleetSummary, anomalies
from buddy.projections.health import Gauge
from buddy.projections.phrases import count

GANTT = "phase21_gantt.svg"
MOST_ROWS = 60
"""Rows of a table; of more, the first and the last half are shown."""
MOST_TASKS = 20
"""Tasks that need a person which are listed."""
MOST_ANOMALIES = 40
_BLOCKS = "▁▂▃▄▅▆▇█"


def report(fleet: Fleet, summary: FleetSummary, health: FleetHealth) -> bytes:
    """Tell what a fleet did.

    Args:
        fleet: the fold.
        summary: of the whole run.
        health: wave by wave.
    """
    parts = [
        _overview(summary),
        _chart(summary),
        _open_ends(fleet),
        _per_wave(fleet, health),
        _per_agent(summary),
        _anomalies(list(anomalies(fleet))),
        _trend(health),
        _proposals(fleet, summary),
        _files(),
    ]
    return "\n".join(line for part in parts for line in part).encode()


def _overview(summary: FleetSummary) -> Iterator[str]:
    health = summary.system_health
    points = "no data" if health.health_score is None else f"{health.health_score:.1f} of 100"
    yield "# Autonomous execution"
    yield ""
    yield (
        f"{count(summary.num_agents, 'agent')} did {summary.completed_tasks:,} of"
        f" {count(summary.total_tasks, 'task')} in {count(summary.waves, 'wave')} and"
        f" {_time(summary.makespan_s)}; {summary.failed_tasks:,} failed, {summary.pending_tasks:,} are open."
        f" Health: **{health.health_status.value}** ({points})."
    )
    yield ""
    rows: list[tuple[str, str]] = [
        ("run", f"`{summary.run_id}`, plan {_cell(summary.plan_id)}"),
        ("strategy, schedule", f"{summary.strategy.value}, {summary.schedule}"),
        ("tasks by status", ", ".join(f"{s.value} {n:,}" for s, n in summary.steps_by_status.items()) or "-"),
        ("retries", f"{summary.retries:,}"),
        ("tasks moved to another agent", f"{summary.moved_tasks:,}"),
        ("from, to", f"{summary.start_time or '-'}, {summary.end_time or '-'}"),
        ("makespan", _time(summary.makespan_s)),
        ("lower bound by the estimates", f"{_time(summary.lower_bound_s)}{_times(summary)}"),
        ("expected by the estimates", _time(summary.expected_s)),
    ]
    if summary.schedule == "waves":
        rows.append(("of that, cost of waiting for the end of waves", _time(summary.barrier_cost_s)))
    rows.append(("critical path", f"{_time(summary.critical_path_s)}: {_path(summary.critical_path)}"))
    yield from _table(("", ""), rows)
    yield ""
    yield from _table(
        ("metric", "value", "target", "met"),
        [(name, *_gauge(gauge)) for name, gauge in health.metrics.items()],
    )


def _chart(summary: FleetSummary) -> Iterator[str]:
    yield ""
    yield f"![Who did which task when, {count(summary.num_agents, 'agent')}]({GANTT})"


def _open_ends(fleet: Fleet) -> Iterator[str]:
    """Tell of the tasks that a person has to look at."""
    open_ones = [task for task in fleet.tasks.values() if word(task) is not TaskStatus.COMPLETED]
    if not open_ones:
        return
    yield from _heading("Tasks to look at")
    yield from _table(
        ("task", "agent", "status", "why"), [_open_end(task) for task in open_ones[:MOST_TASKS]]
    )
    if len(open_ones) > MOST_TASKS:
        yield ""
        yield f"... and {len(open_ones) - MOST_TASKS:,} more: `buddy runs show` lists them."


def _open_end(task: Task) -> tuple[str, ...]:
    status = task.state.status
    why = executed(task).error_msg if task.assigned is not None else task.error or task.reason
    rule = f"{task.state.rule}: " if task.state.rule else ""
    return (
        _cell(task.task_id),
        _cell(task.agent),
        status.value if status else word(task).value,
        _text(rule + (why or "")),
    )


def _per_wave(fleet: Fleet, health: FleetHealth) -> Iterator[str]:
    yield from _heading("Waves")
    points = {row.wave: row.health_score for row in health.history}
    headers = (
        "wave", "tasks", "duration", "success", "availability", "accuracy", "load balance", "confidence",
        "health", "moved", "anomalies",
    )  # fmt: skip
    rows = [_wave(wave, points.get(wave.number)) for wave in fleet.over]
    yield from _table(headers, rows)


def _wave(wave: Wave, points: float | None) -> tuple[str, ...]:
    measured = wave.measured
    return (
        f"{wave.number}{' (rebalanced)' if wave.rebalanced else ''}",
        f"{len(wave.tasks):,}",
        _time(wave.duration_s),
        _share(measured.success_rate),
        _share(measured.availability),
        _share(measured.accuracy),
        _share(measured.load_balance),
        _share(measured.confidence),
        "-" if points is None else f"{points:.1f}",
        f"{wave.moved:,}",
        f"{len(wave.anomalies):,}",
    )


def _per_agent(summary: FleetSummary) -> Iterator[str]:
    yield from _heading("Agents")
    headers = (
        "agent", "status", "tasks", "done", "failed", "first attempts", "predicted", "assigned", "busy",
        "utilisation", "availability",
    )  # fmt: skip
    rows = [
        (
            _cell(agent),
            total.status.value,
            f"{total.tasks:,}",
            f"{total.completed_tasks:,}",
            f"{total.failed_tasks:,}",
            _share(total.first_attempt_success_rate),
            _share(total.mean_predicted),
            _time(total.assigned_s),
            _time(total.busy_s),
            _share(total.utilisation),
            _share(total.availability),
        )
        for agent, total in summary.per_agent_metrics.items()
    ]
    yield from _table(headers, rows)


def _anomalies(found: Sequence[Anomaly]) -> Iterator[str]:
    yield from _heading("Anomalies")
    if not found:
        yield "None."
        return
    # The worst first, so that what is cut off matters least.
    order = {"HIGH": 0, "MEDIUM": 1, "LOW": 2}
    worst = sorted(found, key=lambda anomaly: order[anomaly.severity.value])
    rows = [
        (
            anomaly.severity.value,
            anomaly.type.value,
            _cell(anomaly.subject),
            f"{anomaly.figures.get('wave', '-')}",
            _text(_figures(anomaly.figures)),
            anomaly.recommendation,
        )
        for anomaly in worst[:MOST_ANOMALIES]
    ]
    yield from _table(("severity", "type", "about", "wave", "figures", "recommendation"), rows)
    if len(worst) > MOST_ANOMALIES:
        yield ""
        yield f"... and {len(worst) - MOST_ANOMALIES:,} more, in `phase21_learning_signals.jsonl`."


def _figures(figures: Mapping[str, Any]) -> str:
    told = {name: value for name, value in figures.items() if name != "wave"}
    return ", ".join(
        f"{name} {value:,.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in told.items()
    )


def _trend(health: FleetHealth) -> Iterator[str]:
    yield from _heading("Health by wave")
    known = [row.health_score for row in health.history if row.health_score is not None]
    if not known:
        yield "Nothing finished, so there is no score."
        return
    bars = "".join(_block(row.health_score) for row in health.history)
    yield f"`{bars}`" if len(bars) <= 2 * MOST_ROWS else f"`{bars[: 2 * MOST_ROWS]}` ..."
    yield ""
    yield (
        f"From {known[0]:.1f} in the first wave to {known[-1]:.1f} in the last; best {max(known):.1f}, worst"
        f" {min(known):.1f}. Mean predicted success went from {_share(health.history[0].confidence)} to"
        f" {_share(health.history[-1].confidence)}."
    )


def _block(points: float | None) -> str:
    return " " if points is None else _BLOCKS[min(7, int(points / 12.5))]


def _proposals(fleet: Fleet, summary: FleetSummary) -> Iterator[str]:
    yield from _heading("Proposals")
    proposed = list(proposals(fleet, summary))
    yield from [f"- {sentence}" for sentence in proposed] or ["None."]
    yield ""
    yield "Nothing here is applied by itself."


def _files() -> Iterator[str]:
    yield from _heading("Where the rest is")
    yield "- `wave_N/AGENT/`: assignments, executed tasks, metrics and feedback of each agent in each wave"
    yield "- `phase21_execution_summary.json`, `phase21_system_health.json`: these numbers, for programs"
    yield "- `phase21_learning_signals.jsonl`, `feedback/`: what the phases that learn are told"
    yield "- `journal.jsonl`: every event; `buddy verify` checks all of this against it"
    yield ""


# tables


def _heading(text: str) -> tuple[str, ...]:
    return ("", f"## {text}", "")


def _table(headers: Sequence[str], rows: Sequence[Iterable[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headers)} |"
    yield "|" + "---|" * len(headers)
    half = MOST_ROWS // 2
    first, last = (rows, ()) if len(rows) <= MOST_ROWS else (rows[:half], rows[-half:])
    yield from (f"| {' | '.join(row)} |" for row in first)
    if last:
        left_out = f"... {len(rows) - MOST_ROWS:,} rows left out"
        yield f"| {' | '.join([left_out, *[''] * (len(headers) - 1)])} |"
        yield from (f"| {' | '.join(row)} |" for row in last)


def _cell(name: str) -> str:
    """Return an id so that it breaks no table, whatever its letters are."""
    if "`" in name or "|" in name:
        return _text(name)
    return f"`{name}`" if name else "-"


def _text(text: str) -> str:
    cut = text if len(text) <= 200 else f"{text[:197]}..."
    return "".join(f"\\{letter}" if letter in "\\`*[]<>|" else letter for letter in " ".join(cut.split()))


def _path(names: Sequence[str]) -> str:
    if len(names) <= 6:
        return ", ".join(_cell(name) for name in names)
    return f"{', '.join(_cell(name) for name in names[:3])}, ... {len(names) - 4:,} more, {_cell(names[-1])}"


def _gauge(gauge: Gauge) -> tuple[str, str, str]:
    value = gauge.value
    shown = f"{value:.3f}" if isinstance(value, float) else "no data"
    target = "-" if gauge.target is None else f"{gauge.comparison} {gauge.target:.2f}"
    return shown, target, {True: "yes", False: "**no**", None: "-"}[gauge.met]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _times(summary: FleetSummary) -> str:
    """Compare the makespan; one below the bound tells of estimates or skipped tasks, not of the schedule."""
    value = summary.makespan_over_lower_bound
    return f" (makespan is {value:.3f} times of it)" if value is not None and value > 0.999 else ""


def _time(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:,.2f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min"
