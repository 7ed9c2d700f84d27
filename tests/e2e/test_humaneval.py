"""Programs that nobody here wrote run under the policies that have names, but for those that need more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import buddy
from buddy.model.sandbox import POLICIES

DATA = Path(os.environ.get("BUDDY_DATA", Path(__file__).parents[3] / "shared" / "data"))
PROBLEMS = DATA / "humaneval.jsonl"

pytestmark = pytest.mark.skipif(not PROBLEMS.is_file(), reason="no real programs here")

HARNESS = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from buddy.adapters.sandbox import runner
from buddy.adapters.sandbox.settings import Settings
settings = Settings(imports=tuple(sys.argv[3].split()))
programs = [json.loads(line) for line in open(sys.argv[2])]
runner.preload(settings.imports, settings)
for program in programs:
    code = program["prompt"] + program["canonical_solution"] + program["test"]
    told = runner.run(code + "\\ncheck(" + program["entry_point"] + ")", {}, settings)
    sys.__stderr__.write(json.dumps([program["task_id"], told["error"], told["findings"]]) + "\\n")
"""


def failures(policy: str) -> dict[str, set[str]]:
    """Problem to the sentences that say why its solution did not run to its end."""
    command = [sys.executable, "-I", "-S", "-c", HARNESS, str(Path(buddy.__file__).parents[1]), str(PROBLEMS)]
    imports = " ".join(POLICIES[policy].imports)
    done = subprocess.run([*command, imports], capture_output=True, text=True, timeout=300, check=True)
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(told) == 164
    return {task: {found[1] for found in findings} | ({error["message"]} if error else set())
            for task, error, findings in told if error or findings}  # fmt: skip


def test_spec_runs_all_that_imports_no_more() -> None:
    failed = failures("spec")
    assert len(failed) <= 25
    needed = {sentence.split("`")[1] for sentences in failed.values() for sentence in sentences}
    assert needed == {"typing", "copy", "hashlib", "eval"}


def test_extended_runs_all_but_the_one_that_evaluates_text() -> None:
    assert failures("extended").keys() == {"HumanEval/160"}
