"""How the engine drives a fleet: who gets what, when waves begin and end, and what happens after a crash."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.errors import BadInput
from buddy.journal.events import Intent, TaskAssigned, UndoOutcome, WaveFinished, WaveStarted
from buddy.model.approval import ApprovalState, Vote
from buddy.model.config import RetryStrategy
from buddy.model.fleet import AssignmentStrategy
from buddy.model.plan import Agent
from buddy.ports import Breaker

TOOLS = """
import time
from buddy import CallContext, Preview, ToolError, tool

@tool(name="look", risk="LOW", effect="read", resources=["thing:{thing}"])
def look(thing: str, ctx: CallContext) -> str:
    time.sleep(0.01 if thing.startswith("slow") else 0)
    if thing.startswith("bad") or ctx.agent == thing:
        raise ToolError("it cannot be seen")
    return thing

@tool(name="fix", risk="MEDIUM", effect="write", undo="exact", permissions=["things.write"],
      resources=["thing:{thing}"], on_error="no_effect")
def fix(thing: str) -> str:
    return thing

@fix.preview
def _(thing: str) -> Preview:
    return Preview(changes=[thing])

@fix.undo
def _(call, result) -> None:
    pass
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DRY_RUN", raising=False)
    Path("tools.py").write_text(TOOLS)
    return tmp_path


def task(name: str, wave: int | None = None, **fields: Any) -> dict[str, Any]:
    return {"task_id": name, "predicted_success_rate": 0.95, "wave": wave, **fields}


def look(name: str, thing: str = "", wave: int | None = None, **fields: Any) -> dict[str, Any]:
    return task(name, wave, tool="look", args={"thing": thing or name}, **fields)


