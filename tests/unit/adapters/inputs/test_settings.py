import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buddy.adapters.inputs import settings
from buddy.errors import BadConfig
from buddy.model.config import (
    DEFAULT_STRATEGIES,
    HEALTH_WEIGHTS,
    Cap,
    ExecutionConfig,
    RetryStrategy,
    SandboxSettings,
)
from buddy.model.conflict import ConflictType, Strategy
from buddy.model.fleet import AssignmentStrategy
from buddy.model.mode import Mode
from buddy.model.plan import Agent


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(toml: str = "", environ: dict[str, str] | None = None, **flags: Any) -> ExecutionConfig:
    Path("buddy.toml").write_text(toml)
    return settings.load(None, environ or {}, flags)[0]


def problems(toml: str = "", environ: dict[str, str] | None = None, **flags: Any) -> list[str]:
    with pytest.raises(BadConfig) as caught:
        loaded(toml, environ, **flags)
    return list(caught.value.problems)


def test_without_anything_the_defaults_hold() -> None:
    assert settings.load(None, {"PATH": "/bin", "BUDDY_HOME": "x", "BUDDY_DATA": "y"}, {}) == (
        ExecutionConfig(),
        [],
    )


def test_every_kind_of_setting_can_stand_in_the_file() -> None:
    config = loaded(
        """
        mode = "dry-run"
        output_dir = "out"
        retry_strategy = "NO_RETRY"
        deadline_s = 5
        [conflicts]
        TIMEOUT = "ABORT"
        [agents.ada]
        permissions = ["crm.write"]
        capacity = 2
        [[caps]]
        tool = "mail.*"
        calls = 3
        [[caps]]
        recipients = 1
        """
    )
    assert config == ExecutionConfig(
        mode=Mode.DRY_RUN,
        output_dir="out",
        retry_strategy=RetryStrategy.NO_RETRY,
        deadline_s=5.0,
        conflicts={**DEFAULT_STRATEGIES, ConflictType.TIMEOUT: Strategy.ABORT},
        agents={"ada": Agent(permissions=("crm.write",), capacity=2)},
        caps=(Cap(tool="mail.*", calls=3), Cap(recipients=1)),
    )


def test_flags_go_over_environment_over_file_over_defaults() -> None:
    toml = "seed = 1\nmax_retries = 1\nlinear_base = 1.0"
    config = loaded(toml, {"BUDDY_SEED": "2", "BUDDY_MAX_RETRIES": "2"}, seed=3, max_retries=None)
    assert (config.seed, config.max_retries, config.linear_base, config.exponential_base) == (3, 2, 1.0, 2.0)


def test_the_settings_of_a_fleet_stand_in_the_file_under_their_names() -> None:
    config = loaded(
        """
        num_agents = 8
        assignment_strategy = "CONFIDENCE_BASED"
        schedule = "continuous"
        max_parallel_tasks = 6
        load_balance_threshold = 0.2
        confidence_threshold = 0.8
        anomaly_sensitivity = 0.1
        phase16_output_dir = "p16"
        [health_score_weights]
        success_rate = 0.3
        accuracy = 0.3
        """
    )
    assert config == ExecutionConfig(
        num_agents=8,
        assignment_strategy=AssignmentStrategy.CONFIDENCE_BASED,
        schedule="continuous",
        max_parallel_tasks=6,
        load_balance_threshold=0.2,
        confidence_threshold=0.8,
        anomaly_sensitivity=0.1,
        phase16_output_dir="p16",
        health_score_weights={"success_rate": 0.3, "availability": 0.2, "accuracy": 0.3, "load_balance": 0.2},
    )


def test_without_anything_a_fleet_is_as_the_specification_says() -> None:
    config = loaded()
    assert (config.num_agents, config.assignment_strategy, config.schedule, config.max_parallel_tasks) == (
        4,
        AssignmentStrategy.LOAD_BALANCED,
        "waves",
        None,
    )
    assert (config.load_balance_threshold, config.confidence_threshold, config.anomaly_sensitivity) == (
        0.30,
        0.70,
        0.25,
    )


def test_parts_of_tables_are_merged_layer_by_layer() -> None:
    config = loaded(
        '[conflicts]\nTIMEOUT = "ABORT"\nRATE_LIMIT = "ALLOW"\n[health_weights]\nsuccess_rate = 0.3',
        {"BUDDY_CONFLICTS": '{"TIMEOUT": "ALLOW"}', "BUDDY_HEALTH_WEIGHTS": '{"approval_rate": 0.2}'},
        conflicts={ConflictType.RESOURCE: Strategy.ABORT},
    )
    assert config.conflicts == {
        **DEFAULT_STRATEGIES,
        ConflictType.TIMEOUT: Strategy.ALLOW,
        ConflictType.RATE_LIMIT: Strategy.ALLOW,
        ConflictType.RESOURCE: Strategy.ABORT,
    }
    assert config.health_weights == {**HEALTH_WEIGHTS, "success_rate": 0.3, "approval_rate": 0.2}


