import argparse
import re
import shlex
import tomllib
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct, structs

import buddy
from architecture.pages import ROOT, first_cells, names, rows, section, text
from buddy.adapters.inputs.settings import ALLOWED
from buddy.core.approvals import PolicyRule
from buddy.core.gate import RULES, THRESHOLDS
from buddy.engine import orchestrator
from buddy.interfaces.cli import grammar, main, sandbox
from buddy.model.config import (
    DEFAULT_STRATEGIES,
    FLEET_HEALTH_WEIGHTS,
    HEALTH_WEIGHTS,
    Cap,
    ExecutionConfig,
    SandboxSettings,
)
from buddy.model.conflict import ConflictType
from buddy.model.contract import ToolContract
from buddy.model.fleet import AssignmentStrategy, PredictedTask, ScheduledTask
from buddy.model.mode import Mode
from buddy.model.plan import Agent, Claim, PlanDocument, StepDocument, Validation
from buddy.model.sandbox import Layer, ViolationType
from buddy.model.violations import ViolationLine
from buddy.projections.anomalies import AnomalyType
from buddy.projections.calls import CallLine
from buddy.projections.conflicts import ConflictFile, ConflictLine
from buddy.projections.files import SystemHealth
from buddy.projections.fleet.feedback import CoordinationLine, HeuristicLine, ValidationLine
from buddy.projections.fleet.files import REPORT
from buddy.projections.fleet.health import FleetHealth, Scored, WaveHealth
from buddy.projections.fleet.lines import AssignmentLine, MetricLine, TaskLine, TaskStatus
from buddy.projections.fleet.report import GANTT
from buddy.projections.fleet.summary import AgentTotal, FleetSummary
from buddy.projections.moves import MoveLine, UndoLine
from buddy.projections.outputs import FLEET_SCHEMAS, OUTPUTS
from buddy.projections.signal_types import AnySignal, FleetSignal, Signal
from buddy.projections.summary import Summary

CONFIGURATION = text("reference/configuration.md")
OUTPUT_PAGE = text("reference/outputs.md")
FLEET_PAGE = text("reference/fleet-outputs.md")


def fields(record: type[Struct]) -> set[str]:
    return {field.encode_name for field in structs.fields(record)}


def shown(value: Any) -> str:
    """How the page writes a default; what is too long to write has a section of its own."""
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"`{value:.15g}`"
    return f"`{value}`"


class TestConfiguration:
    settings = section(CONFIGURATION, "## Settings")

    def test_every_setting_is_documented_and_no_other(self) -> None:
        assert {names(row[0])[0] for row in rows(self.settings)} == fields(ExecutionConfig)

    @pytest.mark.parametrize("field", structs.fields(ExecutionConfig), ids=lambda field: field.name)
    def test_every_default_is_the_real_one(self, field: structs.FieldInfo) -> None:
        row = next(row for row in rows(self.settings) if names(row[0]) == [field.name])
        assert row[1], "no meaning"
        if field.default_factory is not msgspec.NODEFAULT:
            made = field.default_factory()
            assert row[2] == ("below" if made else "none")
        elif field.default is None or field.default == ():
            assert row[2] in {"none", "no limit", "`runs/RUN_ID`"}
        else:
            assert row[2] == shown(field.default)

    def test_strategies(self) -> None:
        table = {names(row[0])[0]: row for row in rows(section(CONFIGURATION, "## `conflicts`"))}
        assert table.keys() == {kind.value for kind in ConflictType}
        for kind, strategy in DEFAULT_STRATEGIES.items():
            by_default, others = names(table[kind.value][1]), names(table[kind.value][2])
            assert by_default[0] == strategy.value
            assert [by_default[0], *others] == [allowed.value for allowed in ALLOWED[kind]]

    def test_caps(self) -> None:
        assert first_cells(section(CONFIGURATION, "## `caps`")) == fields(Cap)

    def test_sandbox(self) -> None:
        table = {names(row[0])[0]: row[2] for row in rows(section(CONFIGURATION, "## `sandbox`"))}
        defaults = structs.asdict(SandboxSettings())
        assert table.pop("timeout_s") == "the policy's"
        assert defaults.pop("timeout_s") is None
        assert table == {name: shown(value) for name, value in defaults.items()}

    @pytest.mark.parametrize(
        ("setting", "weights"),
        [("health_weights", HEALTH_WEIGHTS), ("health_score_weights", FLEET_HEALTH_WEIGHTS)],
    )
    def test_weights(self, setting: str, weights: dict[str, float]) -> None:
        table = {
            names(row[0])[0]: float(names(row[1])[0])
            for row in rows(section(CONFIGURATION, f"## `{setting}`"))
        }
        assert table == weights

    def test_assignment_strategies(self) -> None:
        table = first_cells(section(CONFIGURATION, "## `assignment_strategy`"))
        assert table == {strategy.value for strategy in AssignmentStrategy}


