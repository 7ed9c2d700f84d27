import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from buddy.adapters.inputs.predictions import SCHEDULE, TASKS, read_folder
from buddy.core.fleet import Crew
from buddy.errors import BadInput
from buddy.model.plan import Plan

GOOD = b'{"task_id": "t", "predicted_success_rate": 0.9}'
LATIN = '{"task_id": "é"}'.encode("latin-1")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f").mkdir()


def write(name: str, *lines: bytes) -> bytes:
    data = b"\n".join(lines)
    Path("f", name).write_bytes(data)
    return data


def task(name: str, **fields: Any) -> bytes:
    return json.dumps({"task_id": name, "predicted_success_rate": 0.9, **fields}).encode()


def read() -> tuple[Plan, str]:
    return read_folder(Path("f"), "the folder", "plan", Crew(agents=("a0", "a1")))


def refusal() -> BadInput:
    with pytest.raises(BadInput) as caught:
        read()
    return caught.value


def problems() -> list[str]:
    return list(refusal().problems)


def test_tasks_alone_are_enough() -> None:
    data = write(TASKS, task("t"), task("u", depends_on=["t"]))
    plan, digest = read()
    assert (plan.plan_id, plan.fleet) == ("plan", "waves")
    assert [(step.step_id, step.tool, step.agent, step.depends_on) for step in plan.steps] == [
        ("t", "task", "a0", ()),
        ("u", "task", "a0", ("t",)),
    ]
    assert digest == hashlib.sha256(data).hexdigest()


def test_the_schedule_says_who_and_when_and_is_part_of_the_digest() -> None:
    tasks = write(TASKS, task("t"), task("u"))
    schedule = write(SCHEDULE, b'{"task_id": "t", "agent_id": "a1", "wave": 2}')
    plan, digest = read()
    assert [(step.step_id, step.agent, step.task and step.task.wave) for step in plan.steps] == [
        ("u", "a0", 1),
        ("t", "a1", 2),
    ]
    assert digest == hashlib.sha256(tasks + schedule).hexdigest()


def test_an_empty_schedule_schedules_nothing() -> None:
    write(TASKS, GOOD)
    write(SCHEDULE)
    assert [step.agent for step in read()[0].steps] == ["a0"]


def test_blank_lines_line_ends_of_windows_and_a_byte_order_mark_do_no_harm() -> None:
    write(TASKS, b"\xef\xbb\xbf" + task("t") + b"\r", b"", b" \t\r", task("u"), b"")
    write(SCHEDULE, b"\xef\xbb\xbf" + b'{"task_id": "u", "wave": 3}\r', b"")
    assert [step.step_id for step in read()[0].steps] == ["t", "u"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (LATIN, ": expected UTF-8 text, found byte 0xe9 at offset 13"),
        (b"{", ": expected JSON, found a syntax error at column 2: "),
        (b"t", ": expected JSON, found a syntax error at column 1: Expecting value"),
        (GOOD + GOOD, ": expected JSON, found a syntax error at column 48: Extra data"),
        (b"[" * 100_000, ": expected JSON of reasonable depth, found too many levels"),
        (b"[]", ": the document: expected object, found []"),
        (b"{}", ": the document: expected the key 'task_id', found none"),
        (b'{"task_id": 1}', ": task_id: expected string, found 1"),
        (b'{"task_id": "%s"}' % (b"x" * 257), ": task_id: expected at most 256 characters, found 'xxx"),
        (
            b'{"task_id": "t", "task_id": "t"}',
            ": expected each key once, found 'task_id' twice in one object",
        ),
        (b'{"task_id": "t", "colour": 1}', ": the document: expected no unknown keys, found 'colour'"),
        (b'{"task_id": "t", "wave": 0}', ": wave: expected at least 1, found 0"),
        (b'{"task_id": "t", "wave": 1000001}', ": wave: expected at most 1000000, found 1000001"),
        (b'{"task_id": "t", "wave": 1.5}', ": wave: expected integer, found 1.5"),
        (b'{"task_id": "t", "wave": NaN}', ": expected a number, found NaN"),
        (b'{"task_id": "t", "wave": 1e999}', ": expected a number of double precision, found '1e999'"),
    ],
)
@pytest.mark.parametrize("name", [TASKS, SCHEDULE])
def test_a_bad_line_of_either_file_is_told_by_its_number(name: str, line: bytes, sentence: str) -> None:
    write(TASKS, GOOD)
    good = GOOD if name == TASKS else b'{"task_id": "t"}'
    write(name, good, b"", line, b"")
    (told,) = problems()
    assert told.startswith(f"the folder/{name} line 3{sentence}")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"predicted_success_rate": 1.5}, "predicted_success_rate: expected at most 1, found 1.5"),
        ({"predicted_success_rate": -0.1}, "predicted_success_rate: expected at least 0, found -0.1"),
        ({"predicted_success_rate": "high"}, "predicted_success_rate: expected number, found 'high'"),
        ({"predicted_success_rate": None}, "expected a predicted_success_rate, found none"),
        ({"success_probability": 2}, "success_probability: expected at most 1, found 2"),
        (
            {"success_probability": 0.5},
            "success_probability: expected 0.9, as predicted_success_rate, found 0.5",
        ),
        ({"confidence": True}, "confidence: expected number, found true"),
        ({"complexity": -1}, "complexity: expected at least 0, found -1"),
        ({"priority": "high"}, "priority: expected number, found 'high'"),
        ({"depends_on": "t"}, "depends_on: expected array, found 't'"),
        ({"depends_on": [1]}, "depends_on[0]: expected string, found 1"),
        ({"depends_on": ["gone"]}, "depends_on: expected the id of a task, found 'gone'"),
        ({"estimated_duration_s": -1}, "estimated_duration_s: expected at least 0, found -1"),
        (
            {"estimated_duration_s": 2e9},
            "estimated_duration_s: expected at most 1000000000.0, found 2000000000.0",
        ),
        ({"tool": ""}, "tool: expected at least 1 characters, found ''"),
        ({"args": []}, "args: expected object, found []"),
        (
            {"group": "a[0]"},
            "id 'a[0]': expected an id without '[', ']', '#', control or invisible characters",
        ),
    ],
)
def test_a_bad_value_of_a_task_is_told_by_its_line(fields: dict[str, Any], sentence: str) -> None:
    write(TASKS, GOOD, b"", task("u", **fields))
    assert problems() == [f"the folder/{TASKS} line 3: {sentence}"]