def test_the_sandbox_is_a_table_whose_parts_are_merged_too() -> None:
    config = loaded(
        "[sandbox]\npolicy = 'extended'\nworkers = 4", {"BUDDY_SANDBOX": '{"workers": 1, "timeout_s": 9}'}
    )
    assert config.sandbox == SandboxSettings(policy="extended", workers=1, timeout_s=9.0)


def test_the_environment_says_tables_and_numbers_as_json_and_texts_as_they_are() -> None:
    config = loaded(
        environ={
            "BUDDY_DRY_RUN_ONLY": "true",
            "BUDDY_DEADLINE_S": "1e2",
            "BUDDY_OUTPUT_DIR": "12",
            "BUDDY_ON_FAILURE": "continue",
            "BUDDY_CAPS": '[{"calls": 1}]',
            "BUDDY_AGENTS": '{"ada": {}}',
        }
    )
    assert config == ExecutionConfig(
        dry_run_only=True,
        deadline_s=100.0,
        output_dir="12",
        on_failure="continue",
        caps=(Cap(calls=1),),
        agents={"ada": Agent()},
    )


def test_flags_may_be_texts_or_the_types_of_python() -> None:
    config = loaded(mode=Mode.LIVE, output_dir=Path("a/b"), seed="7", caps=[Cap(writes=0)], breaker=False)
    assert config == ExecutionConfig(
        mode=Mode.LIVE, output_dir="a/b", seed=7, caps=(Cap(writes=0),), breaker=False
    )


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("mock", Mode.MOCK),
        ("dry-run", Mode.DRY_RUN),
        ("live", Mode.LIVE),
        ("MOCK", Mode.MOCK),
        ("DRY_RUN", Mode.DRY_RUN),
        ("LIVE", Mode.LIVE),
    ],
)
def test_a_mode_has_two_spellings(text: str, mode: Mode) -> None:
    assert loaded(mode=text).mode is mode
    assert loaded(f'mode = "{text}"').mode is mode
    assert loaded(environ={"BUDDY_MODE": text}).mode is mode


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("colour = 1", "expected the name of a setting, found 'colour'"),
        ("[fleet]", "expected the name of a setting, found 'fleet'"),
        ("seed = true", "seed: expected integer, found true"),
        ("seed = 1.0", "seed: expected `int`, found `float`"),
        ("max_retries = 101", "max_retries: expected at most 100, found 101"),
        ("approval_expiry_s = 0", "approval_expiry_s: expected more than 0, found 0"),
        ("deadline_s = nan", "deadline_s: expected a finite number, found nan"),
        ("caps = [{window_s = inf}]", "caps[0].window_s: expected a finite number, found inf"),
        ("caps = [{tools = 'x'}]", "caps[0]: expected no unknown keys, found 'tools'"),
        (
            "output_dir = 2026-01-02",
            "output_dir: expected a text, number, boolean, list or table, found datetime.date(2026, 1, 2)",
        ),
        ("mode = 'fast'", "mode: expected one of DRY_RUN, LIVE, MOCK, found 'fast'"),
        ("mode = 1", "mode: expected one of DRY_RUN, LIVE, MOCK, found 1"),
        ("agents.ada.capacity = 0", "agents.ada.capacity: expected at least 1, found 0"),
        ("conflicts = 1", "conflicts: expected object, found 1"),
        (
            "conflicts.TIMEOUT = 'WAIT'",
            "conflicts.TIMEOUT: expected one of ABORT, ALLOW, DELAY, DOWNGRADE, REASSIGN, found 'WAIT'",
        ),
        (
            "conflicts.HUNGER = 'DELAY'",
            "conflicts: expected one of RESOURCE, ORDERING, RATE_LIMIT, DUPLICATE_ACTION, PERMISSION,"
            " TIMEOUT, found 'HUNGER'",
        ),
        (
            "health_weights.luck = 0.0",
            "health_weights: expected one of success_rate, rollback_frequency, conflict_rate,"
            " confidence_drift, approval_rate, found 'luck'",
        ),
        ("health_weights.success_rate = 0.5", "health_weights: expected weights that sum to 1, found 1.1"),
        (
            "health_score_weights.luck = 0.0",
            "health_score_weights: expected one of success_rate, availability, accuracy, load_balance,"
            " found 'luck'",
        ),
        (
            "health_score_weights.accuracy = 0.1",
            "health_score_weights: expected weights that sum to 1, found 0.9",
        ),
        ("num_agents = 0", "num_agents: expected at least 1, found 0"),
        ("num_agents = 10001", "num_agents: expected at most 10000, found 10001"),
        ("max_parallel_tasks = 0", "max_parallel_tasks: expected at least 1, found 0"),
        ("confidence_threshold = 1.5", "confidence_threshold: expected at most 1, found 1.5"),
        ("schedule = 'levels'", "schedule: expected one of continuous, waves, found 'levels'"),
        (
            "assignment_strategy = 'RANDOM'",
            "assignment_strategy: expected one of CONFIDENCE_BASED, LOAD_BALANCED, PRIORITY_BASED,"
            " ROUND_ROBIN, found 'RANDOM'",
        ),
        ("sandbox.workers = 0", "sandbox.workers: expected at least 1, found 0"),
        ("sandbox.timeout = 1", "sandbox: expected no unknown keys, found 'timeout'"),
        (
            "sandbox.timeout_s = 61",
            "sandbox.timeout_s: expected at most max_timeout_s (60), found 61",
        ),
        ("health_weights.success_rate = -1", "health_weights.success_rate: expected at least 0, found -1"),
        (
            "clock = 'virtual'\nmode = 'LIVE'",
            "clock: expected 'real' because the mode is LIVE, found 'virtual',"
            " which is for simulations in MOCK",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_file_and_key(toml: str, sentence: str) -> None:
    assert problems(toml) == [f"buddy.toml: {sentence}"]


def test_both_tables_of_weights_are_told_where_both_are_wrong() -> None:
    told = problems("health_weights.success_rate = 0.5\nhealth_score_weights.accuracy = 0.3")
    assert [one.split(":")[1] for one in told] == [" health_weights", " health_score_weights"]


@pytest.mark.parametrize("kind", list(ConflictType))
@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_strategy_must_make_sense_for_its_type(kind: ConflictType, strategy: Strategy) -> None:
    toml = f"conflicts.{kind.value} = '{strategy.value}'"
    if strategy in settings.ALLOWED[kind]:
        assert loaded(toml).conflicts[kind] is strategy
    else:
        allowed = ", ".join(one.value for one in settings.ALLOWED[kind])
        found = f"found '{strategy.value}'"
        assert problems(toml) == [f"buddy.toml: conflicts.{kind.value}: expected one of {allowed}, {found}"]


def test_the_defaults_are_allowed_and_every_type_has_its_row() -> None:
    assert set(settings.ALLOWED) == set(ConflictType)
    assert all(strategy in settings.ALLOWED[kind] for kind, strategy in DEFAULT_STRATEGIES.items())


def test_a_clock_and_a_mode_of_different_layers_contradict_each_other_too() -> None:
    assert problems("clock = 'virtual'", mode="dry-run")[0].startswith("buddy.toml: clock: expected 'real'")
    assert loaded("clock = 'virtual'\nmode = 'LIVE'", mode="mock").clock == "virtual"


def test_all_problems_of_all_layers_are_reported_together() -> None:
    environ = {"BUDDY_SEED": "x", "BUDDY_FOO": "", "BUDDY_MODE": " ", "BUDDY_BREAKER": "1"}
    assert problems("max_retries = -1\nnope = 1", environ, deadline_s=object(), isolate="yes")[:-2] == [
        "environment BUDDY_MODE: mode: expected a value, found an empty text; unset the variable instead",
        "buddy.toml: max_retries: expected at least 0, found -1",
        "buddy.toml: expected the name of a setting, found 'nope'",
        "environment BUDDY_BREAKER: breaker: expected boolean, found 1",
        "environment BUDDY_FOO: expected the name of a setting, found 'foo'",
        "environment BUDDY_SEED: seed: expected integer, found 'x'",
    ]


def test_flags_are_named_as_the_command_line_names_them() -> None:
    told = problems(deadline_s=-1, output_dir=3, max_retries="x", colour="red")
    assert told == [
        "--deadline: deadline_s: expected at least 0, found -1",
        "--out: output_dir: expected string, found 3",
        "--max-retries: max_retries: expected integer, found 'x'",
        "--colour: expected the name of a setting, found 'colour'",
    ]


@pytest.mark.parametrize("text", ['{"TIMEOUT": "ABORT", "TIMEOUT": "ALLOW"}', "{", "[" * 100_000, "DELAY"])
def test_a_table_of_the_environment_must_be_json_with_each_key_once(text: str) -> None:
    (told,) = problems(environ={"BUDDY_CONFLICTS": text})
    assert told.startswith("environment BUDDY_CONFLICTS: conflicts: expected object, found '")


def test_a_text_that_is_no_unicode_is_refused() -> None:
    assert problems(environ={"BUDDY_OUTPUT_DIR": "\udcff", "BUDDY_AGENTS": '{"\\ud800": {}}'}) == [
        "environment BUDDY_AGENTS: agents: key: expected Unicode text, found '\\ud800'",
        "environment BUDDY_OUTPUT_DIR: output_dir: expected Unicode text, found '\\udcff'",
    ]


def test_more_than_a_hundred_problems_are_counted() -> None:
    with pytest.raises(BadConfig) as caught:
        loaded("\n".join(f"x{number} = 1" for number in range(120)))
    assert (len(caught.value.problems), caught.value.omitted) == (100, 20)


def test_high_risk_without_approval_is_a_warning_that_says_where_it_comes_from() -> None:
    Path("other.toml").write_text("approval_required_for_high_risk = false")
    config, warnings = settings.load(Path("other.toml"), {}, {})
    assert not config.approval_required_for_high_risk
    assert warnings == [
        "other.toml: approval_required_for_high_risk is false:"
        " tools of HIGH risk act without anybody's approval"
    ]
    assert settings.load(Path("other.toml"), {}, {"approval_required_for_high_risk": True})[1] == []


def test_a_file_that_is_named_is_read_instead_of_the_one_in_the_folder() -> None:
    Path("buddy.toml").write_text("seed = 1\nmax_retries = 1")
    Path("other.toml").write_bytes(b"\xef\xbb\xbfseed = 2")
    config, _ = settings.load(Path("other.toml"), {}, {})
    assert (config.seed, config.max_retries) == (2, 3)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("gone.toml", None, "gone.toml: expected a file of settings, found nothing there"),
        (".", None, ".: expected a file of settings, found a folder"),
        ("bad.toml", b"\xff", "bad.toml: expected UTF-8 text, found something else at byte 0"),
        ("bad.toml", b"seed = ", "bad.toml: expected TOML, found a syntax error: "),
        ("bad.toml", b"seed = 1\nseed = 2", "bad.toml: expected TOML, found a syntax error: "),
        (
            "a.toml/b.toml",
            None,
            "a.toml/b.toml: expected settings that can be read, found that they cannot: ",
        ),
        ("a\0b", None, "'a\\x00b': expected settings that can be read, found that they cannot: "),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(name: str, content: bytes | None, sentence: str) -> None:
    Path("a.toml").touch()
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(BadConfig) as caught:
        settings.load(Path(name), {"BUDDY_SEED": "x"}, {})
    assert caught.value.problems[0].startswith(sentence)
    assert caught.value.problems[1] == "environment BUDDY_SEED: seed: expected integer, found 'x'"


def test_every_field_can_be_said_by_the_environment() -> None:
    # Every text that may be left out is given, as no text of the environment means none.
    config = ExecutionConfig(
        output_dir="o",
        deadline_s=1.0,
        phase16_output_dir="16",
        phase18_output_dir="18",
        phase20_output_dir="20",
        on_alert="a",
        on_approval="b",
        signing_key="s",
    )
    environ = {}
    for name, value in msgspec.to_builtins(config).items():
        environ[f"BUDDY_{name.upper()}"] = value if isinstance(value, str) else json.dumps(value)
    assert settings.load(None, environ, {})[0] == config


def test_what_is_no_setting_at_all_is_refused_by_its_name() -> None:
    wrong: Any = print
    with pytest.raises(BadConfig, match="on_approval: expected"):
        settings.check(ExecutionConfig(on_approval=wrong))


def test_settings_made_in_python_are_checked_as_those_of_a_file() -> None:
    assert settings.check(ExecutionConfig()) == []
    assert len(settings.check(ExecutionConfig(approval_required_for_high_risk=False))) == 1
    bad = ExecutionConfig(
        max_retries=1000,
        conflicts={ConflictType.RATE_LIMIT: Strategy.ABORT},
        health_weights={"success_rate": float("nan")},
    )
    with pytest.raises(BadConfig) as caught:
        settings.check(bad)
    assert sorted(one.split(": expected")[0] for one in caught.value.problems) == [
        "ExecutionConfig: conflicts.RATE_LIMIT",
        "ExecutionConfig: health_weights.success_rate",
        "ExecutionConfig: max_retries",
    ]


class Word(str):
    """A text that the journal cannot hold."""


def test_settings_of_other_classes_are_refused() -> None:
    with pytest.raises(BadConfig) as caught:
        settings.check(ExecutionConfig(approvals=Word("exit"), mode=Mode.LIVE))
    told = "ExecutionConfig: approvals: expected a plain value, found 'exit' of type Word"
    assert caught.value.problems == (told,)
