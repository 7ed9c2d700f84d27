"""The auditor's book of live calls: made at most once, settled once, undone only where they were made."""

from collections.abc import Iterator
from enum import Enum

from buddy.core.audit_rules import Finding
from buddy.core.audit_terms import Terms
from buddy.journal.events import Intent, Outcome, Resolved, UndoIntent, UndoOutcome
from buddy.model.mode import Mode, Undo
from buddy.model.outcome import OutcomeKind, StepStatus, UndoResult


class Standing(Enum):
    """What is known of a step's live calls."""

    NEVER = "was never called"
    IN_FLIGHT = "is in flight"
    LOST = "was cut off by the end of its process"
    CLEAN = "failed without effect"
    MARKED = "failed, maybe with an effect"
    UNKNOWN = "ended UNKNOWN"
    DONE = "succeeded"


_AGAIN: dict[Standing, tuple[str, bool]] = {
    Standing.IN_FLIGHT: ("executed_twice", False),
    Standing.DONE: ("executed_twice", False),
    Standing.LOST: ("retried_after_unknown", True),
    Standing.UNKNOWN: ("retried_after_unknown", True),
    Standing.MARKED: ("retried_with_effect", True),
}
"""Standing -> the rule that a further intent breaks, and whether a repeatable tool may have it anyway."""

_ALLOWED_CLAIMS: dict[Undo, frozenset[UndoResult]] = {
    Undo.EXACT: frozenset({UndoResult.RESTORED_EXACT, UndoResult.RESTORED_EQUIVALENT}),
    Undo.EQUIVALENT: frozenset({UndoResult.RESTORED_EQUIVALENT}),
    Undo.NONE: frozenset(),
}
_KNOWN_ENDS = frozenset(StepStatus) - {StepStatus.PENDING, StepStatus.HELD, StepStatus.UNKNOWN}
_RESTORED = frozenset({UndoResult.RESTORED_EXACT, UndoResult.RESTORED_EQUIVALENT})


class Trace:
    """What is kept of one step that went above MOCK.

    Attributes:
        plan, step: whose.
        level: highest rung passed, with a read's DRY_RUN counted as LIVE.
        dry_runs: keys of the DRY_RUNs passed since the step was last moved below.
        looked: (approval, digest) with which a read was let through to DRY_RUN.
        tool: of the last intent.
        attempt: number of the last intent.
        standing: of its live calls.
        doubted: an earlier attempt than the last may have happened, and nobody found out.
        writes: the call that was made changes the world.
        unknown: attempts given up as UNKNOWN whose late outcome may still come.
        done_seq: line on which the call was seen to have succeeded, 0 where it was not.
        by_person: somebody said so later, and when the call ended is not known.
        undo_tried, undoing, undone: an undo was announced; is in flight; restored the state.
        undo_lost: the process that made it ended before anybody was told how it ended.
        intent_seq: line of the last intent.
    """

    __slots__ = (
        "attempt", "by_person", "done_seq", "doubted", "dry_runs", "intent_seq", "level", "looked", "plan",
        "standing", "step", "tool", "undo_lost", "undo_tried", "undoing", "undone", "unknown", "writes",
    )  # fmt: skip

    def __init__(self, plan: str, step: str) -> None:
        self.plan, self.step, self.tool = plan, step, ""
        self.level = Mode.MOCK
        self.dry_runs: tuple[int, ...] = ()
        self.looked: tuple[str, str] | None = None
        self.attempt = self.done_seq = self.intent_seq = 0
        self.standing = Standing.NEVER
        self.unknown: tuple[int, ...] = ()
        self.writes = self.by_person = self.undo_tried = self.undone = False
        self.undoing = self.undo_lost = self.doubted = False

    @property
    def freed(self) -> bool:
        """Whether nothing is left in the world of what the step did."""
        return self.undone or self.standing is Standing.CLEAN


