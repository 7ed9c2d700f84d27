"""Programs that nobody here wrote run in the sandbox, but for those that need more of it."""

import json
import os
from pathlib import Path

import pytest

from buddy.adapters.sandbox import Sandbox
from buddy.model.sandbox import Layer, SandboxResult

DATA = Path(os.environ.get("BUDDY_DATA", Path(__file__).parents[3] / "shared" / "data"))
PROBLEMS = DATA / "humaneval.jsonl"

pytestmark = pytest.mark.skipif(not PROBLEMS.is_file(), reason="no real programs here")


def results(policy: str) -> dict[str, SandboxResult]:
    """Problem to what came of its solution and tests."""
    programs = [json.loads(line) for line in PROBLEMS.read_text("utf-8").splitlines()]
    assert len(programs) == 164
    with Sandbox(policy) as box:
        return {
            program["task_id"]: box.execute(
                "{prompt}{canonical_solution}{test}\ncheck({entry_point})".format_map(program), timeout_s=30
            )
            for program in programs
        }


def failures(policy: str) -> dict[str, set[str]]:
    """Problem to the sentences that say why it did not run to its end."""
    came = results(policy)
    asked = [violation for result in came.values() for violation in result.violations]
    assert not [violation for violation in asked if violation.layer is Layer.KERNEL]
    return {
        name: {violation.details for violation in result.violations}
        | ({result.error.message} if result.error else set())
        for name, result in came.items()
        if not result.ok
    }


def test_spec_runs_all_that_imports_no_more() -> None:
    failed = failures("spec")
    assert len(failed) <= 25
    needed = {sentence.split("`")[1] for sentences in failed.values() for sentence in sentences}
    assert needed == {"typing", "copy", "hashlib", "eval"}


def test_extended_runs_all_but_the_one_that_evaluates_text() -> None:
    assert failures("extended").keys() == {"HumanEval/160"}
