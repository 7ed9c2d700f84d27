import hashlib
import json
from pathlib import Path

import pytest

from buddy.adapters.inputs.plans import PlanFiles
from buddy.core.fleet import Crew
from buddy.errors import BadInput
from buddy.journal.events import InputDigest
from buddy.model.fleet import AssignmentStrategy


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def folder(name: str, *tasks: bytes, schedule: bytes | None = None) -> str:
    """A folder of predictions."""
    Path(name).mkdir(parents=True)
    Path(name, "predicted_tasks.jsonl").write_bytes(b"\n".join(tasks))
    if schedule is not None:
        Path(name, "predicted_schedule.jsonl").write_bytes(schedule)
    return name


def task(name: str) -> bytes:
    return json.dumps({"task_id": name, "predicted_success_rate": 1.0}).encode()


def ids(source: PlanFiles) -> list[str]:
    return [plan.plan_id for plan in source.plans()]


def problems(source: PlanFiles) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        source.scan()
    return caught.value.problems


def test_a_folder_of_predictions_is_one_plan_among_others() -> None:
    schedule = b'{"task_id": "t", "agent_id": "y"}'
    name = folder("night", task("t"), task("u"), schedule=schedule)
    crew = Crew(agents=("x", "y"), strategy=AssignmentStrategy.ROUND_ROBIN, kind="continuous")
    Path("one.json").write_bytes(b'{"plan_id": "p", "steps": {"a": {"agent": "x"}}}')
    source = PlanFiles(["one.json", name], crew=crew)
    scan = source.scan()
    assert (scan.plans, scan.steps) == (2, 3)
    digest = hashlib.sha256(task("t") + b"\n" + task("u") + schedule).hexdigest()
    assert scan.inputs[1] == InputDigest("night", digest)
    one, fleet = source.plans()
    assert (one.plan_id, one.fleet) == ("p", None)
    assert (fleet.plan_id, fleet.fleet, list(fleet.agents)) == ("night", "continuous", ["x", "y"])
    assert [(step.step_id, step.agent) for step in fleet.steps] == [("t", "y"), ("u", "x")]
    assert [plan.plan_id for plan in source.plans()] == ["p", "night"]


def test_a_fleet_of_which_nobody_says_who_there_is_has_one_agent() -> None:
    (fleet,) = PlanFiles([folder("night", task("t"))]).plans()
    assert list(fleet.agents) == ["agent_0"]


def test_the_plan_of_a_fleet_is_called_as_its_folder_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ids(PlanFiles([folder("a[1]\u202e", task("t"))])) == ["a_1__"]
    folder("here/below", task("t"))
    monkeypatch.chdir("here/below")
    assert ids(PlanFiles(["."])) == ["below"]
    monkeypatch.setattr(Path, "resolve", lambda path: Path("/"))
    assert ids(PlanFiles(["."])) == ["fleet"]


def test_two_folders_of_one_name_are_refused() -> None:
    source = PlanFiles([folder("a/x", task("t")), folder("b/x", task("t"))])
    (told,) = problems(source)
    assert told == "b/x: plan_id: expected an id of its own, found 'x', which a/x has too"


def test_problems_of_folders_and_files_are_reported_together() -> None:
    source = PlanFiles([folder("x", b"[]", b"{"), "gone.json", folder("y", b'{"task_id": "t"}')])
    assert [one.split(": expected")[0] for one in problems(source)] == [
        "x/predicted_tasks.jsonl line 1: the document",
        "x/predicted_tasks.jsonl line 2",
        "gone.json",
        "y/predicted_tasks.jsonl line 1",
    ]


@pytest.mark.parametrize("name", ["predicted_tasks.jsonl", "predicted_schedule.jsonl"])
def test_a_folder_that_changed_after_the_scan_is_refused_before_its_plan_is_run(name: str) -> None:
    Path("plan.json").write_text('{"plan_id": "p"}')
    source = PlanFiles([folder("x", task("t"), schedule=b'{"task_id": "t"}'), "plan.json"])
    source.scan()
    with Path("x", name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(BadInput) as caught:
        next(source.plans())
    assert caught.value.problems == ("x: expected the folder as it was checked, found it changed since",)


def test_the_only_folder_is_read_once() -> None:
    source = PlanFiles([folder("x", task("t"))])
    source.scan()
    Path("x", "predicted_tasks.jsonl").write_bytes(b"")
    assert ids(source) == ["x"]


def test_a_folder_that_may_not_be_looked_into_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    name = folder("x", task("t"))
    monkeypatch.setattr(Path, "exists", forbidden)
    (told,) = problems(PlanFiles([name]))
    assert told == "x: expected plans that can be read, found that they cannot: Permission denied"