class Calls:
    """The live calls of a run, folded from its journal."""

    def __init__(self) -> None:
        self._open: dict[int, Trace] = {}
        self._undoing: dict[int, Trace] = {}
        self._last_undone: dict[tuple[str, str], tuple[int, int]] = {}

    def cut_off(self) -> None:
        """The process that made the calls in flight is gone; nobody else will settle them."""
        for trace in self._open.values():
            if trace.standing is Standing.IN_FLIGHT:
                trace.standing = Standing.LOST
        for trace in self._undoing.values():
            trace.undoing, trace.undo_lost = False, True
        self._undoing.clear()
        # Whoever undoes from here on does so for reasons of their own.
        self._last_undone.clear()

    def unsettled(self) -> list[Trace]:
        """Return the steps with a call that has neither an outcome nor the word UNKNOWN."""
        return list(self._open.values())

    def give_up(self, trace: Trace) -> None:
        """The step was settled UNKNOWN: what its call did may still be told late, or by a person."""
        if self._open.pop(id(trace), None) is not None:
            trace.standing = Standing.UNKNOWN
            trace.unknown = (*trace.unknown, trace.attempt)

    def intent(self, trace: Trace, event: Intent, terms: Terms, seq: int) -> Iterator[Finding]:
        """Yield why a step may not call (again), and take note that it does."""
        rule, forgiven = _AGAIN.get(trace.standing, ("", True))
        if rule and not (forgiven and terms.repeatable):
            yield rule, f"called again after attempt {trace.attempt}, which {trace.standing.value}"
        if event.attempt <= trace.attempt:
            yield "attempt_order", f"attempt {event.attempt} follows attempt {trace.attempt}"
        trace.doubted = trace.standing in (Standing.LOST, Standing.UNKNOWN)
        trace.tool, trace.attempt, trace.writes = event.tool, event.attempt, terms.writes
        trace.intent_seq, trace.standing = seq, Standing.IN_FLIGHT
        self._open[id(trace)] = trace

    def outcome(self, trace: Trace, event: Outcome, seq: int) -> Iterator[Finding]:
        """Yield why an outcome settles no call, or take note of how the call ended."""
        in_flight = trace.standing in (Standing.IN_FLIGHT, Standing.LOST)
        if trace.standing is Standing.NEVER or event.attempt > trace.attempt or event.tool != trace.tool:
            yield "outcome_without_intent", f"no intent announced attempt {event.attempt} of {event.tool}"
        elif event.attempt == trace.attempt and in_flight:
            self._settle(trace, event, seq)
        elif event.late and event.attempt in trace.unknown:
            trace.unknown = tuple(attempt for attempt in trace.unknown if attempt != event.attempt)
            self._settle(trace, event, seq)
        else:
            yield "second_outcome", f"attempt {event.attempt} had its outcome already"

    def _settle(self, trace: Trace, event: Outcome, seq: int) -> None:
        if event.outcome is OutcomeKind.SUCCEEDED:
            trace.done_seq, trace.by_person = seq, False
        elif event.outcome is OutcomeKind.UNKNOWN:
            trace.unknown = (*trace.unknown, event.attempt)
        # What is said late of an attempt settles nothing for the attempt that followed it.
        if event.attempt == trace.attempt:
            trace.standing = _standing(event, doubted=trace.doubted)
            self._open.pop(id(trace), None)
        if trace.done_seq and trace.standing is not Standing.IN_FLIGHT:
            trace.standing = Standing.DONE

    def told(self, trace: Trace, status: StepStatus | None) -> Iterator[Finding]:
        """Yield that a step is told to stand as if the end of its call were known."""
        if status in _KNOWN_ENDS and trace.standing in (Standing.LOST, Standing.UNKNOWN):
            yield "unknown_forgotten", f"told {status.value}, and its call {trace.standing.value}"

    def resolve(self, trace: Trace, event: Resolved, seq: int) -> Iterator[Finding]:
        """Yield why there was nothing to find out, or take note of what was found."""
        if trace.standing not in (Standing.UNKNOWN, Standing.LOST, Standing.IN_FLIGHT):
            yield "resolved_of_nothing", f"no call of the step was unknown: it {trace.standing.value}"
            return
        self._open.pop(id(trace), None)
        if event.status is (StepStatus.SUCCEEDED if not event.happened else StepStatus.FAILED):
            found = "happened" if event.happened else "did not happen"
            yield "unknown_forgotten", f"told {event.status.value}, and it was found out that it {found}"
        trace.standing = Standing.DONE if event.happened else Standing.CLEAN
        if event.happened:
            trace.done_seq, trace.by_person = seq, True

    def undo_intent(self, trace: Trace, event: UndoIntent, seq: int) -> Iterator[Finding]:
        """Yield why there is nothing to undo or others come first, and take note of the undo."""
        if not trace.done_seq or not trace.writes:
            what = "a call that changes nothing" if trace.done_seq else f"a step that {trace.standing.value}"
            yield "undo_of_nothing", f"an undo was announced of {what}"
        elif trace.undone:
            yield "undo_of_nothing", "the step was undone already"
        elif trace.undoing:
            yield "undo_of_nothing", "an undo of the step was announced already and has not ended"
        elif not trace.by_person and not trace.undo_tried:
            yield from self._undo_order(trace, event, seq)
        trace.undo_tried, trace.undoing, trace.undo_lost = True, True, False
        self._undoing[id(trace)] = trace

    def _undo_order(self, trace: Trace, event: UndoIntent, seq: int) -> Iterator[Finding]:
        group = (event.plan, event.trigger)
        ended, undone_at = self._last_undone.get(group, (0, 0))
        # What ended only after that undo began belongs to a later rollback.
        if ended < trace.done_seq < undone_at:
            lines = f"{trace.done_seq}, after the one on line {ended}"
            yield "undo_order", f"its call ended on line {lines}, and is undone after it all the same"
        self._last_undone[group] = (trace.done_seq, seq)

    def undo_outcome(self, trace: Trace, event: UndoOutcome, terms: Terms) -> Iterator[Finding]:
        """Yield what an undo claims without having been announced or beyond its contract."""
        restored = event.result in _RESTORED
        if event.status is StepStatus.ROLLED_BACK and not restored:
            yield "undo_overclaimed", f"told ROLLED_BACK, and the undo ended {event.result.value}"
        # Where nothing can be undone nothing is tried, and so nothing is announced.
        if not (trace.undoing or trace.undo_lost) and event.result is not UndoResult.NOT_REVERSIBLE:
            yield "undo_without_intent", f"an undo ended {event.result.value} that nobody announced"
        if restored and event.result not in _ALLOWED_CLAIMS[terms.undo]:
            yield "undo_overclaimed", f"{event.result.value}, and the contract promises {terms.undo.value}"
        # One that nobody saw the end of may be found to have happened after it was told FAILED.
        trace.undoing, trace.undo_lost = False, trace.undo_lost and not restored
        trace.undone = trace.undone or restored
        self._undoing.pop(id(trace), None)


def _standing(event: Outcome, *, doubted: bool) -> Standing:
    match event.outcome:
        case OutcomeKind.SUCCEEDED:
            return Standing.DONE
        case OutcomeKind.UNKNOWN:
            return Standing.UNKNOWN
        case OutcomeKind.FAILED if doubted:
            return Standing.UNKNOWN
        case OutcomeKind.FAILED:
            clean = event.error is not None and event.error.no_effect
            return Standing.CLEAN if clean else Standing.MARKED
