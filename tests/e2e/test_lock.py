"""The system lock, engaged by another process while a run is under way."""

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from buddy import Mode, wiring
from buddy.journal.events import Intent, Rung
from buddy.journal.times import seconds
from e2e import some_runs as runs
from e2e import some_tools

STEPS = 2_000
WITHIN_S = 0.1

ENGAGE = """
import sys, time
from pathlib import Path
from buddy import wiring
notes = Path(sys.argv[1])
home = wiring.home()
while not notes.exists() or notes.read_bytes().count(b"\\n") < 200:
    time.sleep(0.002)
home.set_lock(True, "eve", "fire", time.time())
home.close()
"""
RELEASE = """
import time
from buddy import wiring
home = wiring.home()
home.set_lock(False, "eve", "out", time.time())
home.close()
"""


def test_nothing_new_goes_above_mock_and_a_resume_does_the_rest_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)
    steps = {
        f"s{number}": {
            "tool": "put",
            "args": {"key": f"k{number}", "value": number},
            "agent": f"a{number % 8}",
        }
        for number in range(STEPS)
    }
    with runs.another(ENGAGE, str(tmp_path / "some" / "put")):
        held = runs.run(tmp_path, runs.plan(steps))
    before = some_tools.noted("put")
    assert held.exit_code == 3
    assert 200 <= len(before) < STEPS
    by_status = held.summary["steps"]["by_status"]
    assert by_status["HELD"] == STEPS - len(before)
    assert by_status["SUCCEEDED"] == len(before)
    with closing(wiring.home()) as home:
        [engaged] = [state for state in home.lock_history() if state.engaged]
    intents = [seconds(record.time) for record in runs.records(tmp_path / "out", Intent)]
    rungs = [
        seconds(record.time)
        for record in runs.records(tmp_path / "out", Rung)
        if isinstance(record.event, Rung) and record.event.mode is not Mode.MOCK
    ]
    assert max(*intents, *rungs) <= engaged.at + WITHIN_S
    assert runs.wrong(tmp_path / "out") == []

    assert runs.resume(tmp_path).exit_code == 3
    assert len(some_tools.noted("put")) == len(before)

    with runs.another(RELEASE):
        pass
    assert runs.resume(tmp_path).exit_code == 0
    done = Counter(words[0] for words in some_tools.noted("put"))
    assert done == Counter(f"k{number}" for number in range(STEPS))
    assert runs.wrong(tmp_path / "out") == []


def test_a_run_that_starts_under_the_lock_stays_at_mock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)
    with closing(wiring.home()) as home:
        home.set_lock(True, "eve", "fire", 1.0)
    held = runs.run(tmp_path, runs.plan({"s": {"tool": "put", "args": {"key": "k", "value": 1}}}))
    assert held.exit_code == 3
    assert held.summary["steps"]["by_final_mode"]["MOCK"] == 1
    assert some_tools.noted("put") == []
    assert runs.wrong(tmp_path / "out") == []