def test_every_value_of_a_line_that_is_wrong_is_told() -> None:
    write(TASKS, task("u", confidence=2, wave=0, colour=1))
    assert sorted(problems()) == [
        f"the folder/{TASKS} line 1: confidence: expected at most 1, found 2",
        f"the folder/{TASKS} line 1: the document: expected no unknown keys, found 'colour'",
        f"the folder/{TASKS} line 1: wave: expected at least 1, found 0",
    ]


@pytest.mark.parametrize("lines", [[], [b"", b" \t", b""]])
def test_a_file_without_a_task_is_refused(lines: list[bytes]) -> None:
    write(TASKS, *lines)
    assert problems() == [f"the folder/{TASKS}: expected at least one task, found none"]


def test_a_file_that_is_not_there_is_refused_unless_it_is_the_schedule() -> None:
    assert problems() == [f"the folder/{TASKS}: expected a file of predictions, found nothing there"]


@pytest.mark.parametrize("name", [TASKS, SCHEDULE])
def test_a_folder_instead_of_a_file_is_refused(name: str) -> None:
    if name == SCHEDULE:
        write(TASKS, GOOD)
    Path("f", name).mkdir()
    assert problems() == [
        f"the folder/{name}: expected a file of predictions, found a folder, pipe or device"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused() -> None:
    write(TASKS, GOOD)
    Path("f", TASKS).chmod(0)
    assert "Permission denied" in problems()[0]


def test_problems_of_both_files_are_reported_together() -> None:
    write(TASKS, b"{", GOOD, task("u", wave=0))
    Path("f", SCHEDULE).mkdir()
    told = [one.removeprefix("the folder/").split(": expected")[0] for one in problems()]
    assert told == [f"{TASKS} line 1", f"{TASKS} line 3: wave", SCHEDULE]


def test_what_contradicts_the_other_file_is_told_once_each_line_is_right() -> None:
    write(TASKS, GOOD)
    write(SCHEDULE, b"", b'{"task_id": "u", "agent_id": "a9"}')
    assert problems() == [
        f"the folder/{SCHEDULE} line 2: task_id: expected a task of predicted_tasks.jsonl, found 'u'",
        f"the folder/{SCHEDULE} line 2: agent_id: expected one of a0, a1, found 'a9'",
    ]


def test_the_first_hundred_problems_of_both_files_are_listed_and_the_rest_counted() -> None:
    write(TASKS, *[b'{"a": 1, "b": 2}'] * 30)  # three problems a line
    write(SCHEDULE, *[b"{"] * 25)
    refused = refusal()
    assert (len(refused.problems), refused.omitted) == (100, 15)
    assert refused.problems[99].startswith(f"the folder/{SCHEDULE} line 10: ")
    write(TASKS, b'{"depends_on": %s}' % json.dumps([0] * 150).encode())
    refused = refusal()
    assert (len(refused.problems), refused.omitted) == (100, 51 + 25)
