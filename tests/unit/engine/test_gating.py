"""What the gate said is told again only about the very same facts."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core import gate
from buddy.core.gate import Facts, Grant
from buddy.engine import gating
from buddy.engine.plans import GateMemory
from buddy.model.config import Cap
from buddy.model.contract import ToolContract
from buddy.model.home import LockState
from buddy.model.mode import Mode, Risk

TOOLS = {risk: ToolContract(name=f"{risk.value} tool", risk=risk) for risk in Risk}
LOCKS = (LockState(), LockState(epoch=1, engaged=True, reason="a drill"), LockState(epoch=2))
SOURCES = (None, (Mode.MOCK, "s0"), (Mode.LIVE, "s0"), (Mode.LIVE, "s1"))

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "risk": st.sampled_from(Risk),
    "agent": st.sampled_from("ab"),
    "confidence": st.sampled_from((None, 0.5, 0.66, 0.8, 0.95)),
    "passed": st.sampled_from((None, *Mode)),
    "lock": st.sampled_from(LOCKS),
    "breaker": st.sampled_from(("", "the breaker is open", "another one is")),
    "source": st.sampled_from(SOURCES),
    "grant": st.sampled_from(Grant),
    "earlier": st.sampled_from(("", "it was done yesterday")),
}
CHANGES = st.sampled_from(sorted(FIELDS)).flatmap(lambda name: FIELDS[name].map(lambda value: {name: value}))
"""Another value of one field."""


class Plan:
    """A plan that is asked about many calls, of which `now` is one."""

    def __init__(self, caps: tuple[Cap, ...] = ()) -> None:
        self.now: dict[str, Any] = {}
        self.used_up = ""
        self.asked = 0
        self.config = SimpleNamespace(
            caps=caps, mode=Mode.LIVE, dry_run_only=False, confidence_threshold_for_live=0.75,
            approval_required_for_high_risk=True, approval_required="auto", max_live_escalations=4,
        )  # fmt: skip
        self.run = SimpleNamespace(
            config=self.config,
            environment=False,
            stops=lambda tool, agent: (self.now["lock"], self.now["breaker"]),
            home=SimpleNamespace(used_up=lambda *args: self.used_up),
            clock=SimpleNamespace(now=lambda: 0.0),
        )
        self.plan = SimpleNamespace(
            gate=GateMemory(),
            schedule=SimpleNamespace(needs=[(1,)]),
            source=lambda place: self.now["source"],
            limit=lambda place: None,
            agent=lambda name: SimpleNamespace(permissions=frozenset({"*"})),
        )

    def call(self, now: dict[str, Any]) -> Any:
        self.now = now
        contract = TOOLS[now["risk"]]
        args: dict[str, Any] = {}
        step = SimpleNamespace(
            tool=contract.name, agent=now["agent"], confidence=now["confidence"], args=args
        )
        return SimpleNamespace(
            run=self.run, plan=self.plan, place=0, step=step, args=args, contract=contract,
            handlers=frozenset({"live", "preview"}), passed=now["passed"], grant=now["grant"],
            earlier=now["earlier"], reasons=None,
        )  # fmt: skip


def told(now: dict[str, Any], caps: str = "") -> Facts:
    lock = now["lock"]
    return Facts(
        tool=TOOLS[now["risk"]].name, agent=now["agent"], contract=TOOLS[now["risk"]], runnable=True,
        mode=Mode.LIVE, confidence=now["confidence"], locked=lock.reason if lock.engaged else None,
        source=now["source"], breaker=now["breaker"], passed=now["passed"], earlier=now["earlier"],
        grant=now["grant"], budget=4, caps=caps,
    )  # fmt: skip


@given(st.lists(CHANGES, min_size=1, max_size=60))
def test_every_answer_is_that_of_the_gate(changes: list[dict[str, Any]]) -> None:
    plan, now = Plan(), ordinary()
    for change in changes:
        now = now | change
        facts = told(now)
        for wanted in Mode:
            assert gating.decide(plan.call(now), wanted) == gate.decide(facts, wanted)
        assert gating.top(plan.call(now)) == gate.ceiling(facts, skip=gate.PLANNED)
        assert gating.approval_reasons(plan.call(now)) == gate.approval_reasons(facts)


def ordinary(**changed: Any) -> dict[str, Any]:
    return {
        "risk": Risk.MEDIUM, "agent": "a", "confidence": 0.95, "passed": Mode.DRY_RUN, "lock": LOCKS[0],
        "breaker": "", "source": None, "grant": Grant.NOT_ASKED, "earlier": "",
    } | changed  # fmt: skip


def test_the_gate_is_asked_once_about_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, asked, decide = Plan(), [], gate.decide

    def counted(facts: Facts, wanted: Mode) -> Any:
        asked.append(facts)
        return decide(facts, wanted)

    monkeypatch.setattr(gating.gate, "decide", counted)
    for _ in range(5):
        gating.decide(plan.call(ordinary()), Mode.LIVE)
    assert len(asked) == 1


def test_what_was_said_about_caps_does_not_last() -> None:
    plan = Plan(caps=(Cap(calls=1),))
    call = plan.call(ordinary())
    assert gating.decide(call, Mode.LIVE) == gate.decide(told(ordinary()), Mode.LIVE)
    plan.used_up = "one call a day"
    assert gating.decide(call, Mode.LIVE) == gate.decide(told(ordinary(), caps="one call a day"), Mode.LIVE)


def test_only_so_many_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gating, "MOST", 10)
    plan = Plan()
    for number in range(100):
        gating.decide(plan.call(ordinary(confidence=number / 100)), Mode.LIVE)
        assert len(plan.plan.gate.answers) <= 10
