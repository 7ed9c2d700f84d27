from typing import Any, get_args

import pytest

from buddy.journal.events import (
    AnyEvent,
    ApprovalDecided,
    ApprovalRequested,
    BreakerMoved,
    ConflictFound,
    ContractSeen,
    Expanded,
    LockSeen,
    Moved,
    PlanStarted,
    Reassigned,
    Resolved,
    RunResumed,
    Settled,
    TaskAssigned,
    UndoIntent,
    UndoOutcome,
    WaveFinished,
    WaveStarted,
)
from buddy.model.approval import ApprovalRequest, ApprovalState
from buddy.model.conflict import Conflict, ConflictType, StepRef, Strategy
from buddy.model.mode import Mode, Risk, Undo
from buddy.model.outcome import Change, OutcomeKind, Preview, StepStatus, UndoResult
from buddy.model.plan import Validation
from buddy.projections.phrases import quoted, ways_on
from buddy.projections.story import Story, story
from buddy.projections.telling import TELLS
from unit.projections import journals

WHO: dict[str, Any] = {"plan": "p", "step": "s", "agent": "a", "tool": "t"}


def tell(*events: AnyEvent, plan: str | None = None, step: str = "s", **start: Any) -> Story:
    found = story(journals.records([journals.started(**start), *events]), plan, step)
    assert isinstance(found, Story)
    return found


def text(told: Story) -> str:
    return "\n".join(told.sentences)


def request(step: str = "s", **more: Any) -> ApprovalRequested:
    values: dict[str, Any] = {
        "approval_id": "ap1",
        "run_id": "r1",
        "plan_id": "p",
        "step_id": step,
        "tool": "t",
        "agent": "a",
        "args": {},
        "preview": None,
        "risk": Risk.HIGH,
        "reasons": ("'t' is of HIGH risk",),
        "binding": "b",
        "contract": "c",
        "requested_at": "2026-11-20T10:00:00.000000+00:00",
        "expires_at": "2026-11-27T10:00:00.000000+00:00",
    }
    return ApprovalRequested(request=ApprovalRequest(**{**values, **more}))


def decided(state: ApprovalState = ApprovalState.DENIED, reason: str = "too much") -> ApprovalDecided:
    return ApprovalDecided(
        approval="ap1", plan="p", step="s", tool="t", state=state, by=["grace"], reason=reason
    )


def settled(status: StepStatus, rule: str = "", reason: str = "", **more: Any) -> Settled:
    return Settled(**{**WHO, "status": status, "rule": rule, "reason": reason, **more})


def test_every_event_that_names_a_step_is_told() -> None:
    assert set(get_args(AnyEvent)) - set(TELLS) == {WaveStarted, WaveFinished}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            {"recalibrated": 0.9},
            "In wave 2 it was assigned to b: predicted to succeed at 0.90, estimated at 12.5 s.",
        ),
        (
            {"recalibrated": 0.6, "moved_from": "a"},
            "In wave 2 it was assigned to b instead of a: predicted to succeed at 0.90, 0.60 as measured so"
            " far, estimated at 12.5 s.",
        ),
    ],
)
def test_an_assignment_is_told_with_what_was_expected(more: dict[str, Any], told: str) -> None:
    given = TaskAssigned(plan="p", step="s", tool="t", agent="b", wave=2, rate=0.9, seconds=12.5, **more)
    assert told in text(tell(given, journals.mocked("s")))


def test_a_live_call_is_told_from_what_was_asked_to_what_came_back() -> None:
    _, *rest = journals.live("s", result={"id": 7})
    asked = journals.rung("s", rehearsal=True, args={"to": "x@y.z"}, result={"id": 0})
    told = tell(asked, *rest)
    assert "ada asked for LIVE" in told.sentences[0]
    assert 'Agent a was to call \'t\' (LOW risk, write, undo exact) with {"to":"x@y.z"}' in text(told)
    assert "MOCK passed as the plan's rehearsal" in text(told)
    assert "confidence 0.9 where 0.75 is needed" in text(told)
    assert 'The call succeeded after 10 ms. Result: {"id":7}.' in text(told)
    assert (told.status, told.final_mode, told.rule) == (StepStatus.SUCCEEDED, Mode.LIVE, "")
    assert told.sentences[-1] == "To do: nothing; `buddy rollback r1 --tools FILE --step p/s` would undo it."


def test_what_cannot_be_undone_is_said_to_be_done() -> None:
    told = tell(*journals.live("s"), contracts=[journals.contract("t", undo=Undo.NONE)])
    assert told.sentences[-1] == "To do: nothing; it is done and cannot be undone."


