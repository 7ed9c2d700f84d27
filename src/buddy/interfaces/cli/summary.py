"""A run in a few lines, from its `orchestration_summary.json`."""

from collections.abc import Mapping
from typing import Any

from buddy.interfaces.cli.printing import counted
from buddy.projections.phrases import ways_on


def lines(
    summary: Mapping[str, Any], folder: str, resume: str = "", fleet: Mapping[str, Any] | None = None
) -> list[str]:
    """Return what a person wants to know of a run: how it went, what waits for whom, where it is.

    Args:
        summary: content of `orchestration_summary.json`.
        folder: of the run.
        resume: the command that goes on with it, where it is known.
        fleet: content of `phase21_execution_summary.json`, where there is one.
    """
    steps = summary["steps"]
    took = "" if summary["duration_s"] is None else f", {summary['duration_s']:,.2f} s"
    plans = counted(summary["plans_processed"], "plan")
    shape = f"{counted(steps['settled'], 'step')} of {plans}"
    told = [
        f"run {summary['run_id']}: {summary['mode']}, {shape}{took}, {summary['exit_reason'] or 'under way'}"
    ]
    told.append(_counts("steps", steps["by_status"]) or "steps       none")
    told += _held(summary, resume)
    told += _part(
        "conflicts", summary["conflicts"]["by_type"], _unresolved(summary["conflicts"]["unresolved"])
    )
    told += _part("approvals", _approvals(summary["approvals"]))
    told += _part(
        "rollbacks", summary["rollbacks"]["by_result"], f", {summary['rollbacks']['verified']} verified"
    )
    told.append(_health(summary))
    told += [f"warning     {sentence}" for sentence in summary["warnings"]]
    if fleet is not None:
        told += _fleet(fleet)
    return [*told, f"folder      {folder}"]


def _held(summary: Mapping[str, Any], resume: str) -> list[str]:
    run = summary["run_id"]
    return [
        f"held        {count:,} by {rule}: {ways_on(rule, run, resume)}"
        for rule, count in summary["steps"]["held_by_rule"].items()
        if count
    ] + [
        f"unknown     {count:,}: `buddy runs show {run}` lists them, `buddy resolve {run} STEP --happened` or"
        " `--did-not` says how they ended"
        for count in (summary["steps"]["by_status"].get("UNKNOWN", 0),)
        if count
    ]


def reasons(summary: Mapping[str, Any]) -> list[str]:
    """Return a line on where it stands why steps did not do what they were to do, where there are any.

    Args:
        summary: content of `orchestration_summary.json`.
    """
    counts = summary["steps"]["by_status"]
    if not any(counts.get(status) for status in ("FAILED", "ABORTED", "SKIPPED", "ROLLED_BACK")):
        return []
    return [f"reasons     `buddy runs show {summary['run_id']}` lists them by step"]


def _part(name: str, counts: Mapping[str, int], more: str = "") -> list[str]:
    told = _counts(name, counts)
    return [f"{told}{more}"] if told else []


def _counts(name: str, counts: Mapping[str, int]) -> str:
    told = ", ".join(f"{key} {count:,}" for key, count in counts.items() if count)
    return f"{name:<12}{told}" if told else ""


def _unresolved(count: int) -> str:
    return f", {count:,} unresolved" if count else ""


def _approvals(counts: Mapping[str, int]) -> dict[str, int]:
    return {state: count for state, count in counts.items() if state != "requested"}


def _health(summary: Mapping[str, Any]) -> str:
    return f"health      {_points(summary['metrics']['health_score'], summary['health_status'])}"


def _points(score: float | None, tier: str) -> str:
    return f"{'' if score is None else f'{score:.1f} '}{tier}"


def _fleet(fleet: Mapping[str, Any]) -> list[str]:
    health = fleet["system_health"]
    times, bound = fleet["makespan_over_lower_bound"], fleet["lower_bound_s"]
    beside = ""
    if times is not None and times > 0.999:
        beside = f", {times:,.4f} times the lower bound of {bound:,.2f} s"
    elif times is not None:
        # Real work that was shorter than anybody thought says nothing about the schedule.
        beside = f"; by the estimates it had to be {bound:,.2f} s at least"
    cost = fleet["barrier_cost_s"]
    barrier = f"; waiting for the end of waves costs {cost:,.2f} s by the estimates" if cost else ""
    anomalies = _counts("anomalies", fleet["anomaly_counts"])
    return [
        f"fleet       {counted(fleet['num_agents'], 'agent')}, {fleet['strategy']}, {fleet['schedule']},"
        f" {counted(fleet['waves'], 'wave')}; {_points(health['health_score'], health['health_status'])}",
        f"makespan    {fleet['makespan_s']:,.2f} s{beside}{barrier}",
        *([anomalies] if anomalies else []),
        "report      PHASE_21_AUTONOMOUS_EXECUTION.md and phase21_gantt.svg",
    ]
