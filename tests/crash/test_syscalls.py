"""Faults at system calls: a sample of what `scripts/bench crash` does at every one of them."""

import random
from collections import Counter
from pathlib import Path

import pytest

from crash import injection, workload

pytestmark = pytest.mark.skipif(not injection.possible(), reason="no strace that may trace")
SAMPLE = 3


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[workload.State, Counter[str]]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    workload.prepare(folder)
    calls = injection.counted(folder)
    state = workload.state_of(folder)
    assert Counter(state.steps.values()) == {"SUCCEEDED": 52, "ROLLED_BACK": 7, "FAILED": 1}
    return state, calls


@pytest.mark.parametrize("call", injection.CALLS)
@pytest.mark.parametrize("turn", range(SAMPLE))
def test_a_run_killed_at_a_system_call_loses_nothing_and_repeats_nothing(
    call: str, turn: int, undisturbed: tuple[workload.State, Counter[str]], tmp_path: Path
) -> None:
    state, calls = undisturbed
    number = random.Random(f"{call}{turn}").randint(1, calls[call])
    assert injection.killed(tmp_path / "run", call, number, state) == []


@pytest.mark.parametrize(("call", "error"), [("fdatasync", "EIO"), ("write", "ENOSPC")])
@pytest.mark.parametrize("number", [1, 7])
def test_a_journal_that_cannot_be_written_stops_the_run_closed(
    call: str, error: str, number: int, undisturbed: tuple[workload.State, Counter[str]], tmp_path: Path
) -> None:
    assert injection.failed(tmp_path / "run", call, error, number, undisturbed[0]) == []
