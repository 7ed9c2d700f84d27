"""A machine's clock that was wrong once: what a home learnt from it orders events and ends nothing."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from buddy import wiring
from buddy.adapters.system import RealClock
from buddy.journal.events import Intent
from buddy.journal.times import seconds
from buddy.model.approval import ApprovalState
from buddy.model.home import Breaker
from e2e import some_runs as runs
from e2e import some_tools

YEAR_S = 365 * 86_400.0


@pytest.fixture(autouse=True)
def ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that was used once while the clock was a year ahead."""
    runs.settle_in(tmp_path, monkeypatch.setenv)
    with closing(wiring.home()) as home:
        home.hear(time.time() + YEAR_S)


def mail(**fields: Any) -> dict[str, Any]:
    return runs.plan({"m": {"tool": "send", "args": {"to": "bob", "text": "hi"}, **fields}})


def test_its_approvals_are_open_as_long_as_they_should(tmp_path: Path) -> None:
    assert runs.run(tmp_path, mail(), approval_expiry_s=60.0).exit_code == 3
    with closing(wiring.home()) as home:
        [waiting] = home.approvals(time.time(), None, None)
        assert waiting.state is ApprovalState.PENDING
        assert abs(seconds(waiting.request.expires_at) - time.time() - 60.0) < 10.0
        [expired] = home.approvals(time.time() + 61.0, None, None)
        assert expired.state is ApprovalState.EXPIRED
    runs.decide(waiting.request.approval_id)
    assert runs.resume(tmp_path).exit_code == 0
    assert runs.wrong(tmp_path / "out") == []


def test_a_duplicate_is_one_before_and_after(tmp_path: Path) -> None:
    put = runs.plan({"s": {"tool": "put", "args": {"key": "k", "value": 1}}})
    assert runs.run(tmp_path, put).exit_code == 0
    with closing(wiring.home()) as home:
        home.hear(time.time() + 2 * YEAR_S)
    runs.run(tmp_path, put, "again")
    assert len(some_tools.noted("put")) == 1


def test_its_journals_go_on_from_the_latest_time_that_it_knows(tmp_path: Path) -> None:
    put = runs.plan({"s": {"tool": "put", "args": {"key": "k", "value": 1}}})
    runs.run(tmp_path, put)
    [call] = runs.records(tmp_path / "out", Intent)
    assert seconds(call.time) > time.time() + YEAR_S - 60.0
    assert runs.wrong(tmp_path / "out") == []


def test_a_breaker_that_it_opened_may_close_again(tmp_path: Path) -> None:
    with closing(wiring.home()) as home:
        home.open_breaker(Breaker("tool:put", time.time() + YEAR_S, "failures"))
    put = runs.plan({"s": {"tool": "put", "args": {"key": "k", "value": 1}}})
    assert runs.run(tmp_path, put).exit_code == 0
    with closing(wiring.home()) as home:
        assert home.breakers() == []


def test_a_run_that_goes_on_tells_no_time_before_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runs.run(tmp_path, mail()).exit_code == 3
    [waiting] = runs.asked()
    runs.decide(waiting.request.approval_id)
    ahead = 2 * YEAR_S
    for _ in range(2):
        monkeypatch.setattr(RealClock, "now", lambda self, ahead=ahead: time.time() + ahead)
        runs.resume(tmp_path)
        ahead -= 0.5 * YEAR_S
    told = [record.time for record in wiring.records(str(tmp_path / "out"))]
    assert told == sorted(told)
    assert runs.wrong(tmp_path / "out") == []
