import pytest

from buddy.journal.times import iso
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus
from buddy.projections.fleet.lines import TaskStatus, assignment, executed, metrics, word
from buddy.projections.fleet.shares import Share
from unit.projections.fleet.stories import START, T, Tale, fleet, many


@pytest.mark.parametrize(
    ("task", "status"),
    [
        (T(), TaskStatus.COMPLETED),
        (T(attempts="--"), TaskStatus.FAILED),
        (T(attempts="", status=StepStatus.HELD), TaskStatus.PENDING),
        (T(attempts="", status=StepStatus.SUCCEEDED), TaskStatus.PENDING),
        (T(attempts="", status=StepStatus.UNKNOWN), TaskStatus.IN_PROGRESS),
        (T(attempts="", status=StepStatus.SKIPPED), TaskStatus.FAILED),
        (T(attempts="", status=StepStatus.ABORTED), TaskStatus.FAILED),
        (T(attempts="+", status=StepStatus.ROLLED_BACK), TaskStatus.FAILED),
    ],
)
def test_settled_tasks_in_the_words_of_phase_21(task: T, status: TaskStatus) -> None:
    assert word(fleet(Tale().wave(1, task)).tasks["t1"]) is status


def test_tasks_that_are_not_settled() -> None:
    tale = Tale().wave(1, T(attempts=""), T(attempts="--+"), T(attempts="+-"), finish=False)
    tale.records = [record for record in tale.records if getattr(record.event, "status", None) is None]
    tasks = fleet(tale).tasks
    assert [word(tasks[name]) for name in ("t1", "t2", "t3")] == [
        TaskStatus.PENDING,
        TaskStatus.RETRYING,
        TaskStatus.IN_PROGRESS,
    ]
    line = executed(tasks["t2"])
    assert (line.success, line.end_time, line.duration_s, line.step_status) == (None, None, None, None)
    assert (line.start_time, line.error_msg, line.attempts) == (iso(START), "no", 2)


def test_who_got_a_task() -> None:
    tasks = fleet(Tale().wave(3, T(rate=0.7, seconds=4, moved_from="b", name="x"))).tasks
    line = assignment(tasks["x"])
    assert (line.task_id, line.agent_id, line.moved_from, line.wave) == ("x", "a", "b", 3)
    assert (line.predicted_success_rate, line.recalibrated_success_rate) == (0.7, 0.7)
    assert (line.estimated_duration_s, line.assigned_at, line.tool_name) == (4.0, iso(START), "t")


def test_what_became_of_tasks() -> None:
    tale = Tale().wave(1, T(seconds=4), T(seconds=6, attempts="--"), T(attempts="", status=StepStatus.HELD))
    done, failed, held = (executed(fleet(tale).tasks[name]) for name in ("t1", "t2", "t3"))
    assert (done.success, done.error_msg, done.final_mode, done.duration_s) == (True, None, Mode.MOCK, 4.0)
    assert (failed.success, failed.error_msg, failed.final_mode) == (False, "no", None)
    assert (failed.start_time, failed.end_time, failed.duration_s) == (iso(START + 4), iso(START + 16), 12.0)
    assert (held.success, held.start_time, held.end_time, held.duration_s) == (None, None, None, None)
    assert (held.rule, held.error_msg, held.step_status) == ("caps", "used up", StepStatus.HELD)


def test_what_was_measured_of_an_agent() -> None:
    tale = Tale().wave(1, *many(4, "a", 3, rate=0.9, seconds=5), *many(4, "b", 4, seconds=10))
    [wave] = fleet(tale).over
    found = {line.metric_name: line.value for line in metrics(wave, wave.shares["a"])}
    assert found == {
        "success_rate": 0.75,
        "first_attempt_success_rate": 0.75,
        "availability": 1.0,
        "accuracy": 0.85,
        "confidence": 0.9,
        "prediction_error": 0.15,
        "tasks": 4,
        "attempts": 4,
        "assigned_s": 20.0,
        "busy_s": 20.0,
        "utilisation": 0.5,
        "avg_latency_ms": 5000.0,
    }


def test_a_quarantined_agent_was_not_available_and_an_idle_one_measured_nothing() -> None:
    tale = Tale().wave(1, *many(4, "a", 0)).wave(2, T(agent="a", attempts="", status=StepStatus.HELD))
    wave = fleet(tale).over[1]
    idle = Share(agent="b")
    a, b = ({line.metric_name: line.value for line in metrics(wave, x)} for x in (wave.shares["a"], idle))
    assert (a["availability"], a["success_rate"], a["accuracy"]) == (0.0, None, None)
    assert (b["availability"], b["tasks"], b["avg_latency_ms"], b["utilisation"]) == (1.0, 0, None, None)
