from xml.etree import ElementTree

import pytest

from buddy.journal.events import Settled
from buddy.model.outcome import StepStatus
from buddy.projections.fleet.gantt import SINGLE, chart
from buddy.projections.fleet.health import examine
from buddy.projections.fleet.report import report
from buddy.projections.fleet.summary import summarise
from unit.projections.fleet.stories import T, Tale, fleet, many

SVG = "{http://www.w3.org/2000/svg}"


def told(tale: Tale) -> str:
    found = fleet(tale)
    return report(found, summarise(found, "r1", {}), examine(found, "r1", "now", {})).decode()


def drawn(tale: Tale) -> ElementTree.Element:
    return ElementTree.fromstring(chart(fleet(tale)))


def bars(tale: Tale) -> list[tuple[str, float, float]]:
    """Title, left end and width of each bar, in seconds of a chart that is 900 pixels wide."""
    whole = fleet(tale).makespan_s / 900
    return [
        (title.text or "", (float(rect.attrib["x"]) - 120) * whole, float(rect.attrib["width"]) * whole)
        for rect in drawn(tale).iter(f"{SVG}rect")
        if (title := rect.find(f"{SVG}title")) is not None
    ]


def test_the_report_has_all_its_parts() -> None:
    tale = Tale(tasks=9)
    tale.wave(1, *many(4, "a", 1, rate=0.9), *many(4, "b", 4, rate=0.9))
    tale.wave(2, T(agent="b", attempts="", status=StepStatus.HELD), rebalanced=True)
    text = told(tale)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# Autonomous execution",
        "## Tasks to look at",
        "## Waves",
        "## Agents",
        "## Anomalies",
        "## Health by wave",
        "## Proposals",
        "## Where the rest is",
    ]
    assert "2 agents did 5 of 9 tasks in 2 waves and 40.00 s; 3 failed, 1 are open." in text
    assert "![Who did which task when, 2 agents](phase21_gantt.svg)" in text
    assert "| of that, cost of waiting for the end of waves | 1.00 s |" in text
    assert "| lower bound by the estimates | 10.00 s (makespan is 4.000 times of it) |" in text
    assert "| `t9` | `b` | HELD | caps: used up |" in text
    assert "| 2 (rebalanced) | 1 | 0.00 s | - |" in text
    assert "| HIGH | agent_failure | `agent:a` | 1 |" in text
    assert "| `a` | quarantined | 4 | 1 | 3 | 25.0 % | 90.0 % |" in text


def test_a_run_in_which_all_went_well_has_nothing_to_look_at() -> None:
    text = told(Tale(without_barrier_s=12.0, critical_path_s=1.0).wave(1, *many(2, "a", 2), *many(2, "b", 2)))
    assert "Tasks to look at" not in text
    assert "## Anomalies\n\nNone." in text
    assert "## Proposals\n\nNone." in text
    assert "From 98.0 in the first wave to 98.0 in the last" in text


def test_without_a_barrier_there_is_no_word_of_its_cost() -> None:
    assert "barriers" not in told(Tale(kind="continuous").wave(1, T()))


def test_a_fleet_that_finished_nothing() -> None:
    text = told(Tale(lower_bound_s=0.0, critical_path=[]).wave(1, T(attempts="", status=StepStatus.HELD)))
    assert "Nothing finished, so there is no score." in text
    assert "Health: **NO_DATA** (no data)." in text
    assert "| lower bound by the estimates | 0.00 s |" in text


def test_a_wave_without_a_score_is_a_gap_in_the_trend() -> None:
    tale = Tale().wave(1, T()).wave(2, T(attempts="", status=StepStatus.HELD)).wave(3, T(attempts="-"))
    # 40 + 20 + 20 x 0.9 + 0, since b has nothing; none; 20 + 20 x 0.1
    assert "`▇ ▂`" in told(tale)


def test_long_lists_are_cut_and_say_so() -> None:
    tale = Tale(tasks=150, critical_path=[f"t{number}" for number in range(10)])
    for wave in range(1, 151):
        tale.wave(wave, T(agent="a", attempts="-"))
    text = told(tale)
    assert "... and 130 more: `buddy runs show` lists them." in text
    assert "| ... 90 rows left out |" in text
    assert "`t0`, `t1`, `t2`, ... 6 more, `t9`" in text
    # 20 + 20 x 0.1; once a is out: 20 x 0.5 + 20 x 0.1 + 20, since b has nothing
    assert f"`{'▂' * 3}{'▃' * 117}` ..." in text
    assert "0 of 150 tasks in 150 waves and 25 min; 150 failed, 0 are open" in text


