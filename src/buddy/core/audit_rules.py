"""The rules that the auditor holds a run to, and what it says where one is broken."""

from msgspec import Struct

RULES: dict[str, str] = {
    "lifecycle": "a run starts once, numbers its lines without a gap, and after its end only tidies up",
    "live_above_mode": "no rung above what the run's mode, `dry_run_only` or `DRY_RUN=true` allow",
    "unknown_tool_live": "no rung above MOCK for a tool without contract or live handler",
    "confidence_too_low": "the confidence reaches the threshold of the tool's risk for the rung",
    "live_without_rehearsal": "MOCK and DRY_RUN passed before LIVE, for these arguments and this contract",
    "dry_run_without_rehearsal": "MOCK passed before DRY_RUN, for these arguments and this contract",
    "invented_data": "every source of a step stands at least as high as the step",
    "live_without_approval": "what needs an approval has one: approved in time, for this action",
    "approval_reused": "an approval lets one action through",
    "live_under_lock": "a live call or an undo only in an epoch in which the system lock was seen open",
    "dry_run_under_lock": "no DRY_RUN begins while the system lock is engaged",
    "executed_twice": "after a call that succeeded or is in flight no other of the same step",
    "retried_after_unknown": "after an UNKNOWN call no other, unless repeatable or found not to have been",
    "retried_with_effect": "after a failure with effect no other call, unless repeatable",
    "attempt_order": "the attempts of a step are numbered upwards",
    "outcome_without_intent": "nothing ends live that was not announced",
    "second_outcome": "one outcome an attempt, and a late one where it was given up as UNKNOWN",
    "intent_without_outcome": "every announced call has its outcome, or is said to be UNKNOWN",
    "unknown_forgotten": "a step with an UNKNOWN call is told UNKNOWN until its end is found out",
    "resolved_of_nothing": "only an UNKNOWN call is resolved",
    "duplicate_live": "no two steps take the same non-idempotent action",
    "claims_overlap": "no two calls in flight are at odds over a resource",
    "undo_of_nothing": "only a live write that succeeded is undone, and once",
    "undo_without_intent": "no undo ends that was not announced",
    "undo_overclaimed": "an undo claims no more than its contract promises",
    "undo_order": "what ended last is undone first",
}
"""Every rule that `buddy.core.audit.Audit` checks, and what holds where it is kept."""

Finding = tuple[str, str]
"""A broken rule's name, and one sentence on how it was broken."""


class Violation(Struct, frozen=True, kw_only=True):
    """A rule that a journal breaks.

    Attributes:
        rule: its name.
        seq: line of the journal, 0 where it is none in particular.
        plan, step: whose, empty where it is nobody's in particular.
        message: one sentence.
    """

    rule: str
    seq: int
    plan: str = ""
    step: str = ""
    message: str