def folder(*tasks: dict[str, Any], schedule: dict[str, str] | None = None, name: str = "fleet") -> str:
    place = Path(name)
    place.mkdir(exist_ok=True)
    (place / "predicted_tasks.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in tasks))
    if schedule:
        rows = [{"task_id": one, "agent_id": agent} for one, agent in schedule.items()]
        (place / "predicted_schedule.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(place)


def run(
    place: str, out: str = "out", tools: tuple[str, ...] = ("tools.py",), **settings: Any
) -> wiring.RunResult:
    values = {"mode": Mode.LIVE, "retry_strategy": RetryStrategy.NO_RETRY, "num_agents": 2, **settings}
    result = wiring.run([place], tools, ExecutionConfig(output_dir=out, **values), granted_by="ada")
    assert not wiring.verify(out).violations
    return result


def simulate(place: str, out: str = "out", **settings: Any) -> wiring.RunResult:
    return run(place, out, (), **{"mode": Mode.MOCK, "clock": "virtual", **settings})


def events(kind: type[Any], out: str = "out") -> list[Any]:
    return [record.event for record in wiring.records(out) if isinstance(record.event, kind)]


def agents(out: str = "out") -> dict[str, str]:
    return {event.step: event.agent for event in events(TaskAssigned, out)}


def executed(out: str = "out") -> dict[str, dict[str, Any]]:
    files = Path(out).glob("wave_*/*/executed_tasks.jsonl")
    found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(found) == len({one["task_id"] for one in found})
    return {one["task_id"]: one for one in found}


# waves


def test_a_wave_begins_when_the_one_before_it_is_over() -> None:
    simulate(
        folder(*(task(f"t{number}", 1 + number % 3, estimated_duration_s=number) for number in range(12)))
    )
    marks = [
        (type(record.event).__name__, record.event.wave)
        for record in wiring.records("out")
        if isinstance(record.event, WaveStarted | WaveFinished | TaskAssigned)
    ]
    expected = []
    for wave in (1, 2, 3):
        expected += [("WaveStarted", wave), *[("TaskAssigned", wave)] * 4, ("WaveFinished", wave)]
    assert marks == expected


def test_without_a_barrier_a_task_starts_as_soon_as_it_can() -> None:
    tasks = [task("long", estimated_duration_s=100.0), task("short", estimated_duration_s=1.0)]
    tasks.append(task("after", depends_on=["short"], estimated_duration_s=1.0))
    simulate(folder(*tasks), schedule="continuous")
    assert executed()["after"]["start_time"] < executed()["long"]["end_time"]
    simulate(folder(*tasks), "waves")
    assert executed("waves")["after"]["start_time"] == executed("waves")["long"]["end_time"]


def test_as_many_tasks_at_once_as_are_allowed() -> None:
    place = folder(*(task(f"t{number}", 1, estimated_duration_s=10.0) for number in range(8)))
    for out, most, makespan in (("one", 1, 80.0), ("two", 2, 40.0), ("all", None, 10.0)):
        for schedule in ("waves", "continuous"):
            result = simulate(place, out + schedule, num_agents=8, max_parallel_tasks=most, schedule=schedule)
            assert result.fleet is not None
            assert result.fleet["makespan_s"] == makespan
            assert result.fleet["expected_s"] == makespan


def test_a_task_without_an_estimate_takes_a_second() -> None:
    result = simulate(folder(task("a"), task("b", depends_on=["a"])))
    assert result.fleet is not None
    assert (result.fleet["makespan_s"], result.fleet["lower_bound_s"]) == (2.0, 2.0)


def test_data_flows_between_simulated_tasks() -> None:
    place = folder(
        task("a", tool="find"), task("b", tool="use", args={"x": {"$from": "a", "path": "/things/0"}})
    )
    assert simulate(place).exit_code == 0
    assert executed()["b"]["wave"] == 2


# what never got as far as an assignment


def test_tasks_that_fail_their_rehearsal_and_what_depends_on_them_are_in_the_files_of_their_wave() -> None:
    tasks = [
        look("good"),
        task("wrong", tool="look", args={"thing": 7}),
        look("behind", depends_on=["wrong"]),
        look("further", depends_on=["behind"]),
    ]
    result = run(folder(*tasks))
    done = executed()
    assert result.exit_code == 1
    assert {name: (one["wave"], one["step_status"]) for name, one in done.items()} == {
        "good": (1, "SUCCEEDED"),
        "wrong": (1, "FAILED"),
        "behind": (2, "SKIPPED"),
        "further": (3, "SKIPPED"),
    }
    assert "thing" in done["wrong"]["error_msg"]
    assert "'wrong', which it depends on" in done["behind"]["error_msg"]
    assert [event.wave for event in events(WaveFinished)] == [1, 2, 3]
    assert result.fleet is not None
    assert sum(one["tasks"] for one in result.fleet["per_agent_metrics"].values()) == 4


def test_a_wave_whose_tasks_all_fail_their_rehearsal_is_over_before_it_begins() -> None:
    run(folder(task("wrong", 1, tool="look", args={}), look("good", wave=2)))
    assert [event.wave for event in events(WaveStarted)] == [2]
    assert [event.wave for event in events(WaveFinished)] == [1, 2]


def test_a_task_below_the_confidence_threshold_is_rehearsed_and_not_done() -> None:
    run(folder(look("sure"), look("unsure", confidence=0.6)))
    unsure = executed()["unsure"]
    assert (unsure["status"], unsure["success"], unsure["attempts"]) == ("PENDING", None, 0)
    assert (unsure["rule"], unsure["final_mode"]) == ("confidence", "MOCK")
    assert executed()["sure"]["status"] == "COMPLETED"
    [validation] = [
        json.loads(line)
        for line in Path("out/feedback/phase20/prediction_validation_feedback.jsonl").read_text().splitlines()
    ]
    assert validation["tasks"] == 1


# who


def test_the_agents_of_the_schedule_keep_their_tasks() -> None:
    tasks = [task(f"t{number}", 1, estimated_duration_s=10.0) for number in range(6)]
    for schedule in ("waves", "continuous"):
        simulate(
            folder(*tasks, schedule=dict.fromkeys(("t0", "t1", "t2"), "agent_1")), schedule, schedule=schedule
        )
        assert {agents(schedule)[name] for name in ("t0", "t1", "t2")} == {"agent_1"}
        assert {agents(schedule)[name] for name in ("t3", "t4", "t5")} == {"agent_0"}


def test_uneven_loads_have_all_that_is_pending_shared_out_anew() -> None:
    tasks = [
        task(f"t{wave}{number}", wave, estimated_duration_s=10.0) for wave in (1, 2, 3) for number in range(6)
    ]
    crowded = {one["task_id"]: f"agent_{int(one['task_id'][-1] > '3')}" for one in tasks}
    simulate(folder(*tasks, schedule=crowded))
    loads = [Counter(agents()[one["task_id"]] for one in tasks if one["wave"] == wave) for wave in (1, 2, 3)]
    assert [dict(load) for load in loads] == [
        {"agent_0": 4, "agent_1": 2},
        {"agent_0": 3, "agent_1": 3},
        {"agent_0": 3, "agent_1": 3},
    ]
    assert [event.rebalanced for event in events(WaveStarted)] == [False, True, False]
    assert sum(bool(event.moved_from) for event in events(TaskAssigned)) > 0
    simulate(folder(*tasks, schedule=crowded), "patient", load_balance_threshold=1.0)
    assert not any(event.moved_from for event in events(TaskAssigned, "patient"))


def test_a_task_goes_to_an_agent_that_may() -> None:
    tasks = [task(f"t{number}", 1, tool="fix", args={"thing": f"{number}"}) for number in range(6)]
    team = {"clerk": Agent(permissions=()), "editor": Agent(permissions=("things.write",))}
    for strategy in AssignmentStrategy:
        for schedule in ("waves", "continuous"):
            out = f"{strategy.value}-{schedule}"
            result = run(folder(*tasks), out, agents=team, assignment_strategy=strategy, schedule=schedule)
            assert result.exit_code == 0
            assert set(agents(out).values()) == {"editor"}


def test_a_task_that_nobody_may_do_is_held() -> None:
    result = run(
        folder(task("t", tool="fix", args={"thing": "x"})),
        num_agents=1,
        agents={"clerk": Agent(permissions=())},
    )
    assert result.exit_code == 3
    assert executed()["t"]["rule"] == "permission"


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_an_agent_whose_breaker_is_open_gets_nothing_until_it_may_close(schedule: str) -> None:
    with closing(wiring.home()) as home:
        home.open_breaker(Breaker("agent:agent_1", time.time(), "it failed"))
    tasks = [look(f"t{number}", wave=1 + number // 6) for number in range(12)]
    assert run(folder(*tasks), "hot", schedule=schedule).exit_code == 0
    assert set(agents("hot").values()) == {"agent_0"}
    assert run(folder(*tasks), "cool", schedule=schedule, breaker_cooldown_s=0.0).exit_code == 0
    by_wave = [
        Counter(agents("cool")[one["task_id"]] for one in tasks if one["wave"] == wave)["agent_1"]
        for wave in (1, 2)
    ]
    assert by_wave[0] == 1
    if schedule == "waves":
        assert by_wave[1] == 3  # the probe has closed it


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_a_broken_agent_is_left_aside(schedule: str) -> None:
    tasks = [look(f"w{wave}_{number}", "agent_1", wave) for wave in range(1, 6) for number in range(8)]
    result = run(folder(*tasks), schedule=schedule, num_agents=2, breaker=False, on_failure="continue")
    assert result.fleet is not None
    totals = result.fleet["per_agent_metrics"]
    assert totals["agent_1"]["status"] == "quarantined"
    assert totals["agent_1"]["failed_tasks"] == totals["agent_1"]["tasks"] <= 12
    assert totals["agent_0"]["failed_tasks"] == 0


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_where_all_agents_fail_the_run_goes_on(schedule: str) -> None:
    tasks = [look(f"w{wave}_{number}", "bad", wave) for wave in (1, 2, 3) for number in range(6)]
    result = run(folder(*tasks), schedule=schedule, breaker=False, on_failure="continue")
    assert result.exit_code == 1
    assert Counter(one["status"] for one in executed().values()) == {"FAILED": 18}
    assert result.fleet is not None
    assert result.fleet["system_health"]["health_status"] == "POOR"


# what is refused


def test_a_run_takes_one_fleet() -> None:
    places = [folder(task("a"), name="one"), folder(task("b"), name="two")]
    with pytest.raises(BadInput, match="plan 'two': expected one fleet a run, found that of 'one' too"):
        wiring.run(places, (), ExecutionConfig(output_dir="out"), granted_by="ada")
    assert not Path("out").exists()


def test_a_simulation_cannot_outlast_the_calendar() -> None:
    place = folder(*(task(f"t{number}", estimated_duration_s=1e9) for number in range(2)))
    with pytest.raises(BadInput, match="at most 1,000,000,000 s of estimated work in virtual time"):
        simulate(place)
    assert not Path("out").exists()


@pytest.mark.parametrize("name", ["predicted_tasks.jsonl", "predicted_schedule.jsonl"])
def test_a_pipe_is_no_file_of_predictions(name: str) -> None:
    place = folder(task("a"))
    Path(place, name).unlink(missing_ok=True)
    os.mkfifo(Path(place, name))
    with pytest.raises(BadInput, match="found a folder, pipe or device"):
        simulate(place)


def test_a_fleet_goes_beside_plans() -> None:
    Path("plan.json").write_text(
        '{"plan_id":"p","steps":{"s":{"tool":"look","args":{"thing":"x"},"agent":"a"}}}'
    )
    place = folder(task("a"))
    config = ExecutionConfig(output_dir="out", clock="virtual")
    result = wiring.run(["plan.json", place], ["tools.py"], config, granted_by="ada")
    assert result.exit_code == 0
    assert result.summary["steps"]["by_status"]["SUCCEEDED"] == 2
    assert list(executed()) == ["a"]
    assert not wiring.verify("out").violations


# after a crash

CRASHING = """
import sys
from buddy import ExecutionConfig, Mode, wiring
config = ExecutionConfig(output_dir="out", mode=Mode.LIVE, num_agents=3, schedule=sys.argv[1])
wiring.run(["fleet"], ["tools.py"], config, granted_by="ada")
"""


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_a_fleet_goes_on_where_it_was_killed(schedule: str) -> None:
    tasks = [look(f"w{wave}_{number}", f"slow{number}", wave) for wave in (1, 2, 3) for number in range(30)]
    folder(*tasks)
    with subprocess.Popen([sys.executable, "-c", CRASHING, schedule], env=dict(os.environ)) as process:
        until = time.monotonic() + 30
        while sum(line.count(b'"wave_finished"') for line in _lines("out/journal.jsonl")) < 1:
            assert time.monotonic() < until
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert wiring.resume("out", ["tools.py"], by="ada").exit_code == 0
    assert not wiring.verify("out").violations
    done = executed()
    assert len(done) == len(tasks)
    assert {one["status"] for one in done.values()} == {"COMPLETED"}
    finished = Counter(event.wave for event in events(WaveFinished))
    assert set(finished) == {1, 2, 3}
    assert finished[1] == 1


def _lines(path: str) -> list[bytes]:
    return Path(path).read_bytes().splitlines() if Path(path).exists() else []


# people, resumes, rests

ASKED = TOOLS.replace(
    'risk="MEDIUM", effect="write", undo="exact"', 'risk="HIGH", effect="write", undo="exact"'
)


def decide(by: str = "grace") -> list[str]:
    """Say yes to whatever is asked; returns who asked."""
    with closing(wiring.home()) as home:
        pending = home.approvals(0.0, None, ApprovalState.PENDING)
        for approval in pending:
            vote = Vote(by=by, approve=True, at="2030-01-01T00:00:00+00:00")
            home.vote(approval.request.approval_id, vote, 0.0)
    return sorted(f"{approval.request.step_id} {approval.request.agent}" for approval in pending)


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_a_task_that_a_person_was_asked_about_stays_with_its_agent(schedule: str) -> None:
    Path("tools.py").write_text(ASKED)
    tasks = [task(f"t{number}", 1, tool="fix", args={"thing": f"{number}"}) for number in range(8)]
    assert run(folder(*tasks), schedule=schedule, num_agents=4).exit_code == 3
    asked = decide()
    assert len({one.split()[1] for one in asked}) == 4
    assert wiring.resume("out", ["tools.py"], by="ada").exit_code == 0
    assert not wiring.verify("out").violations
    acted = {f"{event.step} {event.agent}" for event in events(Intent)}
    assert sorted(acted) == asked
    fleet = json.loads(Path("out/phase21_execution_summary.json").read_text())
    assert fleet["moved_tasks"] == 0
    assert all(total["utilisation"] <= 1.0 for total in fleet["per_agent_metrics"].values())


def test_an_agent_of_capacity_one_does_one_thing_at_a_time_whoever_decides_when() -> None:
    Path("tools.py").write_text(
        ASKED.replace("def fix(thing: str) -> str:\n", "def fix(thing: str) -> str:\n    time.sleep(0.05)\n")
    )
    tasks = [task(f"t{number}", 1, tool="fix", args={"thing": f"{number}"}) for number in range(6)]
    Path("policy.toml").write_text('[[rules]]\ndecision = "approve"\ntool = "*"\n')
    for schedule in ("waves", "continuous"):
        run(folder(*tasks), schedule, schedule=schedule, approvals="policy.toml", max_live_escalations=8)
        log = [
            json.loads(line) for line in Path(schedule, "tool_execution_log.jsonl").read_text().splitlines()
        ]
        live = [line for line in log if line["mode"] == "LIVE"]
        for agent in ("agent_0", "agent_1"):
            spans = sorted((one["started_at"], one["ended_at"]) for one in live if one["agent_id"] == agent)
            assert all(before[1] <= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_capacity_is_used(schedule: str) -> None:
    tasks = [task(f"t{number}", 1, estimated_duration_s=10.0) for number in range(16)]
    team = {"a": Agent(capacity=4), "b": Agent(capacity=4)}
    result = simulate(folder(*tasks), agents=team, num_agents=2, schedule=schedule)
    assert result.fleet is not None
    assert (result.fleet["makespan_s"], result.fleet["expected_s"], result.fleet["lower_bound_s"]) == (
        20.0,
        20.0,
        20.0,
    )


def test_nobody_waits_for_tasks_that_are_bound_to_one_agent() -> None:
    tasks = [task(f"t{number}", 1, estimated_duration_s=1.0) for number in range(3_000)]
    took = {}
    for agent in ("", "agent_0"):
        schedule = {one["task_id"]: agent for one in tasks} if agent else None
        place = folder(*tasks, schedule=schedule, name=f"for {agent}")
        began = time.process_time()
        result = simulate(place, f"of {agent}", schedule="continuous", num_agents=8)
        took[agent] = time.process_time() - began
    assert took["agent_0"] < 4 * took[""]
    assert result.fleet is not None
    assert (result.fleet["makespan_s"], result.fleet["expected_s"], result.fleet["barrier_cost_s"]) == (
        3_000.0,
        3_000.0,
        0.0,
    )


def test_what_failed_is_undone_before_the_next_wave_and_what_took_from_it_is_skipped() -> None:
    tasks = [
        task("good", 1, tool="fix", args={"thing": "g"}, group="G"),
        look("bad", wave=1, depends_on=["good"], group="G"),
        task("uses", 2, tool="fix", args={"thing": "u"}, depends_on=["good"]),
        look("other", wave=2),
    ]
    result = run(folder(*tasks))
    assert result.exit_code == 1
    done = {name: one["step_status"] for name, one in executed().items()}
    assert done == {"good": "ROLLED_BACK", "bad": "FAILED", "uses": "SKIPPED", "other": "SUCCEEDED"}
    order = [
        type(record.event).__name__
        for record in wiring.records("out")
        if isinstance(record.event, UndoOutcome | WaveFinished | WaveStarted)
    ]
    assert order == ["WaveStarted", "UndoOutcome", "WaveFinished", "WaveStarted", "WaveFinished"]
    history = json.loads(Path("out/phase21_system_health.json").read_text())["history"]
    assert [row["success_rate"] for row in history] == [0.0, 1.0]


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_a_cancelled_fleet_has_every_task_in_its_files(schedule: str) -> None:
    Path("tools.py").write_text(ASKED)
    tasks = [
        task(f"t{n}", wave, tool="fix", args={"thing": f"{wave}{n}"}) for n, wave in enumerate((1, 1, 2, 3))
    ]
    tasks[2]["depends_on"], tasks[3]["depends_on"] = ["t0"], ["t2"]
    run(folder(*tasks), schedule=schedule)
    wiring.cancel("out", by="ada")
    assert not wiring.verify("out").violations
    assert {name: one["step_status"] for name, one in executed().items()} == dict.fromkeys(
        ("t0", "t1", "t2", "t3"), "ABORTED"
    )


def test_an_agent_that_was_out_for_most_of_the_time_was_hardly_there() -> None:
    tasks = [look(f"a{number}", "agent_1", 1) for number in range(6)]
    tasks += [look(f"b{number}", "slow", 2) for number in range(30)]
    result = run(folder(*tasks), breaker=False, on_failure="continue")
    assert result.fleet is not None
    assert result.fleet["per_agent_metrics"]["agent_1"]["availability"] < 0.5