def test_a_preview_is_told_as_changes_and_not_twice() -> None:
    preview = Preview(changes=[Change("contact:a", None, {"name": "Ada"}), "more"], notes=["Mind the gap."])
    dry = journals.rung("s", Mode.DRY_RUN, preview=preview)
    told = tell(journals.rung("s"), dry, dry)
    assert 'It would change: contact:a from nothing to {"name":"Ada"}; "more". Mind the gap.' in text(told)
    assert text(told).count("contact:a") == 1
    assert "the same as before" in text(told)


@pytest.mark.parametrize(
    ("preview", "sentence"),
    [
        (Preview(available=False), "no preview, so what would change is not known"),
        (Preview(), "It would change nothing."),
        (Preview(changes=list(range(9))), "and 4 more"),
        (Preview(result={"id": 1}), 'It would return {"id":1}.'),
    ],
)
def test_previews_of_all_kinds(preview: Preview, sentence: str) -> None:
    assert sentence in text(tell(journals.rung("s", Mode.DRY_RUN, preview=preview)))


def test_failures_retries_and_large_results() -> None:
    told = tell(
        journals.rung("s", error=journals.error("Timeout")),
        journals.rung("s", attempt=2, result_blob="f00"),
        journals.rung("s", Mode.LIVE, reused=True, status=StepStatus.SUCCEEDED),
    )
    assert "MOCK did not pass: Timeout: no (nothing happened)." in text(told)
    assert "MOCK, attempt 2 passed" in text(told)
    assert "blobs/f00" in text(told)
    assert "its DRY_RUN was the call" in text(told)


def test_long_values_are_cut() -> None:
    told = tell(journals.rung("s", result="x" * 1000))
    assert "xxx...." in text(told)
    assert max(map(len, told.sentences)) < 400


def test_changed_arguments_are_told_again() -> None:
    told = tell(journals.rung("s", args={"n": 1}), journals.rung("s", args={"n": 2}))
    assert 'Its arguments were now {"n":2}.' in text(told)


def test_a_denied_approval_names_who_and_why() -> None:
    told = tell(
        journals.rung("s"),
        request(earlier=2, supersedes="ap0", difference=("change 1 differs",)),
        settled(StepStatus.HELD, "approval", "waits"),
        decided(),
        decided(),
        settled(StepStatus.ABORTED, "approval", "denied"),
    )
    assert "A person was asked (approval ap1, open until 2026-11-27 10:00:00.000): 't' is of HIGH" in text(
        told
    )
    assert "taken 2 times before" in text(told)
    assert "replaced approval ap0, which no longer fits: change 1 differs." in text(told)
    assert text(told).count("Approval ap1 was denied by grace: too much.") == 1
    assert "mend what is told above" in told.sentences[-1]


def test_nobody_is_told_to_have_let_a_request_expire() -> None:
    told = tell(journals.rung("s"), request(), decided(ApprovalState.EXPIRED, "fine"))
    assert "  Approval ap1 expired although grace had voted: fine." in text(told)


def test_a_held_step_says_what_to_do() -> None:
    told = tell(journals.rung("s"), request(quorum=2), settled(StepStatus.HELD, "approval", "waits"))
    assert "2 people were asked" in text(told)
    assert "`buddy approvals show ap1`" in told.sentences[-2]
    assert "`buddy approvals list --run r1`" in told.sentences[-1]
    assert "`buddy resume r1 --tools FILE`" in told.sentences[-1]


def test_a_rule_without_a_way_of_its_own_is_resumed() -> None:
    assert ways_on("never heard of", "r9") == "`buddy resume r9 --tools FILE` takes it up again"
    assert ways_on("lock", "r9", "buddy resume r9 --tools x.py").endswith(
        "`buddy resume r9 --tools x.py` goes on"
    )


