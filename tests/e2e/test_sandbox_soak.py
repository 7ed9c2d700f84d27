"""A short soak: sandboxes that stay open hold no more after three hundred executions, good and hostile."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

SOAK = Path(__file__).parents[2] / "benchmarks" / "sandbox_soak.py"


def test_nothing_grows() -> None:
    words = [sys.executable, str(SOAK), "--executions", "300", "--samples", "5"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    hostile = re.search(r"(\d+) were hostile", done.stdout)
    assert hostile is not None
    assert int(hostile[1]) >= 60


@pytest.fixture
def soak() -> Any:
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("sandbox_soak", SOAK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def test_what_grows_is_told(soak: Any) -> None:
    first = soak.Sample(90, 20, 22, 60, 25.0, 56.0)
    assert soak.grown([first, first._replace(own_mb=30.0, descriptors=88)]) == []
    assert soak.grown([first, first._replace(descriptors=91)]) == ["descriptors: 90.0 -> 91.0"]
    assert soak.grown([first, first._replace(mounts=61, zygotes_mb=70.0)]) == [
        "mounts: 60.0 -> 61.0",
        "zygotes MB: 56.0 -> 70.0",
    ]


def test_an_attack_that_passes_or_takes_long_is_told(soak: Any) -> None:
    tally = soak.Tally()
    (attack,) = soak.ATTACKS[:1]
    tally.note(attack, False, 0.01)
    assert tally.wrong == []
    tally.note(attack, True, attack.timeout_s + soak.GRACE_S + 1)
    assert [wrong.split(" ", 1)[1][:6] for wrong in tally.wrong] == ["passed", "took 5"]
