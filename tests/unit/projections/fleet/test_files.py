"""The files of a fleet: written wave by wave, rebuilt, compared with goldens and with their schemas."""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import get_args

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buddy.journal.events import (
    Outcome,
    PlanStarted,
    Record,
    Rung,
    Settled,
    TaskAssigned,
    UndoOutcome,
    WaveFinished,
    WaveStarted,
)
from buddy.journal.times import iso
from buddy.model.outcome import StepStatus
from buddy.projections.anomalies import Watch
from buddy.projections.fleet.files import FleetFiles, folder_of
from buddy.projections.outputs import FLEET_SCHEMAS, OUTPUTS, grows, project, schema
from buddy.projections.signal_types import AnySignal, FleetSignal
from unit.projections import journals, strategies
from unit.projections.fleet.stories import PLAN, T, Tale, many

GOLDENS = Path(__file__).parents[3] / "golden" / "fleet"
anything = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def story() -> Tale:
    tale = Tale(tasks=16)
    tale.wave(1, *many(3, "a", 3, heuristic="h1"), *many(3, "b", 2, rate=0.8, prediction="p1"))
    tale.wave(2, *many(4, "a", 0, heuristic="h1"), *many(3, "b", 3, rate=0.8), T(agent="b", attempts="-+"))
    tale.wave(3, T(attempts="-"), T(agent="b", attempts="", status=StepStatus.HELD, moved_from="a"))
    return tale


def written(records: Iterable[Record]) -> dict[str, bytes]:
    """Write as a sink does: part by part, in a dictionary in place of a folder."""
    watch = Watch()
    files, folder = FleetFiles(watch), dict[str, bytes]()

    def write(name: str, data: bytes, *, more: bool) -> None:
        folder[name] = (folder.get(name, b"") if more else b"") + data

    for record in records:
        for part in files.feed(record):
            write(part.name, part.data, more=part.grows)
    for part in files.close():
        write(part.name, part.data, more=part.grows)
    return folder


def test_the_folder_is_that_of_phase_21() -> None:
    found = set(written(story().done()))
    wave_files = {
        "agent_assignments.jsonl",
        "executed_tasks.jsonl",
        "agent_metrics.jsonl",
        "agent_feedback.jsonl",
    }
    assert found == {
        *(f"wave_{wave}/{agent}/{name}" for wave in (1, 2, 3) for agent in "ab" for name in wave_files),
        "phase21_system_health.json",
        "phase21_execution_summary.json",
        "phase21_learning_signals.jsonl",
        "phase21_gantt.svg",
        "PHASE_21_AUTONOMOUS_EXECUTION.md",
        "feedback/phase16/heuristic_feedback.jsonl",
        "feedback/phase18/coordination_feedback.jsonl",
        "feedback/phase20/prediction_validation_feedback.jsonl",
    }


def test_a_run_without_a_fleet_has_none_of_them() -> None:
    plain = journals.records([journals.started(), journals.mocked("s"), journals.finished()])
    assert written(plain) == {}
    assert set(project(plain)) == set(OUTPUTS)
    waves_of_no_fleet = journals.records([journals.started(), WaveFinished(plan="p", wave=1)])
    assert written(waves_of_no_fleet) == {}


def test_files_of_a_wave_are_there_when_it_is_over() -> None:
    watch = Watch()
    files = FleetFiles(watch)
    parts = [files.feed(record) for record in Tale().wave(1, *many(2, "a", 2)).records]
    assert [len(found) for found in parts[:-1]] == [0] * (len(parts) - 1)
    assert [part.name for part in parts[-1]] == [
        "phase21_learning_signals.jsonl",
        "feedback/phase18/coordination_feedback.jsonl",
        "feedback/phase16/heuristic_feedback.jsonl",
        "feedback/phase20/prediction_validation_feedback.jsonl",
        "wave_1/a/agent_assignments.jsonl",
        "wave_1/a/executed_tasks.jsonl",
        "wave_1/a/agent_metrics.jsonl",
        "wave_1/a/agent_feedback.jsonl",
    ]


def test_what_happens_to_a_task_after_its_wave_is_told_in_its_file() -> None:
    tale = Tale().wave(1, T(name="x", attempts="", status=StepStatus.HELD))
    tale.add(journals.rung("x", status=StepStatus.SUCCEEDED))
    [line] = journals.lines(written(tale.done())["wave_1/a/executed_tasks.jsonl"])
    assert (line["status"], line["step_status"]) == ("COMPLETED", "SUCCEEDED")


def test_feedback_of_an_agent_is_its_own_signals() -> None:
    found = written(story().done())
    lines = journals.lines(found["wave_2/a/agent_feedback.jsonl"])
    assert [line["signal_type"] for line in lines] == ["agent_performance", "ANOMALY", "ANOMALY"]
    assert {line["agent_id"] for line in lines} == {"a"}
    every = journals.lines(found["phase21_learning_signals.jsonl"])
    assert [line for line in every if line["agent_id"] == "a" and line["content"].get("wave") == 2] == lines[
        :1
    ]