def test_conflicts_lock_breaker_validator_and_resume_are_told() -> None:
    conflict = Conflict(
        conflict_id="c1",
        type=ConflictType.RESOURCE,
        steps=(StepRef("p", "s"), StepRef("p", "o")),
        agents=("a", "b"),
        resource="contact:x",
        resolution=Strategy.DELAY,
        reason="two writes",
        step_count=60,
    )
    unresolved = Conflict(
        conflict_id="c2", type=ConflictType.PERMISSION, steps=(StepRef("p", "s"),), agents=("a",),
        resource="crm.write", resolution=Strategy.REASSIGN, reason="nobody has it", resolved=False,
    )  # fmt: skip
    told = tell(
        PlanStarted(
            plan="p", steps=2, validation={"s": Validation(passed=False, score=0.4, issues=("odd",))}
        ),
        PlanStarted(plan="other", steps=1),
        ConflictFound(conflict=conflict),
        ConflictFound(conflict=unresolved, at="admission"),
        Reassigned(plan="p", step="s", from_agent="a", to_agent="b", reason="it has the permission"),
        journals.rung("s", sources=["find"], mode=Mode.DRY_RUN),
        LockSeen(epoch=1, engaged=True, by="ada", reason="fire"),
        Moved(**WHO, from_mode=Mode.DRY_RUN, to_mode=Mode.MOCK, trigger="lock", rule="lock", reason="locked"),
        BreakerMoved(subject="tool:t", open=True, reason="3 failures"),
        BreakerMoved(subject="tool:elsewhere", open=True, reason="not ours"),
        LockSeen(epoch=2, engaged=False),
        RunResumed(by="bob", contracts=[], handlers={}, changed=["t"]),
        settled(StepStatus.HELD, "lock", "locked"),
        environment_dry_run=True,
    )
    whole = text(told)
    for part in (
        "A validator had failed the step with a score of 0.4: odd.",
        "conflict c1 with p/o and 58 more before anything ran: RESOURCE over contact:x, two writes;"
        " done about it: DELAY.",
        "c2 when it was about to run: PERMISSION",
        "nothing could be done.",
        "given to b instead of a",
        "with data from or after find",
        "The system was locked by ada: fire.",
        "went down from DRY_RUN to MOCK",
        "The breaker on tool:t opened: 3 failures.",
        "The system was unlocked.",
        "bob took the run up again.",
        "contract of 't' had changed",
        "DRY_RUN=true",
        "`buddy unlock`",
    ):
        assert part in whole
    assert "elsewhere" not in whole
    assert "Plan other" not in whole


def test_an_unknown_outcome_asks_a_person_and_is_resolved() -> None:
    unknown = list(journals.live("s", OutcomeKind.UNKNOWN))
    told = tell(*unknown)
    assert "nobody knows how" in text(told)
    assert "`buddy resolve r1 p/s --happened`" in told.sentences[-1]
    settled_by = Resolved(**WHO, happened=True, by="ada", status=StepStatus.SUCCEEDED)
    assert "ada found out that the call had happened." in text(tell(*unknown, settled_by))
    probed = Resolved(**WHO, happened=False, by="probe", status=StepStatus.FAILED)
    assert "The tool's own probe found out that the call had not happened." in text(tell(*unknown, probed))


def test_a_call_without_an_outcome_is_said_to_be_open() -> None:
    told = tell(*list(journals.live("s"))[:-1], journals.finished())
    assert told.status is None
    assert "in a live call whose end is not recorded" in text(told)
    assert "The run came to rest (done, exit code 0)." in text(told)


def test_late_and_misfitting_results_are_told() -> None:
    told = tell(*journals.live("s", late=True, warning="/id: expected a number"))
    assert "Late, after it had been given up: the call succeeded" in text(told)
    assert "does not fit the tool's contract: /id: expected a number." in text(told)


def test_an_undo_is_told_with_its_result() -> None:
    who = {**WHO, "trigger": "step 'x' failed"}
    undo = UndoOutcome(**who, result=UndoResult.RESTORED_EXACT, verified=True, status=StepStatus.ROLLED_BACK)
    told = tell(*journals.live("s"), UndoIntent(**who, under_lock=True), undo)
    assert "It was to be undone (step 'x' failed), although the system was locked." in text(told)
    assert "The undo ended as RESTORED_EXACT, and the state was read back." in text(told)
    assert told.status is StepStatus.ROLLED_BACK
    failed = UndoOutcome(**who, result=UndoResult.FAILED, error="gone")
    assert "The undo ended as FAILED, not read back: gone." in text(tell(*journals.live("s"), failed))


def test_a_fan_out_counts_its_items_and_an_item_has_a_story_of_its_own() -> None:
    events: list[AnyEvent] = [
        Expanded(plan="p", step="s", mode=Mode.MOCK, items=2),
        request("s", items=[Preview(), Preview()]),
        journals.mocked("s[0]"),
        journals.mocked("s[1]", passed=False),
    ]
    whole = tell(*events)
    assert "Its list had 2 items" in text(whole)
    assert "Of its items: SUCCEEDED 1, FAILED 1; `buddy explain r1 'p/s[1]'` tells of one." in text(whole)
    item = tell(*events, step="s[0]")
    assert item.status is StepStatus.SUCCEEDED
    assert "asked for all 2 items" in text(item)
    assert story(journals.records(events), None, "s[7]") is None


