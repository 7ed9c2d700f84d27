"""Every attack in every setting: nothing is reached, nothing passes for harmless, each is noted."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from buddy.adapters.sandbox import Sandbox
from buddy.model.sandbox import Isolation, Layer
from sandbox.attack import Attack, Setting
from sandbox.judge import Arena, Seen, breaches, has_right_type, is_full, noted, policy_of
from sandbox.suite import ATTACKS, TECHNIQUES, named
from sandbox.unprotected import achieved
from sandbox.world import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

TOOLS = Path(__file__).parents[1] / "sandbox"
RIGHT_TYPES = 0.95
"""Share of attacks that have to be noted for what they are."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


class Fights:
    """What came of every attack, one setting after another, each fought once."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self.of = cache(self._of)

    def _of(self, setting: Setting) -> list[Seen]:
        todo = [attack for attack in ATTACKS if setting in attack.only and (is_full() or not attack.full)]
        policies = {attack.policy for attack in todo}
        return [seen for policy in sorted(policies) for seen in self._fought(policy, setting, todo)]

    def _fought(self, policy: str, setting: Setting, todo: list[Attack]) -> list[Seen]:
        with Arena(self._world, policy, setting, self._folder / "sandbox_violation_log.jsonl") as arena:
            return [arena.try_(attack) for attack in todo if attack.policy == policy]


@pytest.fixture(scope="module")
def fights(world: World, tmp_path_factory: pytest.TempPathFactory) -> Fights:
    return Fights(world, tmp_path_factory.mktemp("log"))


@pytest.mark.parametrize("setting", Setting, ids=lambda setting: setting.value)
def test_no_attack_gets_away_with_anything(fights: Fights, world: World, setting: Setting) -> None:
    found = {seen.attack.name: breaches(seen, world.secret) for seen in fights.of(setting)}
    assert len(found) >= 120
    assert {name: what for name, what in found.items() if what} == {}


def test_what_is_noted_is_what_it_was(fights: Fights) -> None:
    seen = [each for setting in Setting for each in fights.of(setting)]
    wrong = [each for each in seen if not has_right_type(each)]
    table = [
        f"{each.attack.name} ({each.setting.value}): {sorted(noted(each))} for "
        f"{[kind.value for kind in each.attack.right(each.setting)]}"
        for each in wrong
    ]
    print(*table, sep="\n")
    assert len(wrong) <= (1 - RIGHT_TYPES) * len(seen), table


def test_what_the_kernel_holds_it_has_noted_itself(fights: Fights) -> None:
    heard = {
        seen.attack.name: any(
            each.layer is Layer.KERNEL and each.authoritative for each in seen.result.violations
        )
        for seen in fights.of(Setting.BARE)
        if seen.attack.holds is Layer.KERNEL and seen.attack.bare and seen.result.forensics == "full"
    }
    unheard = [name for name, was in heard.items() if not was]
    assert len(unheard) <= (1 - RIGHT_TYPES) * len(heard), unheard


def test_every_result_says_how_far_the_code_was_shut_in(fights: Fights) -> None:
    levels = {seen.result.isolation for setting in Setting for seen in fights.of(setting)}
    assert len(levels) == 1
    assert levels < set(Isolation)


def test_every_line_of_the_log_has_its_fields(fights: Fights) -> None:
    fields = {"timestamp", "execution_id", "violation_type", "details", "code_preview"}
    fields |= {"layer", "syscall", "path", "line", "count", "authoritative"}
    lines = [line for setting in Setting for seen in fights.of(setting) for line in seen.lines]
    assert lines
    assert [line for line in lines if not fields <= set(line)] == []
    assert [line for line in lines if len(line["code_preview"]) > 1000] == []


@pytest.mark.parametrize(
    ("denied", "forensics"),
    [("unshare=EPERM,mount=EPERM", "full"), ("unshare=EPERM,mount=EPERM,listen", "degraded")],
)
def test_the_kernel_holds_code_inside_a_container_too(denied: str, forensics: str) -> None:
    inside = [sys.executable, str(TOOLS / "outer.py"), denied, sys.executable, str(TOOLS / "fight.py"), "5"]
    done = subprocess.run(inside, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["breaches"] == {}
    assert (told["isolation"], told["forensics"]) == (["standard"], [forensics])
    assert told["tried"] >= 60


@pytest.mark.parametrize(
    "code", ["break", "return 5", "x = (", "1 +", "  x", "nonlocal y", "1/0", "[].nothing", "x"]
)
def test_a_mistake_is_no_attempt(code: str) -> None:
    with Sandbox(policy="spec", workers=1) as box:
        result = box.execute(code)
    assert result.error is not None
    assert result.violations == ()


RELATIVE = """
import os
os.mkdir("a")
open("a/x", "w").close()
os.rename("a/x", "y")
os.chdir("a")
os.rename("../y", "z")
os.listdir("/tmp/a")
"""


def test_names_in_a_private_folder_may_be_relative() -> None:
    if not is_full():
        pytest.skip("this machine allows no full isolation")
    with Sandbox(policy=policy_of("scratch", Setting.BARE), workers=1) as box:
        result = box.execute(RELATIVE)
    assert (result.value, result.violations) == (["z"], ())


def test_most_attacks_are_told_of_before_the_kernel_has_to(fights: Fights) -> None:
    """The check and the facades are no boundary, but they alone say in which line, and what to do."""
    seen = [each for each in fights.of(Setting.AS_IS) if each.attack.as_is]
    friendly = [each for each in seen if {v.layer for v in each.result.violations} - {Layer.KERNEL}]
    assert len(friendly) >= 0.95 * len(seen)


def test_the_suite_covers_what_attackers_try() -> None:
    assert {attack.technique for attack in ATTACKS} == TECHNIQUES
    assert len(ATTACKS) == len({attack.name for attack in ATTACKS})
    assert len(ATTACKS) >= 150


def test_the_attacks_succeed_where_nothing_protects(world: World) -> None:
    """Without this nobody could tell a sandbox that holds from attacks that do nothing."""
    sample = [attack for attack in ATTACKS if attack.alone][::3]
    idle = [attack.name for attack in sample if not achieved(attack, world)]
    assert len(sample) >= 60
    # Programs, libraries and limits differ from machine to machine.
    assert len(idle) <= len(sample) // 10, idle


def test_the_judge_sees_a_breach(world: World, tmp_path: Path) -> None:
    leaking = Attack(name="x", technique="x", code="print('LEAK: ' + CANARY)", as_is=(), no_check=(), bare=())
    with Arena(world, "spec", Setting.AS_IS, tmp_path / "log.jsonl") as arena:
        found = breaches(arena.try_(leaking), world.secret)
    assert len(found) == 2
    assert found[0].startswith("it got")
    assert found[1] == "it passed for harmless code"
    assert named("subclasses-to-system")[0].technique == "subclasses walk"
