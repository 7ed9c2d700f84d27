"""The auditor's view of the ladder: what a step needs before it may be on a rung above MOCK."""

from collections.abc import Iterator, Mapping

from msgspec import UNSET

from buddy.core.audit_approvals import Approvals, Use, args_print
from buddy.core.audit_calls import Trace
from buddy.core.audit_levels import Levels
from buddy.core.audit_lock import Lock
from buddy.core.audit_rules import Finding
from buddy.core.audit_terms import Settings, Terms
from buddy.journal.events import Intent, Rung
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus


class Ladder:
    """Every rung that was taken in a run, folded from its journal.

    Args:
        traces: of the steps that went above MOCK, by plan and id.
    """

    def __init__(self, traces: Mapping[tuple[str, str], Trace]) -> None:
        self.approvals = Approvals()
        self.levels = Levels(traces)
        self.lock = Lock()
        self._run = ""
        self._settings = Settings()
        self._rehearsed: dict[int, int] = {}

    def begin(self, run: str, settings: Settings) -> None:
        """The run started under these settings."""
        self._run, self._settings = run, settings

    def rehearse(self, event: Rung, terms: Terms) -> None:
        """Take note of an attempt at MOCK."""
        if not _passed(event):
            return
        key = _key(event, terms)
        # Only what a person is asked about has to be compared with what the person was shown.
        asked = terms.asks and self._settings.mode is not Mode.MOCK and event.args is not UNSET
        shown = args_print(event.args) if asked else 0
        if shown or key not in self._rehearsed:
            self._rehearsed[key] = shown

    def rung(self, event: Rung, terms: Terms, trace: Trace) -> Iterator[Finding]:
        """Yield what forbids an attempt above MOCK, and take note that it passed."""
        key = _key(event, terms)
        yield from self._climb(event, event.mode, terms, trace, key)
        yield from self._approved_rung(event, terms, trace, key)
        if event.mode is Mode.LIVE and terms.writes:
            yield "outcome_without_intent", "a write is said to have been live, and no intent announced it"
        elif event.mode is Mode.DRY_RUN:
            yield from self.lock.looked(event.started_at)
        if not _passed(event):
            return
        if event.mode is Mode.DRY_RUN and key not in trace.dry_runs:
            trace.dry_runs = (*trace.dry_runs, key)
        self.levels.passed(trace, Mode.DRY_RUN if terms.writes else Mode.LIVE)

    def intent(self, event: Intent, terms: Terms, trace: Trace, time: str) -> Iterator[Finding]:
        """Yield what forbids a live call.

        Args:
            event: the call.
            terms: that it is held against.
            trace: of its step.
            time: when it was announced, UTC ISO 8601.
        """
        key = _key(event, terms)
        yield from self._climb(event, Mode.LIVE, terms, trace, key)
        yield from self.lock.act(event.lock_epoch)
        if event.approval is not None:
            yield from self._consume(event.approval, event, terms, key, time)
        elif terms.asks:
            yield _unapproved(event, Mode.LIVE, terms)

    def _climb(
        self, event: Rung | Intent, mode: Mode, terms: Terms, trace: Trace, key: int
    ) -> Iterator[Finding]:
        limit = self._settings.ceiling
        if mode > limit:
            yield "live_above_mode", f"{mode.value} in a run that stays at {limit.value}"
        if not terms.executable:
            yield "unknown_tool_live", f"{mode.value} of {event.tool}, without contract or live handler"
        confidence, threshold = event.confidence or 0.0, terms.threshold(mode)
        if not confidence >= threshold:
            yield "confidence_too_low", f"{confidence:g} is below the {threshold:g} for {mode.value}"
        for source in event.sources:
            level = self.levels.of(event.plan, source)
            if level < mode:
                yield "invented_data", f"{mode.value} on data of {source}, which stands at {level.value}"
        rule = "live_without_rehearsal" if mode is Mode.LIVE else "dry_run_without_rehearsal"
        if key not in self._rehearsed:
            yield rule, "these arguments passed no MOCK under this contract"
        if mode is Mode.LIVE and key not in trace.dry_runs:
            yield rule, "these arguments passed no DRY_RUN under this contract"

    def _approved_rung(self, event: Rung, terms: Terms, trace: Trace, key: int) -> Iterator[Finding]:
        approval = event.approval
        if not (approval or terms.writes) and trace.looked is not None and trace.looked[1] == event.digest:
            # A read is let through once, for DRY_RUN; its retries and its LIVE are the same action.
            approval = trace.looked[0]
        if approval is not None:
            yield from self._consume(approval, event, terms, key, event.started_at)
            trace.looked = (approval, event.digest)
        elif terms.asks and (event.mode is Mode.LIVE or terms.asks_to_look):
            yield _unapproved(event, event.mode, terms)

    def _consume(
        self, approval: str, event: Rung | Intent, terms: Terms, key: int, time: str
    ) -> Iterator[Finding]:
        use = Use(
            plan=event.plan,
            step=event.step,
            tool=event.tool,
            digest=event.digest,
            contract=terms.contract,
            args=self._rehearsed.get(key, 0),
            time=time,
        )
        return self.approvals.consume(approval, self._run, use)


def _key(event: Rung | Intent, terms: Terms) -> int:
    """Return what a rung is passed for: a step, its arguments, and the contract that they were held against.

    A hash under this process's secret, for size: nobody can aim at a collision, and by chance one call in
    2^64 / steps would be taken for rehearsed.
    """
    return hash((event.plan, event.step, event.digest, terms.contract))


def _passed(event: Rung) -> bool:
    return event.error is None and event.status is not StepStatus.FAILED


def _unapproved(event: Rung | Intent, mode: Mode, terms: Terms) -> Finding:
    return "live_without_approval", f"{mode.value} of {event.tool} carries no approval, and {terms.asks}"