def test_a_step_in_several_plans_is_ambiguous_until_the_plan_is_named() -> None:
    both = journals.records([journals.started(), journals.mocked("s"), journals.mocked("s", plan="q")])
    assert story(both, None, "s") == ["p", "q"]
    one = story(both, "q", "s")
    assert isinstance(one, Story)
    assert one.plan == "q"
    assert story(both, "z", "s") is None
    assert story(both, None, "z") is None


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (StepStatus.SUCCEEDED, "it went as high as it was to go"),
        (StepStatus.SKIPPED, "mend what is told above"),
        (StepStatus.ROLLED_BACK, "was undone"),
        (StepStatus.HELD, "`buddy resume r1 --tools FILE` takes it up again"),
    ],
)
def test_every_status_has_a_last_word(status: StepStatus, sentence: str) -> None:
    assert sentence in tell(settled(status, final_mode=Mode.MOCK)).sentences[-1]


def test_a_step_of_a_tool_in_no_catalogue() -> None:
    told = tell(journals.rung("s", args={}, tool="ghost", confidence=None))
    assert "'ghost' (in no catalogue) with {}, no confidence score" in text(told)


@pytest.mark.parametrize(
    ("undo", "end"),
    [(Undo.NONE, "it is done and cannot be undone"), (Undo.EXACT, "calls are not rolled back")],
)
def test_a_tool_that_a_run_of_calls_met_is_told_with_its_contract(undo: Undo, end: str) -> None:
    met = ContractSeen(contract=journals.contract("t", Risk.HIGH, undo), handlers=journals.HANDLERS)
    told = tell(met, journals.rung("s", args={}), *journals.live("s"), kind="calls", contracts=[])
    assert f"'t' (HIGH risk, write, undo {undo.value})" in text(told)
    assert told.sentences[-1].endswith(f"{end}.")
    held = tell(settled(StepStatus.HELD, final_mode=Mode.MOCK), kind="calls")
    assert "`harness.call(..., call_id='s')` takes it up again" in held.sentences[-1]


def test_a_step_that_was_never_tried_is_told_with_its_tool() -> None:
    told = tell(settled(StepStatus.ABORTED, "conflict", "c1: the same action"))
    assert "Agent a was to call 't' (LOW risk, write, undo exact)." in told.sentences[1]
    assert "It came to rest as ABORTED by the rule 'conflict': c1: the same action." in text(told)
    assert told.sentences[-2] == "It stands: ABORTED (no rung passed, by the rule 'conflict')."


def test_a_fan_out_over_nothing_has_nothing_to_undo() -> None:
    told = tell(
        Expanded(plan="p", step="s", mode=Mode.LIVE, items=0),
        settled(StepStatus.SUCCEEDED, reason="there was nothing to do", final_mode=Mode.LIVE),
    )
    assert told.sentences[-1] == "To do: nothing; it is done."


def test_a_live_call_that_failed_and_is_tried_again_has_not_come_to_rest() -> None:
    *rungs, intent, outcome = journals.live("s", OutcomeKind.FAILED, status=None)
    told = tell(*rungs, intent, outcome)
    assert "The call failed after 10 ms: ToolError: no (nothing happened)." in text(told)
    assert told.status is None
    assert "not settled (DRY_RUN)" in text(told)


def test_requests_of_other_steps_are_not_told() -> None:
    told = tell(request("other"), journals.mocked("s"), LockSeen(epoch=1, engaged=True))
    assert "asked (approval" not in text(told)


def test_a_conflict_alone_is_a_story() -> None:
    conflict = Conflict(
        conflict_id="c1", type=ConflictType.TIMEOUT, steps=(StepRef("p", "s"),), agents=("a",), resource="t",
        resolution=Strategy.DOWNGRADE, reason="it takes too long",
    )  # fmt: skip
    plan = PlanStarted(plan="p", steps=1)
    told = tell(ConflictFound(conflict=conflict), plan, RunResumed(by="bob", contracts=[], handlers={}))
    assert "TIMEOUT over t" in text(told)
    assert told.sentences[-2] == "It stands: not settled (no rung passed)."


def test_a_live_read_is_done() -> None:
    told = tell(journals.rung("s", Mode.LIVE, reused=True, status=StepStatus.SUCCEEDED, tool="r"))
    assert told.sentences[-1] == "To do: nothing; it is done."


@pytest.mark.parametrize(
    ("name", "shell"), [("p/s", "p/s"), ("a b", "'a b'"), ("it's", "'it'\"'\"'s'"), ("é", "'é'")]
)
def test_ids_are_quoted_as_a_shell_takes_them(name: str, shell: str) -> None:
    assert quoted(name) == shell