class TestPlanFile:
    @pytest.mark.parametrize(
        ("title", "record"),
        [
            ("## The plan", PlanDocument),
            ("## A step", StepDocument),
            ("## An agent", Agent),
            ("## A validation result", Validation),
        ],
    )
    def test_every_key_is_documented_and_no_other(self, title: str, record: type[Struct]) -> None:
        assert first_cells(section(text("reference/plan-file.md"), title)) == fields(record)

    def test_claims(self) -> None:
        assert all(
            f"`{name}`" in section(text("reference/plan-file.md"), "## A step") for name in fields(Claim)
        )


class TestPredictions:
    @pytest.mark.parametrize(
        ("title", "record"), [("## A task", PredictedTask), ("## A line of the schedule", ScheduledTask)]
    )
    def test_every_key_is_documented_and_no_other(self, title: str, record: type[Struct]) -> None:
        assert first_cells(section(text("reference/predictions.md"), title)) == fields(record)


class TestCatalogue:
    page = text("reference/catalogue.md")

    def test_every_field_of_a_contract_is_documented_and_no_other(self) -> None:
        assert first_cells(section(self.page, "## Fields")) == fields(ToolContract)

    def test_every_key_of_a_policy_rule_is_documented_and_no_other(self) -> None:
        assert first_cells(section(self.page, "## Policy file")) == fields(PolicyRule)


class TestOutputs:
    def test_every_file_is_documented_and_no_other(self) -> None:
        headings = {line[3:] for line in OUTPUT_PAGE.splitlines() if line.startswith("## ")}
        assert headings == OUTPUTS.keys()

    @pytest.mark.parametrize(
        ("name", "records"),
        [
            ("tool_execution_log.jsonl", [CallLine]),
            ("orchestration_summary.json", [Summary]),
            ("execution_state_transitions.jsonl", [MoveLine]),
            ("tool_conflicts.json", [ConflictFile, ConflictLine]),
            ("rollback_events.jsonl", [UndoLine]),
            ("learning_signals.jsonl", [Signal]),
            ("system_health.json", [SystemHealth]),
        ],
    )
    def test_every_field_is_documented(self, name: str, records: list[type[Struct]]) -> None:
        documented = first_cells(section(OUTPUT_PAGE, f"## {name}"))
        for record in records:
            assert fields(record) <= documented

    @pytest.mark.parametrize("signal", get_args(AnySignal), ids=lambda signal: signal.__name__)
    def test_every_signal_is_documented(self, signal: type[Struct]) -> None:
        part = section(OUTPUT_PAGE, f"### `{signal.__struct_config__.tag}`")
        content = next(field.type for field in structs.fields(signal) if field.name == "content")
        assert first_cells(part) == fields(content)

    def test_every_anomaly_is_documented(self) -> None:
        assert {kind.value for kind in AnomalyType} <= first_cells(
            section(OUTPUT_PAGE, "## system_health.json")
        )


def test_the_violation_log_is_documented_and_nothing_else() -> None:
    documented = first_cells(text("reference/violation-log.md"))
    assert documented == fields(ViolationLine) | {kind.value for kind in ViolationType}
    assert all(f"`{layer.value}`" in text("reference/violation-log.md") for layer in Layer)


