"""Plans that nobody here wrote run in MOCK, and their outputs are what the schemas say."""

import json
import os
from pathlib import Path

import jsonschema_rs
import pytest

from buddy import ExecutionConfig, wiring
from buddy.projections.outputs import OUTPUTS, schema

DATA = Path(os.environ.get("BUDDY_DATA", Path(__file__).parents[3] / "shared" / "data"))
INPUTS = {
    "workbench/plans.jsonl": (480, 574),
    "workbench/runs.jsonl": (1920, 5341),
    "tau2-retail/plans.jsonl": (114, 550),
    "bfcl/plans.jsonl": (100, 583),
    "agentdojo-workspace/plans.jsonl": (614, 1670),
    "agentdojo-travel/plans.jsonl": (167, 1244),
}

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no real plans here")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DRY_RUN", raising=False)


def mock(name: str, out: Path, **settings: object) -> wiring.RunResult:
    path = DATA / name
    config = ExecutionConfig(isolate=True, output_dir=str(out), **settings)  # type: ignore[arg-type]
    return wiring.run([str(path)], [str(path.with_name("tools.toml"))], config, granted_by="test")


@pytest.mark.parametrize("name", INPUTS)
def test_every_plan_is_processed_and_every_output_fits_its_schema(name: str, tmp_path: Path) -> None:
    run = mock(name, tmp_path / "out")
    plans, steps = INPUTS[name]
    assert run.exit_code == 0
    assert run.summary["plans_processed"] == plans
    assert run.summary["steps"]["by_status"]["SUCCEEDED"] == steps
    for output in OUTPUTS:
        text = (tmp_path / "out" / output).read_text()
        found = (
            [json.loads(line) for line in text.splitlines()] if output.endswith("l") else [json.loads(text)]
        )
        validator = jsonschema_rs.validator_for(schema(output))
        for document in found:
            validator.validate(document)
    assert wiring.verify(run.folder).violations == ()


def test_tools_that_nobody_knows_stay_at_mock_and_say_so(tmp_path: Path) -> None:
    run = mock("workbench/runs.jsonl", tmp_path / "out")
    known = set(wiring.tools([str(DATA / "workbench/tools.toml")], ExecutionConfig()).toolbox.names())
    rules = set()
    for record in wiring.records(run.folder):
        tool = getattr(record.event, "tool", "")
        if tool and tool not in known:
            rules.add(getattr(record.event, "rule", ""))
    assert rules == {"unknown_tool"}


def test_a_seed_gives_the_same_journal_twice(tmp_path: Path) -> None:
    journals = []
    for turn in ("one", "two"):
        run = mock("workbench/plans.jsonl", tmp_path / turn, clock="virtual", seed=7)
        journals.append((Path(run.folder) / "journal.jsonl").read_bytes())
    assert journals[0] == journals[1]
    other = mock("workbench/plans.jsonl", tmp_path / "other", clock="virtual", seed=8)
    assert (Path(other.folder) / "journal.jsonl").read_bytes() != journals[0]
