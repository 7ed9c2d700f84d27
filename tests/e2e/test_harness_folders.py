"""A run's folder is let go of, whatever fails between opening its journal and handing it on."""

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from buddy import BadInput, Harness, wiring
from buddy.adapters.home import SqliteHome
from buddy.adapters.journal import FileJournal, FileSink
from buddy.engine.recovery import Past
from buddy.errors import ClosedStop, HomeUnavailable
from buddy.model.outcome import CallResult, StepStatus
from buddy.wiring import session
from e2e import some_runs as runs
from e2e import some_tools

PUT = {"key": "k", "value": 1}
GONE = HomeUnavailable("it is gone")
FULL = ClosedStop("it is full")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def plan() -> dict[str, Any]:
    return runs.plan({"m": {"tool": "send", "args": {"to": "bob", "text": "hi"}}})


async def call(folder: Path, value: int = 1) -> CallResult:
    async with Harness(runs.live(folder / "out"), tools=some_tools.TOOLS, granted_by="ada") as desk:
        return await desk.call("agent", "put", {"key": "k", "value": value}, confidence=0.95)


def test_calls_in_the_folder_of_a_run_of_plans_leave_it_to_that_run(tmp_path: Path) -> None:
    assert runs.run(tmp_path, plan()).exit_code == 3
    with pytest.raises(BadInput, match="holds a run of plans"):
        asyncio.run(call(tmp_path))
    runs.decide(runs.asked()[0].request.approval_id)
    assert runs.resume(tmp_path).exit_code == 0
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize("name", ["resume", "rollback", "cancel"])
def test_a_run_of_calls_is_for_a_harness(tmp_path: Path, name: str) -> None:
    asyncio.run(call(tmp_path))
    before = (tmp_path / "out/journal.jsonl").read_bytes()
    more = () if name == "cancel" else ([runs.TOOLS],)
    with pytest.raises(BadInput, match=f"{name}: expected a run of plans, found one of calls in"):
        getattr(wiring, name)(str(tmp_path / "out"), *more, by="ada")
    assert (tmp_path / "out/journal.jsonl").read_bytes() == before


def test_calls_in_a_folder_that_was_cut_back_leave_it_to_the_whole_one(tmp_path: Path) -> None:
    asyncio.run(call(tmp_path))
    journal = tmp_path / "out/journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(BadInput, match="as the home knows of"):
        asyncio.run(call(tmp_path, 2))
    journal.write_bytes(whole)
    assert asyncio.run(call(tmp_path, 2)).status is StepStatus.SUCCEEDED
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("owner", "name", "failure"),
    [
        (SqliteHome, "register_run", GONE),
        (SqliteHome, "approvals", GONE),
        (SqliteHome, "settle_all", GONE),
        (Past, "feed", ValueError("it cannot be")),
        (session.orchestrator, "contracts_of", ValueError("it cannot be")),
    ],
)
@pytest.mark.parametrize("kind", ["calls", "plans"])
def test_what_fails_when_a_run_is_taken_up_again(
    owner: Any, name: str, failure: Exception, kind: str, tmp_path: Path
) -> None:
    def again() -> object:
        return asyncio.run(call(tmp_path, 2)) if kind == "calls" else runs.resume(tmp_path)

    if kind == "calls":
        asyncio.run(call(tmp_path))
    else:
        runs.run(tmp_path, plan())
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(owner, name, Mock(side_effect=failure))
        with pytest.raises(type(failure)):
            again()
    again()
    assert runs.wrong(tmp_path / "out") == []


def test_what_fails_when_a_run_of_plans_begins(tmp_path: Path) -> None:
    for name in ("write_plans", "outputs_of", "RunStarted", "told"):
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(session, name, Mock(side_effect=FULL))
            with pytest.raises(ClosedStop):
                runs.run(tmp_path, plan())
        assert not (tmp_path / "out/journal.jsonl").read_bytes()
    assert runs.run(tmp_path, plan()).exit_code == 3
    assert runs.wrong(tmp_path / "out") == []


def test_a_home_that_fails_while_a_run_is_closed(tmp_path: Path) -> None:
    runs.run(tmp_path, plan())
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("buddy.engine.limits.Claims.close", Mock(side_effect=GONE))
        with pytest.raises(HomeUnavailable):
            runs.resume(tmp_path)
    runs.decide(runs.asked()[0].request.approval_id)
    assert runs.resume(tmp_path).exit_code == 0
    assert wiring.verify(str(tmp_path / "out")).violations == ()


@pytest.mark.parametrize("name", ["FileSink", "RunStarted"])
def test_what_fails_when_a_run_of_calls_begins(name: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(session, name, Mock(side_effect=FULL))
        with pytest.raises(ClosedStop):
            asyncio.run(call(tmp_path))
    FileJournal.create(tmp_path / "out").close()
    FileSink(tmp_path / "out", {}).close()


def test_calls_whose_end_cannot_be_told(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("buddy.engine.calls.Desk.finish", Mock(side_effect=GONE))
        with pytest.raises(HomeUnavailable):
            asyncio.run(call(tmp_path))
    assert asyncio.run(call(tmp_path, 2)).status is StepStatus.SUCCEEDED
    assert runs.wrong(tmp_path / "out") == []
