"""`phase21_gantt.svg`: who did which task when."""

import re
from collections.abc import Iterator
from html import escape
from math import ceil, floor, log10

from msgspec import Struct

from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.lines import TaskStatus, word
from buddy.projections.fleet.shares import Task

LEFT, RIGHT, TOP, BOTTOM = 120.0, 20.0, 56.0, 34.0
WIDTH = 900.0
"""Of the time axis, pixels."""
LANE = 18.0
"""Height of a lane, pixels; an agent with more than one task at a time has several."""
SINGLE = 3_000
"""Tasks up to which each has a bar of its own; beyond, neighbours of one colour that touch become one."""
TOUCHING = 0.5
"""Pixels between bars that touch."""

_COLOURS = {
    TaskStatus.COMPLETED: "#2f9e62",
    TaskStatus.FAILED: "#d64545",
    TaskStatus.PENDING: "#e0a030",
    TaskStatus.IN_PROGRESS: "#7a7f87",
    TaskStatus.RETRYING: "#7a7f87",
}
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAMES = {"COMPLETED": "completed", "FAILED": "failed", "PENDING": "held", "IN_PROGRESS": "end unknown"}


class Bar(Struct, kw_only=True):
    """A task, or several that touch, on the time axis.

    Attributes:
        start, end: seconds from the start of the first task.
        status: its colour.
        title: what it is.
        tasks: how many.
    """

    start: float
    end: float
    status: TaskStatus
    title: str
    tasks: int = 1


def chart(fleet: Fleet) -> bytes:
    """Draw the tasks of a fleet that were tried, one row an agent."""
    whole = fleet.makespan_s or 1.0
    rows = [(agent, list(_lanes(bars))) for agent, bars in _bars(fleet).items()]
    if sum(len(lane) for _, lanes in rows for lane in lanes) > SINGLE:
        near = TOUCHING * whole / WIDTH
        rows = [(agent, [list(_merged(lane, near)) for lane in lanes]) for agent, lanes in rows]
    height = TOP + LANE * sum(max(1, len(lanes)) for _, lanes in rows) + BOTTOM
    drawn = [*_frame(fleet, height), *_axis(whole, height), *_waves(fleet, whole, height)]
    y = TOP
    for agent, lanes in rows:
        drawn.append(
            f'<text x="{LEFT - 8:g}" y="{y + LANE - 5:g}" text-anchor="end">{_xml(_short(agent))}</text>'
        )
        for lane in lanes or [[]]:
            drawn += [_drawn(bar, y, whole) for bar in lane]
            y += LANE
    return "\n".join([*drawn, "</svg>", ""]).encode()


def _bars(fleet: Fleet) -> dict[str, list[Bar]]:
    found: dict[str, list[Bar]] = {agent: [] for agent in fleet.standings}
    for task in fleet.tasks.values():
        if task.assigned is not None:
            status = word(task)
            title = _title(task, status) if task.spans else ""
            found[task.agent] += [
                Bar(start=fleet.elapsed_s(start), end=fleet.elapsed_s(end), status=status, title=title)
                for start, end in task.spans
            ]
    for bars in found.values():
        bars.sort(key=lambda bar: (bar.start, bar.end))
    return found


def _title(task: Task, status: TaskStatus) -> str:
    assert task.assigned is not None
    again = f", {task.attempts} attempts" if task.attempts > 1 else ""
    return f"{task.task_id}: wave {task.assigned.wave}, {task.busy_s:,.6g} s, {status.value}{again}"


def _lanes(bars: list[Bar]) -> list[list[Bar]]:
    """Put bars into as few lanes as hold them without overlap, first come first."""
    lanes: list[list[Bar]] = []
    for bar in bars:
        lane = next((lane for lane in lanes if lane[-1].end <= bar.start), None)
        if lane is None:
            lanes.append([bar])
        else:
            lane.append(bar)
    return lanes


def _merged(lane: list[Bar], near: float) -> Iterator[Bar]:
    """Make one of neighbours of the same colour; a lane has at least one bar."""
    held, *rest = lane
    for bar in rest:
        if held.status is bar.status and bar.start - held.end <= near:
            held.end, held.tasks = bar.end, held.tasks + 1
            held.title = f"{held.tasks:,} tasks, {bar.status.value}"
        else:
            yield held
            held = bar
    yield held


def _frame(fleet: Fleet, height: float) -> Iterator[str]:
    width = LEFT + WIDTH + RIGHT
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
        f' height="{height:g}" font-family="system-ui, sans-serif" font-size="11" fill="#30343a">'
    )
    yield f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    yield (
        f'<text x="{LEFT:g}" y="20" font-size="14" font-weight="600">{_xml(_short(fleet.plan_id, 60))}:'
        f" {len(fleet.plan.agents)} agents, {fleet.makespan_s:,.6g} s</text>"
    )
    x = LEFT
    for status, name in _NAMES.items():
        yield f'<rect x="{x:g}" y="29" width="10" height="10" rx="2" fill="{_COLOURS[TaskStatus(status)]}"/>'
        yield f'<text x="{x + 14:g}" y="38">{name}</text>'
        x += 90


def _axis(whole: float, height: float) -> Iterator[str]:
    step = _step(whole)
    for number in range(floor(whole / step) + 1):
        x = LEFT + WIDTH * number * step / whole
        yield (
            f'<line x1="{x:.1f}" y1="{TOP:g}" x2="{x:.1f}" y2="{height - BOTTOM:g}" stroke="#e6e8eb"/>'
            f'<text x="{x:.1f}" y="{height - BOTTOM + 14:g}" text-anchor="middle">{number * step:,.6g}</text>'
        )
    yield f'<text x="{LEFT + WIDTH:g}" y="{height - 6:g}" text-anchor="end">seconds</text>'


def _step(whole: float) -> float:
    """Return the distance of ticks: 1, 2 or 5 times a power of ten, at most ten of them."""
    unit = 10.0 ** floor(log10(whole / 10))
    return next((unit * times for times in (1, 2, 5) if unit * times * 10 >= whole), unit * 10)


def _waves(fleet: Fleet, whole: float, height: float) -> Iterator[str]:
    """Mark where waves end, where there is a barrier and room to tell."""
    over = fleet.over[:-1]
    if fleet.plan.kind != "waves" or len(over) > WIDTH / 12:
        return
    for wave in over:
        x = LEFT + WIDTH * min(1.0, fleet.elapsed_s(wave.ended_at) / whole)
        yield (
            f'<line x1="{x:.1f}" y1="{TOP - 6:g}" x2="{x:.1f}" y2="{height - BOTTOM:g}" stroke="#9aa0a8"'
            f' stroke-dasharray="3 3"><title>end of wave {wave.number}</title></line>'
        )


def _drawn(bar: Bar, y: float, whole: float) -> str:
    x, width = LEFT + WIDTH * bar.start / whole, WIDTH * (bar.end - bar.start) / whole
    return (
        f'<rect x="{x:.2f}" y="{y + 2:g}" width="{max(width, 0.6):.2f}" height="{LANE - 4:g}"'
        f' fill="{_COLOURS[bar.status]}" stroke="#ffffff" stroke-width="0.3">'
        f"<title>{_xml(bar.title)}</title></rect>"
    )


def _xml(text: str) -> str:
    """Return text as XML takes it; letters that it has no way to say become question marks."""
    return escape(_NO_XML.sub("?", text))


def _short(text: str, most: int = 16) -> str:
    return text if len(text) <= most else f"{text[: ceil(most / 2) - 1]}…{text[-(most // 2) :]}"
