"""Two runs of one home, in two processes, that write the same records."""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from buddy import wiring
from buddy.model.config import ExecutionConfig
from e2e import some_runs as runs
from e2e import some_tools

RUN = """
import json, sys, time
from pathlib import Path
from e2e import some_runs as runs
ready = Path(sys.argv[1]) / "ready"
with ready.open("a") as file:
    file.write("x")
while ready.stat().st_size < 2:
    time.sleep(0.001)
document = json.loads(Path(sys.argv[2]).read_text())
result = runs.run(Path(sys.argv[1]), document, sys.argv[3], approvals="wait")
print(result.exit_code)
"""
RECORDS = 3
EACH = 25


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def holding(who: str, count: int = EACH, **fields: Any) -> dict[str, Any]:
    return runs.plan(
        {
            f"h{number}": {
                "tool": "hold",
                "args": {"key": f"k{number % RECORDS}", "who": f"{who}{number}", "seconds": 0.003},
                "agent": f"{who}{number % 4}",
            }
            for number in range(count)
        },
        plan_id=f"plan-{who}",
        **fields,
    )


def spans() -> dict[str, list[tuple[int, int, str]]]:
    """Record -> when it was held by whom, in the order of starting."""
    begun: dict[tuple[str, str], int] = {}
    found: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for key, who, what, at in some_tools.noted("held"):
        if what == "start":
            begun[key, who] = int(at)
        else:
            found[key].append((begun.pop((key, who)), int(at), who))
    assert not begun
    return {key: sorted(of) for key, of in found.items()}


def overlaps(of: list[tuple[int, int, str]]) -> list[tuple[str, str]]:
    return [(one[2], other[2]) for one, other in pairwise(of) if other[0] < one[1]]


def test_two_processes_never_hold_a_record_at_once(tmp_path: Path) -> None:
    for who in "xy":
        (tmp_path / f"{who}.given").write_text(json.dumps(holding(who)))
    words = [(str(tmp_path), str(tmp_path / f"{who}.given"), f"out-{who}") for who in "xy"]
    with runs.another(RUN, *words[0]) as one, runs.another(RUN, *words[1]) as other:
        assert one.stdout is not None
        assert other.stdout is not None
        assert one.stdout.read().strip() == "0"
        assert other.stdout.read().strip() == "0"
    held = spans()
    assert sum(len(of) for of in held.values()) == 2 * EACH
    assert {key: overlaps(of) for key, of in held.items()} == {f"k{n}": [] for n in range(RECORDS)}
    first_x, last_x = _ends(held, "x")
    first_y, last_y = _ends(held, "y")
    assert first_x < last_y, "the runs did not meet"
    assert first_y < last_x, "the runs did not meet"
    for who in "xy":
        assert runs.wrong(tmp_path / f"out-{who}") == []


def _ends(held: dict[str, list[tuple[int, int, str]]], who: str) -> tuple[int, int]:
    own = [(start, end) for of in held.values() for start, end, whose in of if whose.startswith(who)]
    return min(start for start, _ in own), max(end for _, end in own)


def test_agents_of_one_run_never_hold_a_record_at_once(tmp_path: Path) -> None:
    done = runs.run(tmp_path, holding("x", 40))
    assert done.exit_code == 0
    assert all(overlaps(of) == [] for of in spans().values())


def test_isolated_plans_share_nothing(tmp_path: Path) -> None:
    tools = tmp_path / "worlds.py"
    tools.write_text("from e2e.some_tools import TOOLS\ndef world(plan_id):\n    return TOOLS\n")
    lines = tmp_path / "plans.jsonl"
    lines.write_text("".join(json.dumps(holding(who, 12)) + "\n" for who in "xy"))
    config = ExecutionConfig(mode=runs.Mode.LIVE, isolate=True, output_dir=str(tmp_path / "out"))
    done = wiring.run([str(lines)], [str(tools)], config, granted_by="ada")
    assert done.exit_code == 0
    assert len(some_tools.noted("held")) == 48


def test_claims_of_a_process_that_died_are_free_again(tmp_path: Path) -> None:
    script = """
import os, sys, threading, time
from pathlib import Path
from e2e import some_runs as runs
notes = Path(os.environ["SOME_DIR"]) / "held"
def die():
    while not notes.exists():
        time.sleep(0.002)
    os._exit(0)
threading.Thread(target=die, daemon=True).start()
step = {"tool": "hold", "args": {"key": "k0", "who": "dead", "seconds": 30}}
runs.run(Path(sys.argv[1]), runs.plan({"h": step}), "dead")
"""
    with runs.another(script, str(tmp_path)):
        pass
    assert some_tools.noted("held")[0][1] == "dead"
    assert runs.run(tmp_path, holding("x", RECORDS)).exit_code == 0
    gone_on = runs.resume(tmp_path, "dead")
    assert gone_on.exit_code == 4
    assert gone_on.summary["steps"]["by_status"]["UNKNOWN"] == 1
    assert [words[1] for words in some_tools.noted("held")].count("dead") == 1
