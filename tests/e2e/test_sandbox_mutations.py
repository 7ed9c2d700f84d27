"""Each protective step is needed: with it taken away, something that it alone holds goes through."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from buddy.adapters.sandbox import Sandbox, sandbox
from sandbox.attack import Attack, Setting
from sandbox.judge import OPEN, Arena, breaches, has_right_type
from sandbox.suite import named
from sandbox.world import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

HELD_BY = {
    "namespaces": ("spec", Setting.BARE, "parent-outside-the-namespace"),
    "root": ("scratch", Setting.BARE, "names-outside"),
    "landlock": ("scratch", Setting.BARE, "files-outside"),
    "seccomp": ("spec", Setting.BARE, "socketpair"),
    "limits": ("spec", Setting.BARE, "memory-as-bytes"),
    "deadline": ("spec", Setting.BARE, "sleep-past-the-deadline"),
    "facades": ("spec", Setting.NO_CHECK, "eval-of-a-sum"),
    "check": ("spec", Setting.AS_IS, "look-at-a-class"),
    "result_cap": ("spec", Setting.BARE, "value-just-over-the-cap"),
}
"""Step -> the policy and setting in which it is alone, and what it stops there."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def found(world: World, log: Path, step: str, without: tuple[str, ...]) -> list[str]:
    policy, setting, name = HELD_BY[step]
    (attack,) = named(name)
    with Arena(world, policy, setting, log, without=without, probe=False) as arena:
        if not arena.fits(attack):
            pytest.skip("this machine allows no full isolation")
        return what_is_wrong(arena, attack, world)


def what_is_wrong(arena: Arena, attack: Attack, world: World) -> list[str]:
    seen = arena.try_(attack)
    return breaches(seen, world.secret) + ([] if has_right_type(seen) else ["it was noted as something else"])


@pytest.mark.parametrize("step", HELD_BY)
def test_a_step_that_is_taken_away_is_missed(world: World, tmp_path: Path, step: str) -> None:
    assert found(world, tmp_path / "log.jsonl", step, ()) == []
    assert found(world, tmp_path / "log.jsonl", step, (step,)) != []


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
