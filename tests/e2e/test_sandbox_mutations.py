"""Each protective step is needed: with it taken away, something that it alone holds goes through."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from buddy.adapters.sandbox import Sandbox, sandbox
from sandbox.attack import Setting
from sandbox.judge import OPEN, Arena, breaches, has_right_type, is_full
from sandbox.suite import named
from sandbox.world import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

HELD_BY = {
    "namespaces": ("spec", Setting.BARE, "parent-outside-the-namespace", ()),
    "root": ("scratch", Setting.BARE, "names-outside", ("seccomp",)),
    "landlock": ("scratch", Setting.BARE, "files-outside", ("seccomp",)),
    "seccomp": ("spec", Setting.BARE, "socketpair", ()),
    "limits": ("spec", Setting.BARE, "memory-as-bytes", ()),
    "deadline": ("spec", Setting.BARE, "sleep-past-the-deadline", ()),
    "facades": ("spec", Setting.NO_CHECK, "eval-of-a-sum", ()),
    "check": ("spec", Setting.AS_IS, "look-at-a-class", ()),
    "result_cap": ("spec", Setting.BARE, "value-just-over-the-cap", ()),
}
"""Step -> the policy and setting to try it in, what it stops there, and what else would stop that."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def what_is_wrong(world: World, log: Path, step: str, without: tuple[str, ...]) -> list[str]:
    policy, setting, name, _ = HELD_BY[step]
    (attack,) = named(name)
    if attack.full and not is_full():
        pytest.skip("this machine allows no full isolation")
    with Arena(world, policy, setting, log, without=without, probe=False) as arena:
        seen = arena.try_(attack)
    return breaches(seen, world.secret) + ([] if has_right_type(seen) else ["it was noted as something else"])


@pytest.mark.parametrize("step", HELD_BY)
def test_a_step_that_is_taken_away_is_missed(world: World, tmp_path: Path, step: str) -> None:
    before = HELD_BY[step][-1]
    log = tmp_path / "log.jsonl"
    assert what_is_wrong(world, log, step, ()) == []
    with_it = what_is_wrong(world, log, step, before) if before else []
    without_it = what_is_wrong(world, log, step, (*before, step))
    assert [found for found in without_it if found not in with_it] != []
    # What stops it before is no reason to leave a step out: here nothing is got without the step's absence.
    assert [found for found in with_it if found.startswith("it got")] == []


SEEDS = "hash('a text')"
FORKS = 5
"""Executions after which a zygote is replaced here."""
TRIES = 400


def seeds(monkeypatch: pytest.MonkeyPatch, without: frozenset[str]) -> int:
    """Return how many hash seeds executions one after another had, at most two."""
    monkeypatch.setattr(sandbox, "RECYCLED_AFTER", FORKS)
    found = set()
    with Sandbox(policy=OPEN, workers=1, _without=without) as box:
        for _ in range(TRIES):
            found.add(box.execute(SEEDS).value)
            if len(found) > 1:
                break
    return len(found)


def test_without_recycling_all_executions_share_their_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seeds(monkeypatch, frozenset()) == 2
    assert seeds(monkeypatch, frozenset({"recycling"})) == 1


def test_every_step_is_tried() -> None:
    steps = {"namespaces", "root", "landlock", "seccomp", "limits", "deadline"}
    assert {*HELD_BY, "recycling"} == steps | {"facades", "check", "result_cap", "recycling"}
