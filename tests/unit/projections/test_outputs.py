from collections import Counter
from functools import cache

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buddy.errors import BadInput
from buddy.journal.codec import Head, encode
from buddy.journal.codec import records as decode
from buddy.journal.events import (
    ApprovalRequested,
    ConflictFound,
    Expanded,
    Intent,
    Moved,
    Outcome,
    Record,
    Rung,
    UndoOutcome,
)
from buddy.projections.anomalies import LISTED, Watch
from buddy.projections.outputs import OUTPUTS, SCHEMAS, Output, project, schema, together
from unit.projections import strategies

NAMES = {
    "tool_execution_log.jsonl",
    "orchestration_summary.json",
    "execution_state_transitions.jsonl",
    "tool_conflicts.json",
    "rollback_events.jsonl",
    "learning_signals.jsonl",
    "system_health.json",
}
anything = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def written(
    outputs: dict[str, Output], records: list[Record], watch: Watch | None, first: bool
) -> dict[str, bytes]:
    """Feed record by record, as a run does, an engine's watch before or after the outputs."""
    grown = dict.fromkeys(outputs, b"")
    for record in records:
        if watch is not None and first:
            watch.feed(record)
        for name, output in outputs.items():
            grown[name] += output.feed(record)
        if watch is not None and not first:
            watch.feed(record)
    for name, output in outputs.items():
        whole = output.close()
        assert (whole is None) == name.endswith(".jsonl")
        if whole is not None:
            assert grown[name] == b""
            grown[name] = whole
    return grown


def test_the_names_are_exactly_those_of_the_interface() -> None:
    assert set(OUTPUTS) == set(SCHEMAS) == NAMES
    assert set(together()) == set(project([])) == NAMES


@anything
@given(strategies.journals(), st.booleans())
def test_written_bit_by_bit_or_at_once_it_is_the_same(records: list[Record], first: bool) -> None:
    whole = {name: content for name, content in project(records).items() if name in NAMES}
    alone = {name: make() for name, make in OUTPUTS.items()}
    assert written(alone, records, None, first) == whole
    watch = Watch()
    assert written(together(watch), records, watch, first) == whole


@anything
@given(strategies.journals())
def test_a_journal_read_back_gives_the_same_outputs(records: list[Record]) -> None:
    head, lines = Head(), []
    for record in records:
        line, head = encode(record.event, head, record.time)
        lines.append(line)
    assert project(record for record, _ in decode(lines)) == project(records)


@cache
def validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema(name))


@anything
@given(strategies.journals())
def test_every_output_fits_its_schema(records: list[Record]) -> None:
    found = project(records)
    for name in NAMES:
        documents = found[name].splitlines() if name.endswith(".jsonl") else [found[name]]
        for document in documents:
            errors = [str(error) for error in validator(name).iter_errors(msgspec.json.decode(document))]
            assert errors == [], name


def test_a_schema_is_asked_for_by_the_name_of_its_file() -> None:
    with pytest.raises(BadInput, match="no output is called 'nothing'; there are agent_assignments"):
        schema("nothing")


@anything
@given(strategies.journals(size=60))
def test_the_counts_are_those_that_a_naive_reader_would_come_to(records: list[Record]) -> None:
    status: dict[tuple[str, str], str] = {}
    for record in records:
        event = record.event
        said = getattr(event, "status", None)
        if said is not None:
            status[event.plan, event.step] = said.value  # type: ignore[union-attr]
        elif isinstance(event, Expanded):
            # Its items stand in its place from here on.
            status.pop((event.plan, event.step), None)
    # A step that was opened again has come to no rest.
    status = {step: name for step, name in status.items() if name != "PENDING"}
    found = project(records)
    summary = msgspec.json.decode(found["orchestration_summary.json"])
    steps = summary["steps"]
    assert {name: n for name, n in steps["by_status"].items() if n} == dict(Counter(status.values()))
    assert steps["settled"] == sum(steps["by_final_mode"].values()) == len(status)
    assert sum(steps["held_by_rule"].values()) <= steps["by_status"]["HELD"]
    assert sum(row["steps"] for row in summary["agents"].values()) == len(status)
    assert sum(row["steps"] for row in summary["tools"].values()) == len(status)
    approvals = summary["approvals"]
    assert sum(n for name, n in approvals.items() if name != "requested") == approvals["requested"]
    assert min(approvals.values()) >= 0
    kinds = Counter(type(record.event) for record in records)
    asked = {
        record.event.request.approval_id for record in records if isinstance(record.event, ApprovalRequested)
    }
    assert approvals["requested"] >= len(asked)
    assert summary["conflicts"]["total"] == kinds[ConflictFound]
    assert summary["rollbacks"]["total"] == kinds[UndoOutcome]
    assert len(found["rollback_events.jsonl"].splitlines()) == kinds[UndoOutcome]
    climbs = sum(
        isinstance(record.event, Rung | Intent) and record.event.moved_from is not None for record in records
    )
    assert len(found["execution_state_transitions.jsonl"].splitlines()) == kinds[Moved] + climbs
    attempts = len(found["tool_execution_log.jsonl"].splitlines())
    assert kinds[Rung] <= attempts <= kinds[Rung] + kinds[Intent] + kinds[Outcome]


@anything
@given(strategies.journals(size=60))
def test_rates_are_rates_and_the_score_is_a_score(records: list[Record]) -> None:
    health = msgspec.json.decode(project(records)["system_health.json"])
    for name in ("success_rate", "rollback_frequency", "conflict_rate", "live_ratio", "approval_rate"):
        value = health["metrics"][name]["value"]
        assert value is None or 0 <= value <= 1, name
    score = health["health_score"]
    assert score is None or 0 <= score <= 100
    assert (health["status"] == "NO_DATA") == (score is None)


@anything
@given(strategies.journals(size=60))
def test_health_lists_the_anomalies_that_the_watch_told(records: list[Record]) -> None:
    watch = Watch()
    told = [anomaly for record in records for anomaly in watch.feed(record)]
    health = msgspec.json.decode(project(records)["system_health.json"])
    counts = Counter(anomaly.type.value for anomaly in told)
    assert health["anomaly_counts"] == counts
    assert max(counts.values(), default=0) <= LISTED
    assert health["anomalies"] == msgspec.to_builtins(told)
