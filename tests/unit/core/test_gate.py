from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from buddy.core import gate
from buddy.core.gate import RULES, THRESHOLDS, Facts, Grant
from buddy.model.contract import ToolContract
from buddy.model.decision import Ceiling, Denied, NeedsApproval, Run, Wait
from buddy.model.mode import Mode, Risk, Undo
from unit.core.plans import read, tool

MOCK, DRY_RUN, LIVE = Mode
HIGH = tool("pay", risk=Risk.HIGH, undo=Undo.NONE)
FINAL = tool("send", undo=Undo.NONE)


def facts(**fields: Any) -> Facts:
    """A step that may go LIVE."""
    open_to_all = {
        "tool": "set", "agent": "ann", "contract": tool(), "runnable": True, "mode": LIVE, "confidence": 1.0,
        "passed": DRY_RUN,
    }  # fmt: skip
    return Facts(**{**open_to_all, **fields})


def test_the_rules_stand_in_their_order() -> None:
    names = [name for name, _ in RULES]
    assert names == [
        "environment", "lock", "unknown_tool", "permission", "requested_mode", "confidence", "dependency",
        "breaker", "caps", "rehearsal", "approval", "live_budget",
    ]  # fmt: skip
    assert set(names) >= gate.TRANSIENT | gate.HOLDING | gate.GATE_DENIED


def test_nothing_stops_a_step_that_no_rule_stops() -> None:
    assert gate.ceiling(facts()) is None
    assert gate.decide(facts(), LIVE) == Run(LIVE, "", 0.75)


@pytest.mark.parametrize(
    ("rule", "fields", "mode", "reason"),
    [
        ("environment", {"environment": True}, MOCK, "DRY_RUN=true is set in the environment"),
        ("lock", {"locked": "an incident"}, MOCK, "the system is locked (an incident)"),
        ("unknown_tool", {"contract": None}, MOCK, "no catalogue names the tool 'set'"),
        ("unknown_tool", {"contract": None, "tool": "task"}, MOCK, "a task that names no tool is simulated"),
        ("unknown_tool", {"runnable": False}, MOCK, "'set' has a contract but no handler"),
        ("permission", {"missing": ("a", "b")}, MOCK, "agent 'ann' lacks a, b"),
        ("requested_mode", {"mode": MOCK}, MOCK, "no higher than MOCK"),
        ("requested_mode", {"mode": DRY_RUN}, DRY_RUN, "no higher than DRY_RUN"),
        ("requested_mode", {"mode": DRY_RUN, "dry_run_only": True}, DRY_RUN, "no higher than DRY_RUN"),
        ("requested_mode", {"dry_run_only": True}, DRY_RUN, "dry_run_only"),
        ("confidence", {"confidence": None}, MOCK, "needs confidence 0.5; the step has no confidence score"),
        (
            "confidence",
            {"confidence": 0.6},
            DRY_RUN,
            "LIVE of a LOW risk tool needs confidence 0.75; the step has 0.6",
        ),
        ("confidence", {"confidence": 0.7499999}, DRY_RUN, "the step has 0.7499999"),
        ("confidence", {"confidence": float("nan")}, MOCK, "the step has nan"),
        (
            "dependency",
            {"source": (None, "find")},
            MOCK,
            "step 'find', which it depends on, went no higher than MOCK",
        ),
        ("dependency", {"source": (MOCK, "find")}, MOCK, "went no higher than MOCK"),
        ("dependency", {"source": (DRY_RUN, "find")}, DRY_RUN, "went no higher than DRY_RUN"),
        ("breaker", {"breaker": "it fails"}, DRY_RUN, "it fails; 'buddy breaker close' closes it"),
        ("caps", {"caps": "10 of 10 calls were made"}, MOCK, "10 of 10 calls were made"),
        ("rehearsal", {"passed": None}, MOCK, "MOCK was not passed yet"),
        ("rehearsal", {"passed": MOCK}, DRY_RUN, "DRY_RUN was not passed yet"),
        (
            "approval",
            {"contract": HIGH},
            DRY_RUN,
            "a person has to approve it: 'set' is of HIGH risk; 'set' cannot",
        ),
        ("live_budget", {"in_flight": 1}, DRY_RUN, "1 live calls are under way"),
    ],
)
def test_each_rule_gives_its_ceiling_and_says_why(
    rule: str, fields: dict[str, Any], mode: Mode, reason: str
) -> None:
    found = gate.ceiling(facts(**fields))
    assert found is not None
    assert (found.rule, found.mode) == (rule, mode)
    assert reason in found.reason


@pytest.mark.parametrize(
    "fields", [{"source": (LIVE, "find")}, {"source": None}, {"passed": LIVE}, {"in_flight": 0}]
)
def test_these_do_not_stop_a_step(fields: dict[str, Any]) -> None:
    assert gate.ceiling(facts(**fields)) is None


SCALE = {Risk.LOW: (0.50, 0.70), Risk.MEDIUM: (0.65, 0.80), Risk.HIGH: (0.80, 0.85)}