class TestFleetOutputs:
    def test_every_file_is_documented_and_no_other(self) -> None:
        headings = {line[3:] for line in FLEET_PAGE.splitlines() if line.startswith("## ")}
        assert headings == {*FLEET_SCHEMAS, REPORT, GANTT}

    def test_the_tree_shows_every_file(self) -> None:
        tree = FLEET_PAGE[: FLEET_PAGE.index("## ")]
        assert all(name in tree for name in (*FLEET_SCHEMAS, REPORT, GANTT))

    @pytest.mark.parametrize(
        ("name", "records"),
        [
            ("agent_assignments.jsonl", [AssignmentLine]),
            ("executed_tasks.jsonl", [TaskLine]),
            ("agent_metrics.jsonl", [MetricLine]),
            ("phase21_execution_summary.json", [FleetSummary, Scored, AgentTotal]),
            ("phase21_system_health.json", [FleetHealth, WaveHealth]),
            ("heuristic_feedback.jsonl", [HeuristicLine]),
            ("coordination_feedback.jsonl", [CoordinationLine]),
            ("prediction_validation_feedback.jsonl", [ValidationLine]),
        ],
    )
    def test_every_field_is_documented(self, name: str, records: list[type[Struct]]) -> None:
        assert FLEET_SCHEMAS[name] is records[0]
        documented = first_cells(section(FLEET_PAGE, f"## {name}"))
        for record in records:
            assert fields(record) <= documented

    def test_no_file_is_left_out_of_the_check_of_fields(self) -> None:
        signals = {name for name, holds in FLEET_SCHEMAS.items() if holds == FleetSignal}
        assert signals == {"agent_feedback.jsonl", "phase21_learning_signals.jsonl"}
        told = section(FLEET_PAGE, "## phase21_learning_signals.jsonl")
        assert all(f"`{kind.__struct_config__.tag}`" in told for kind in get_args(FleetSignal))

    def test_every_word_for_where_a_task_stands(self) -> None:
        documented = first_cells(section(FLEET_PAGE, "## executed_tasks.jsonl"))
        assert {status.value for status in TaskStatus} <= documented


class TestLadder:
    page = text("explanation/ladder.md")

    def test_the_rules_stand_in_the_order_of_the_code(self) -> None:
        part = section(self.page, "## How high a step may climb")
        told = [names(row[0])[0] for row in rows(part) if names(row[0])]
        assert told == [name for name, _ in RULES]

    def test_the_thresholds_are_those_of_the_code(self) -> None:
        part = section(self.page, "## How high a step may climb")
        table = {row[0]: row for row in rows(part) if len(row) == 3}
        for risk, by_rung in THRESHOLDS.items():
            assert table[risk.value][1] == f"{by_rung[Mode.DRY_RUN]:.2f}"
            assert table[risk.value][2].startswith(f"{by_rung[Mode.LIVE]:.2f}")


def test_every_exit_code_is_documented() -> None:
    page = text("reference/exit-codes.md")
    documented = {int(row[0]) for row in rows(page)}
    of_runs = {value for name, value in vars(orchestrator).items() if name.startswith("EXIT_")}
    of_commands = {value for name, value in vars(main).items() if name.isupper() and isinstance(value, int)}
    of_commands |= {sandbox.CODE_FAILED, sandbox.VIOLATION, sandbox.LIMIT}
    assert {0, 1, 3, 4} <= of_runs
    assert {2, 74, 130} <= of_commands
    assert documented == of_runs | of_commands


def leaves(
    parser: argparse.ArgumentParser, path: str = "buddy"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that does something, with all its words."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield path, parser
    for group in groups:
        for word, child in group.choices.items():
            yield from leaves(child, f"{path} {word}")


COMMANDS = dict(leaves(grammar.parser()))


class TestCommandLine:
    page = text("reference/cli.md")

    def test_every_command_is_documented_and_no_other(self) -> None:
        told = {cell for row in rows(self.page) for cell in names(row[0]) if cell.startswith("buddy ")}
        words = {" ".join(re.findall(r"^[a-z ]+\b", cell)[0].split()) for cell in told}
        assert words == COMMANDS.keys()

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_option_is_documented(self, command: str) -> None:
        options = [
            o for action in COMMANDS[command]._actions for o in action.option_strings if o.startswith("--")
        ]
        assert options
        for option in options:
            assert option in self.page

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_help_has_an_example_that_parses(self, command: str) -> None:
        epilog = COMMANDS[command].epilog
        assert epilog is not None
        example = epilog.removeprefix("example: ")
        assert example.startswith(command)
        assert grammar.read(shlex.split(example)[1:]).command is COMMANDS[command].get_default("command")


def test_every_public_name_is_documented() -> None:
    table = first_cells(section(text("reference/python.md"), "## Names"))
    assert table == set(buddy.__all__) - {"__version__"}


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [
        *project["project"]["dependencies"],
        *(name for extra in project["project"]["optional-dependencies"].values() for name in extra),
        *(name for group in project["dependency-groups"].values() for name in group),
    ]
    explained = {row[0] for row in rows(text("decisions/dependencies.md"))}
    assert explained == {name.split(">")[0].split("=")[0].split("[")[0].strip() for name in wanted}