def test_so_many_anomalies_are_cut_and_say_so() -> None:
    tale = Tale()
    for wave in range(1, 46):
        tale.wave(wave, *many(2, "a", 2, seconds=40.0), *many(2, "b", 2, seconds=10.0))
    assert "... and 50 more, in `phase21_learning_signals.jsonl`." in told(tale)


def test_a_task_that_was_never_assigned_is_told_with_why() -> None:
    tale = Tale().wave(1, T(attempts="-"))
    why = "t1 failed"
    tale.add(Settled(plan="p", step="x", agent="b", tool="t", status=StepStatus.SKIPPED, reason=why))
    assert "| `x` | `b` | SKIPPED | t1 failed |" in told(tale)


def test_names_cannot_break_the_tables_or_the_drawing() -> None:
    odd = T(agent='a|`<b>&"', name="<script>|`x`", attempts="-")
    tale = Tale(agents=['a|`<b>&"', ""]).wave(1, odd)
    assert "\\<script\\>\\|\\`x\\`" in told(tale)
    assert "<script>" not in told(tale)
    assert bars(tale)[0][0].startswith("<script>|`x`: wave 1")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(599.0, "599.00 s"), (601.0, "10 min"), (3_700.0, "1 h 02 min"), (359_999.0, "100 h 00 min")],
)
def test_times_are_told_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert f"| makespan | {text} |" in told(Tale().wave(1, T(seconds=seconds)))


def test_each_task_is_a_bar_from_its_start_to_its_end() -> None:
    found = bars(Tale().wave(1, T(seconds=10), T(seconds=20, attempts="-+"), T(agent="b", seconds=25)))
    assert [title for title, _, _ in found] == [
        "t1: wave 1, 10 s, COMPLETED",
        "t2: wave 1, 40 s, COMPLETED, 2 attempts",
        "t3: wave 1, 25 s, COMPLETED",
    ]
    assert [start for _, start, _ in found] == pytest.approx([0, 10, 0], abs=0.01)
    assert [width for _, _, width in found] == pytest.approx([10, 40, 25], abs=0.01)


def test_tasks_of_one_agent_at_once_are_drawn_beneath_each_other() -> None:
    tale = Tale()
    tale.wave(1, T(agent="a", seconds=10), T(agent="b", seconds=10))
    found = fleet(tale)
    # b's task is a's as well: as if a could do two things at once
    task = found.tasks["t2"]
    assert task.assigned is not None
    task.assigned = found.tasks["t1"].assigned
    tops = [
        rect.attrib["y"]
        for rect in ElementTree.fromstring(chart(found)).iter(f"{SVG}rect")
        if rect.find(f"{SVG}title") is not None
    ]
    assert tops == ["58", "76"]


def test_barriers_are_drawn_where_there_are_any() -> None:
    def lines(kind: str) -> list[str]:
        tale = Tale(kind=kind).wave(1, T(seconds=10)).wave(2, T(seconds=30))
        return [
            found.text or "" for found in drawn(tale).iter(f"{SVG}title") if "end of" in (found.text or "")
        ]

    assert lines("waves") == ["end of wave 1"]
    assert lines("continuous") == []


def test_so_many_tasks_that_none_can_be_seen_are_drawn_together() -> None:
    tale = Tale().wave(1, *many(SINGLE, "a", SINGLE, seconds=0.01), *many(10, "b", 5, seconds=3.0))
    titles = [title for title, _, _ in bars(tale)]
    assert titles == [f"{SINGLE:,} tasks, COMPLETED", "5 tasks, COMPLETED", "5 tasks, FAILED"]


def test_a_fleet_that_tried_nothing_is_an_empty_chart() -> None:
    assert bars(Tale()) == []
    labels = [found.text for found in drawn(Tale()).iter(f"{SVG}text")]
    assert "p: 2 agents, 0 s" in labels
    assert {"a", "b"} <= set(labels)


def test_long_names_are_cut_in_the_middle() -> None:
    name = "agent-with-a-rather-long-name"
    labels = [found.text for found in drawn(Tale(agents=[name])).iter(f"{SVG}text")]
    assert "agent-w…ong-name" in labels
