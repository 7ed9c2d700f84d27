"""The only plan of a run is read once: when it is checked, and when the run is taken up again."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.adapters.inputs.canonical import StoredPlans
from buddy.adapters.inputs.plans import PlanFiles
from buddy.model.plan import Plan
from e2e import some_runs as runs


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose plans were asked for, in order."""
    runs.settle_in(tmp_path, monkeypatch.setenv)
    told: list[str] = []

    def counted(kind: type[Any], whole: Callable[[Any], Iterator[Plan]]) -> None:
        def plans(source: Any) -> Iterator[Plan]:
            told.append(kind.__name__)
            return whole(source)

        monkeypatch.setattr(kind, "plans", plans)

    counted(PlanFiles, PlanFiles.plans)
    counted(StoredPlans, StoredPlans.plans)
    return told


def written(folder: Path, *names: str) -> list[str]:
    for name in names:
        mail = {"m": {"tool": "send", "args": {"to": name, "text": "hi"}}}
        (folder / f"{name}.json").write_text(json.dumps(runs.plan(mail) | {"plan_id": name}))
    return [str(folder / f"{name}.json") for name in names]


@pytest.mark.parametrize(("names", "times"), [(["ada"], (1, 1, 1)), (["ada", "bob"], (2, 3, 2))])
def test_the_only_plan_is_read_once(
    tmp_path: Path, asked: list[str], names: list[str], times: tuple[int, int, int]
) -> None:
    plans, (checked, begun, resumed) = written(tmp_path, *names), times
    list(wiring.check(plans, [runs.TOOLS], ExecutionConfig(mode=Mode.LIVE)).steps)
    assert asked == ["PlanFiles"] * checked
    asked.clear()
    assert wiring.run(plans, [runs.TOOLS], runs.live(tmp_path / "out"), granted_by="ada").exit_code == 3
    assert asked == ["PlanFiles"] * begun
    asked.clear()
    for one in runs.asked():
        runs.decide(one.request.approval_id)
    assert runs.resume(tmp_path).exit_code == 0
    assert asked == ["StoredPlans"] * resumed