@pytest.mark.parametrize("risk", Risk)
def test_thresholds(risk: Risk) -> None:
    dry_run, live = SCALE[risk]
    assert THRESHOLDS[risk] == {MOCK: 0.0, DRY_RUN: dry_run, LIVE: live}
    contract = tool(risk=risk)
    assert gate.threshold(contract, LIVE, 0.0) == live
    assert gate.threshold(contract, LIVE, 0.9) == 0.9
    assert gate.threshold(contract, DRY_RUN, 0.9) == dry_run
    rungs = {}
    for have in (0.0, dry_run - 1e-9, dry_run, live - 1e-9, live, 1.0):
        found = gate.confidence(facts(contract=contract, confidence=have, live_floor=0.0))
        rungs[have] = LIVE if found is None else found[0]
    assert list(rungs.values()) == [MOCK, MOCK, DRY_RUN, DRY_RUN, LIVE, LIVE]


def test_a_tool_that_nobody_knows_counts_as_high() -> None:
    assert gate.threshold(None, DRY_RUN, 0.75) == 0.80
    found = gate.confidence(facts(contract=None, confidence=0.79))
    assert found is not None
    assert found[1].startswith("DRY_RUN of a HIGH risk tool")


@pytest.mark.parametrize(
    ("contract", "fields", "reasons"),
    [
        (None, {"approve_all": True}, ()),
        (tool(), {}, ()),
        (read(risk=Risk.HIGH), {}, ("'set' is of HIGH risk",)),
        (tool(risk=Risk.HIGH), {"approve_high": False}, ()),
        (FINAL, {"approve_high": False}, ("'set' cannot be undone",)),
        (tool(), {"has_preview": False}, ("'set' has no preview",)),
        (read(), {"has_preview": False}, ()),
        (tool(), {"approve_all": True}, ("the configuration asks a person about everything live",)),
        (tool(), {"earlier": "it was done on Monday"}, ("it was done on Monday",)),
    ],
)
def test_why_a_person_is_asked(
    contract: ToolContract | None, fields: dict[str, Any], reasons: tuple[str, ...]
) -> None:
    assert gate.approval_reasons(facts(contract=contract, **fields)) == reasons
    found = gate.approval(facts(contract=contract, **fields))
    assert (found is not None) is bool(reasons)
    assert gate.approval(facts(contract=contract, grant=Grant.APPROVED, **fields)) is None
    if found is not None and contract is not None:
        assert found[0] is (DRY_RUN if contract.writes else MOCK)


@pytest.mark.parametrize("grant", [Grant.NOT_ASKED, Grant.PENDING])
def test_only_a_yes_lets_it_through(grant: Grant) -> None:
    decided = gate.decide(facts(contract=FINAL, grant=grant), LIVE)
    assert decided == NeedsApproval("approval", "a person has to approve it: 'set' cannot be undone")
    assert gate.decide(facts(contract=FINAL, grant=Grant.APPROVED), LIVE) == Run(LIVE, "", 0.75)


def test_a_full_budget_waits_and_a_rule_denies() -> None:
    assert isinstance(gate.decide(facts(in_flight=1), LIVE), Wait)
    assert gate.decide(facts(caps="used up"), DRY_RUN) == Denied(Ceiling(MOCK, "caps", "used up"))
    assert gate.decide(facts(caps="used up"), MOCK) == Run(MOCK, "caps", 0.0)


def test_the_next_rung_is_one_up() -> None:
    assert [gate.next_rung(passed) for passed in (None, MOCK, DRY_RUN, LIVE)] == [MOCK, DRY_RUN, LIVE, None]


SITUATIONS = st.builds(
    facts,
    contract=st.sampled_from([None, tool(), read(), HIGH, FINAL, read(risk=Risk.HIGH)]),
    runnable=st.booleans(),
    has_preview=st.booleans(),
    mode=st.sampled_from(Mode),
    dry_run_only=st.booleans(),
    environment=st.booleans(),
    locked=st.sampled_from([None, "", "an incident"]),
    missing=st.sampled_from([(), ("a",)]),
    confidence=st.none() | st.floats(0, 1),
    source=st.none() | st.tuples(st.none() | st.sampled_from(Mode), st.just("find")),
    breaker=st.sampled_from(["", "open"]),
    caps=st.sampled_from(["", "used up"]),
    passed=st.none() | st.sampled_from(Mode),
    approve_high=st.booleans(),
    approve_all=st.booleans(),
    earlier=st.sampled_from(["", "before"]),
    grant=st.sampled_from(Grant),
    in_flight=st.integers(0, 2),
)


@given(SITUATIONS, st.frozensets(st.sampled_from([name for name, _ in RULES])))
def test_the_lowest_ceiling_wins_and_of_equals_the_first(situation: Facts, skip: frozenset[str]) -> None:
    limits = [(limit[0].rank, order, name) for order, (name, rule) in enumerate(RULES) if name not in skip
              and (limit := rule(situation)) is not None]  # fmt: skip
    found = gate.ceiling(situation, skip)
    if not limits:
        assert found is None
    else:
        assert found is not None
        assert (found.mode.rank, found.rule) == (min(limits)[0], min(limits)[2])


@given(SITUATIONS, st.sampled_from(Mode))
def test_nothing_runs_above_what_any_rule_allows(situation: Facts, wanted: Mode) -> None:
    allowed = all(limit[0] >= wanted for _, rule in RULES if (limit := rule(situation)) is not None)
    assert isinstance(gate.decide(situation, wanted), Run) is allowed


@given(SITUATIONS, st.floats(0, 1), st.floats(0, 1))
def test_more_confidence_never_lowers_a_ceiling(situation: Facts, one: float, other: float) -> None:
    low, high = (gate.ceiling(replace(situation, confidence=have)) for have in sorted((one, other)))
    assert high is None or (low is not None and high.mode >= low.mode)
