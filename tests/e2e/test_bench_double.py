"""Buddy's own column of `scripts/bench double`: what must not happen twice does not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOUBLE = Path(__file__).parents[2] / "benchmarks" / "double.py"


@pytest.fixture(scope="module")
def cases() -> dict[str, dict[str, Any]]:
    words = [sys.executable, str(DOUBLE), "--only", "Buddy", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: row["Buddy"] for name, row in json.loads(done.stdout)["cases"].items()}


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("batch_plain", None),
        ("batch_approved", None),
        ("approval_twice", "takes no more votes"),
        ("resumed_twice", None),
        ("resumed_at_once", "is in use: another process is working on this run"),
        ("killed", "UNKNOWN, exit 4"),
    ],
)
def test_it_acts_once(cases: dict[str, dict[str, Any]], case: str, said: str | None) -> None:
    found = cases[case]
    assert (found["seen"], found["wanted"]) == (1, 1)
    assert len(found["said"]) == (said is not None), found
    assert said is None or said in found["said"][0]


def test_a_copy_that_is_put_back_does_not_act_again(cases: dict[str, dict[str, Any]]) -> None:
    assert cases["put_back"]["seen"] == 1
