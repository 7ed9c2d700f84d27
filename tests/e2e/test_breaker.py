"""An open breaker holds calls at DRY_RUN; after its cooldown one that passes there closes it and goes on."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from buddy import wiring
from buddy.journal.events import BreakerMoved
from buddy.ports import Breaker
from e2e import some_runs as runs

PLAN = runs.plan({"one": {"tool": "put", "args": {"key": "a", "value": 1}}})


@pytest.fixture(autouse=True)
def _settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def opened(*subjects: str, ago: float = 0.0) -> None:
    with closing(wiring.home()) as home:
        for subject in subjects:
            home.open_breaker(Breaker(subject, time.time() - ago, "it failed"))


def still_open() -> set[str]:
    with closing(wiring.home()) as home:
        return {breaker.subject for breaker in home.breakers()}


@pytest.mark.parametrize("subject", ["agent:a", "tool:put"])
def test_a_breaker_holds_a_call_at_dry_run_until_it_is_cool(subject: str, tmp_path: Path) -> None:
    opened(subject)
    result = runs.run(tmp_path, PLAN)
    assert result.exit_code == 3
    assert result.summary["steps"]["held_by_rule"]["breaker"] == 1
    assert still_open() == {subject}


@pytest.mark.parametrize("subject", ["agent:a", "tool:put"])
def test_a_call_that_passes_dry_run_after_the_cooldown_closes_it_and_goes_live(
    subject: str, tmp_path: Path
) -> None:
    opened(subject, ago=61.0)
    result = runs.run(tmp_path, PLAN)
    assert result.exit_code == 0
    assert result.summary["steps"]["by_final_mode"]["LIVE"] == 1
    [moved] = runs.records(tmp_path / "out", BreakerMoved)
    assert getattr(moved.event, "open", True) is False
    assert still_open() == set()
    assert not runs.wrong(tmp_path / "out")


def test_another_breaker_that_is_not_cool_still_holds_it(tmp_path: Path) -> None:
    opened("agent:a", ago=61.0)
    opened("tool:put")
    result = runs.run(tmp_path, PLAN)
    assert result.exit_code == 3
    assert still_open() == {"tool:put"}