def test_the_signals_of_waves_are_among_those_of_the_run() -> None:
    found = project(story().done())
    of_the_run = found["learning_signals.jsonl"].splitlines()
    of_the_fleet = found["phase21_learning_signals.jsonl"].splitlines()
    assert of_the_fleet
    assert [line for line in of_the_run if line in of_the_fleet] == of_the_fleet
    assert len(of_the_run) > len(of_the_fleet)


def test_a_file_that_no_signal_went_to_is_empty_and_there() -> None:
    found = written(Tale().wave(1, T(attempts="", status=StepStatus.HELD)).done())
    assert found["feedback/phase20/prediction_validation_feedback.jsonl"] == b""


@pytest.mark.parametrize(
    ("agent", "folder"),
    [
        ("agent_0", "agent_0"),
        ("Ada Lovelace-2", "Ada Lovelace-2"),
        ("a.b", "a_b.123456789012"),
        ("../../etc", "______etc.c08a6c2c7f21"),
        (".hidden", "_hidden.cf1cca9e3d52"),
        ("a/b", "a_b.c14cddc033f6"),
        ("é", "_.4a99557e4033"),
    ],
)
def test_an_agent_cannot_choose_where_its_files_go(agent: str, folder: str) -> None:
    found = folder_of(agent)
    assert found.rpartition(".")[0] == folder.rpartition(".")[0]
    assert (found == agent) is (folder == agent)


@given(st.text(min_size=1, max_size=256), st.text(min_size=1, max_size=256))
def test_folders_are_plain_names_and_no_two_agents_share_one(one: str, other: str) -> None:
    first, second = folder_of(one), folder_of(other)
    assert (first == second) is (one == other)
    assert "/" not in first
    assert not first.startswith(".")
    assert len(first.encode()) <= 100


# any journal

NAMED = {
    **strategies.NAMED,
    "wave": st.sampled_from([1, 2]),
    "agents": st.sampled_from([["a"], ["a", "b"], []]),
}
FLEET_EVENTS = (TaskAssigned, WaveStarted, WaveFinished, Rung, Settled, Outcome, UndoOutcome)


@st.composite
def fleets(draw: st.DrawFn) -> list[Record]:
    """A fleet that begins as it should, and then anything that can happen to one."""
    first = draw(
        st.fixed_dictionaries({"kind": st.sampled_from(["waves", "continuous"]), "agents": NAMED["agents"]})
    )
    tale = Tale(**{**PLAN, **first})
    events = draw(st.lists(st.one_of([strategies.struct(kind) for kind in FLEET_EVENTS]), max_size=40))
    fixed = [
        msgspec.structs.replace(
            event, plan="p", **({"wave": 1 + event.wave % 2} if hasattr(event, "wave") else {})
        )
        for event in events
    ]
    for event in fixed:
        tale.now += 1
        tale.add(event)
    return tale.done() if draw(st.booleans()) else tale.records


@cache
def validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema(name))


@anything
@given(fleets())
def test_any_fleet_is_written_bit_by_bit_as_it_is_rebuilt_and_fits_its_schemas(records: list[Record]) -> None:
    whole = project(records)
    assert written(records) == {name: whole[name] for name in whole if name not in OUTPUTS}
    for name, content in whole.items():
        if name.endswith((".md", ".svg")):
            continue
        documents = content.splitlines() if name.endswith(".jsonl") else [content]
        for document in documents:
            errors = list(validator(name.rpartition("/")[2]).iter_errors(msgspec.json.decode(document)))
            assert errors == [], name


@anything
@given(fleets(), st.integers(0, 40))
def test_what_grows_has_an_earlier_state_as_its_beginning(records: list[Record], cut: int) -> None:
    before, after = project(records[:cut]), project(records)
    assert all(after[name].startswith(content) for name, content in before.items() if grows(name))


def test_what_begins_a_fleet_may_come_twice_and_the_first_counts() -> None:
    records = story().done()
    twice = [record for record in records if isinstance(record.event, PlanStarted)]
    again = [*records, Record(len(records) + 1, iso(journals.START + 1e6), twice[0].event)]
    assert written(again).keys() == written(records).keys()


def test_every_signal_of_a_fleet_is_one_of_the_run() -> None:
    assert set(get_args(FleetSignal)) <= set(get_args(AnySignal))


# goldens


@pytest.mark.parametrize("name", sorted(written(story().done())))
def test_files_are_the_goldens(name: str) -> None:
    content = written(story().done())[name]
    golden = GOLDENS / name
    if os.environ.get("BUDDY_WRITE_GOLDENS"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_bytes(content)
    assert content == golden.read_bytes()


def test_there_is_no_golden_that_nothing_writes() -> None:
    kept = {str(file.relative_to(GOLDENS)) for file in GOLDENS.rglob("*") if file.is_file()}
    assert kept == set(written(story().done()))


def test_every_kind_of_file_has_a_schema() -> None:
    names = {name.rpartition("/")[2] for name in written(story().done())}
    assert {name for name in names if not name.endswith((".md", ".svg"))} == set(FLEET_SCHEMAS)
