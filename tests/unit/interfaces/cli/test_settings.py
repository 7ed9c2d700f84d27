import argparse
from pathlib import Path
from typing import Any

import pytest

from buddy.errors import BadInput
from buddy.interfaces.cli import grammar, settings
from buddy.model.conflict import ConflictType, Strategy
from buddy.model.mode import Mode


def read(*words: str) -> argparse.Namespace:
    return grammar.read(["run", "p.json", *words])


def test_flags_become_settings() -> None:
    config = settings.chosen(
        read(
            "--mode", "dry-run", "--out", "o", "--isolate", "--deadline", "2.5", "--on-failure", "continue",
            "--seed", "7", "--approvals", "wait",
        )
    )  # fmt: skip
    assert (config.mode, config.output_dir, config.isolate) == (Mode.DRY_RUN, "o", True)
    assert (config.deadline_s, config.on_failure, config.seed) == (2.5, "continue", 7)
    assert config.approvals == "wait"


def test_what_no_flag_says_is_left_to_the_file(folder: Path) -> None:
    (folder / "buddy.toml").write_text('mode = "live"\nisolate = true\nseed = 3\n')
    config = settings.chosen(read("--seed", "4"))
    assert (config.mode, config.isolate, config.seed) == (Mode.LIVE, True, 4)


def test_another_file_can_be_named(folder: Path) -> None:
    (folder / "other.toml").write_text("seed = 9\n")
    assert settings.chosen(read("--config", "other.toml")).seed == 9


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([], {}),
        (["seed=3"], {"seed": 3}),
        (["breaker = false"], {"breaker": False}),
        (["retry_strategy=NO_RETRY"], {"retry_strategy": "NO_RETRY"}),
        (["on_alert='say it'"], {"on_alert": "say it"}),
        (
            ["conflicts.RESOURCE=ABORT", "conflicts.TIMEOUT=ALLOW"],
            {"conflicts": {"RESOURCE": "ABORT", "TIMEOUT": "ALLOW"}},
        ),
        (["caps=[{tool='*', calls=3}]"], {"caps": [{"tool": "*", "calls": 3}]}),
    ],
)
def test_any_setting_can_be_set(pairs: list[str], found: dict[str, Any]) -> None:
    assert settings.settings_of(pairs) == found


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("max_retries=x", "--set max_retries: expected integer, found 'x'"),
        ("mode=x", "--set mode: expected one of DRY_RUN, LIVE, MOCK, found 'x'"),
        ("output_dir=3", "--set output_dir: expected string, found 3"),
        ("colour=red", "--set colour: expected the name of a setting, found 'colour'"),
        ("conflicts.RESOURCE=x", "--set conflicts.RESOURCE: expected one of"),
    ],
)
def test_what_cannot_be_set_is_told_as_it_was_said(pair: str, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        settings.chosen(read("--set", pair))
    [problem] = refused.value.problems
    assert problem.startswith(told)


def test_a_flag_comes_before_a_pair() -> None:
    assert settings.chosen(read("--set", "seed=3", "--seed", "4")).seed == 4


def test_a_table_that_is_set_is_merged_over_the_defaults() -> None:
    config = settings.chosen(read("--set", "conflicts.RESOURCE=ABORT"))
    assert config.conflicts[ConflictType.RESOURCE] is Strategy.ABORT
    assert config.conflicts[ConflictType.PERMISSION] is Strategy.REASSIGN


def test_everything_wrong_with_pairs_is_told_at_once() -> None:
    with pytest.raises(BadInput) as refused:
        settings.settings_of(["seed", "=3", "seed=", "a=[", "b=two words", "x=1\ny=2"])
    assert len(refused.value.problems) == 6
    assert all(problem.startswith("--set") for problem in refused.value.problems)


def test_a_warning_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    settings.chosen(read("--set", "approval_required_for_high_risk=false"))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("warning: ")


def test_who_says_what(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not settings.says(read(), "approvals")
    assert settings.says(read("--approvals", "exit"), "approvals")
    assert settings.says(read("--set", "approvals=exit"), "approvals")
    monkeypatch.setenv("BUDDY_APPROVALS", "exit")
    assert settings.says(read(), "approvals")
