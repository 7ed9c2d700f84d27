"""`buddy check`: what a run would do."""

import argparse
import sys
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buddy.wiring import CheckedStep, CheckResult, FleetOutlook

CHUNK = 1_000
"""Rows that share the widths of their columns."""

HEADERS = ("plan", "step", "tool", "agent", "rung", "rule")


def check(args: argparse.Namespace) -> int:
    """Say what a run would do, and run nothing."""
    from buddy import wiring
    from buddy.interfaces.cli import settings
    from buddy.interfaces.cli.progress import Bar

    config = settings.chosen(args)
    with Bar("checking"):
        result = wiring.check(args.inputs, args.tools, config)
    if args.json:
        _stream(result)
    else:
        _tell(result, args.limit)
    return 0


def _stream(result: "CheckResult") -> None:
    """Print one document without holding the steps in memory."""
    from buddy.interfaces.cli.printing import json_text

    write = sys.stdout.write
    write(f'{{"plans":{result.plans},"count":{result.count},"steps":[')
    for place, step in enumerate(result.steps):
        write(f"{',' if place else ''}\n{json_text(step)}")
    conflicts, fleet = json_text(list(result.conflicts)), json_text(result.fleet)
    write(f'\n],"conflicts":{conflicts},"fleet":{fleet}}}\n')


def _tell(result: "CheckResult", limit: int) -> None:
    from buddy.interfaces.cli.printing import counted, say, table

    counts: Counter[tuple[str, str]] = Counter()
    reasons: dict[str, str] = {}
    steps = _counting(result, counts, reasons)
    rows: Iterator[tuple[str, ...]] = (_row(step) for step in steps)
    first = list(islice(rows, limit or CHUNK))
    if first:
        table(HEADERS, first)
    while not limit and (more := list(islice(rows, CHUNK))):
        table(HEADERS, more)
    hidden = sum(1 for _ in rows)
    if hidden:
        say(f"... and {counted(hidden, 'step')} more; --limit 0 lists them all")
    if first:
        say("")
    say(f"{counted(result.count, 'step')} of {counted(result.plans, 'plan')}; nothing was run")
    for (rung, rule), count in sorted(counts.items()):
        why = f", {rule}: {reasons[rule]}" if rule else ""
        say(f"  {count:>8,} up to {rung}{why}")
    _conflicts(result, limit)
    if result.fleet is not None:
        _fleet(result.fleet, limit)


def _counting(
    result: "CheckResult", counts: "Counter[tuple[str, str]]", reasons: dict[str, str]
) -> "Iterator[CheckedStep]":
    for step in result.steps:
        rule = step.rule or ("approval" if step.needs_approval else "")
        counts[step.ceiling.value, rule] += 1
        reasons.setdefault(rule, step.reason or "a person has to say yes before LIVE")
        yield step


def _row(step: "CheckedStep") -> tuple[str, ...]:
    rung = (
        f"{step.ceiling.value} after a yes" if step.needs_approval and not step.rule else step.ceiling.value
    )
    return (step.plan, step.step, step.tool, step.agent, rung, step.rule)


def _conflicts(result: "CheckResult", limit: int) -> None:
    from buddy.interfaces.cli.printing import counted, say

    conflicts: list[Any] = result.conflicts
    say(counted(len(conflicts), "conflict"))
    for conflict in conflicts[: limit or None]:
        steps = ", ".join(str(ref) for ref in conflict.steps[:5])
        more = max(conflict.step_count, len(conflict.steps)) - min(len(conflict.steps), 5)
        others = f" and {more:,} more" if more > 0 else ""
        open_end = "" if conflict.resolved else ", unresolved"
        say(
            f"  {conflict.conflict_id} {conflict.type.value} over {conflict.resource}: {steps}{others}:"
            f" {conflict.reason} ({conflict.resolution.value}{open_end})"
        )
    if limit and len(conflicts) > limit:
        say(f"  ... and {counted(len(conflicts) - limit, 'conflict')} more; --limit 0 lists them all")


def _fleet(fleet: "FleetOutlook", limit: int) -> None:
    from buddy.interfaces.cli.printing import counted, say, table

    plan, loads = fleet.plan, fleet.loads
    waves = len({load.wave for load in loads})
    say("")
    say(
        f"fleet of {counted(len(plan.agents), 'agent')}, {plan.strategy.value}, {plan.kind}:"
        f" {counted(waves, 'wave')}, {plan.work_s:,.2f} s of work, {plan.expected_s:,.2f} s expected,"
        f" {plan.lower_bound_s:,.2f} s at least"
    )
    barrier = plan.expected_s - plan.without_barrier_s
    if plan.kind == "waves" and barrier > 0:
        say(f"  waiting for the end of waves costs {barrier:,.2f} s of that")
    path = plan.critical_path
    named = " -> ".join(path[:5]) + (f" -> ... -> {path[-1]}" if len(path) > 5 else "")
    say(f"  critical path {plan.critical_path_s:,.2f} s: {named}")
    rows = [
        (
            f"{load.wave}",
            load.agent,
            f"{load.tasks:,}",
            f"{load.load_s:,.2f}",
            f"{load.start_s:,.2f}",
            f"{load.finish_s:,.2f}",
        )
        for load in loads[: limit or None]
    ]
    table(("wave", "agent", "tasks", "load s", "start s", "finish s"), rows)
    if limit and len(loads) > limit:
        say(f"... and {counted(len(loads) - limit, 'row')} more; --limit 0 lists them all")
