import msgspec

from buddy.model.outcome import StepStatus
from buddy.projections.fleet.feedback import PHASE_16, PHASE_18, PHASE_20, told
from unit.projections.fleet.stories import T, Tale, many
from unit.projections.fleet.test_signals import signals


def test_each_phase_hears_what_is_for_it_in_its_own_form() -> None:
    tale = Tale().wave(1, *many(4, "a", 2, heuristic="h", prediction="x"), *many(4, "b", 4, heuristic="h"))
    lines: dict[str, list[dict[str, object]]] = {}
    for signal in signals(tale):
        if (found := told(signal)) is not None:
            lines.setdefault(found[0], []).append(msgspec.json.decode(found[1]))
    assert {name: len(found) for name, found in lines.items()} == {PHASE_18: 3, PHASE_16: 1, PHASE_20: 2}
    [heuristic] = lines[PHASE_16]
    assert heuristic["heuristic_id"] == "h"
    assert (heuristic["accuracy"], heuristic["error_rate"], heuristic["improvement"]) == (0.85, 0.25, None)
    a, b, every = lines[PHASE_18]
    assert (a["agent_id"], a["performance_score"], a["coordination_issues"]) == (
        "a",
        50.0,
        ["prediction_drift"],
    )
    assert (b["agent_id"], b["performance_score"], b["interference_count"]) == ("b", 100.0, None)
    assert (every["agent_id"], every["performance_score"], every["interference_count"]) == (None, 100.0, 0)
    whole, one = lines[PHASE_20]
    assert (whole["prediction_id"], whole["actual_success"], whole["confidence_delta"]) == (None, 0.75, -0.15)
    assert (one["prediction_id"], one["actual_success"], one["confidence_delta"]) == ("x", 0.5, -0.4)


def test_anomalies_are_in_no_file_of_a_phase() -> None:
    tale = Tale().wave(1, *many(4, "a", 0))
    assert [told(signal) for signal in signals(tale)].count(None) == 3


def test_an_agent_without_a_finished_task_has_no_score() -> None:
    [one, _] = signals(Tale().wave(1, T(attempts="", status=StepStatus.HELD)))
    found = told(one)
    assert found is not None
    assert msgspec.json.decode(found[1])["performance_score"] is None
