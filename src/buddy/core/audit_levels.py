"""The auditor's view of how real each step is: the highest rung passed, and that of a fan-out as a whole."""

from collections.abc import Mapping

from buddy.core.audit_calls import Trace
from buddy.core.audit_terms import fan_out
from buddy.journal.events import Expanded
from buddy.model.mode import Mode

_RUNGS_ABOVE_MOCK = (Mode.LIVE, Mode.DRY_RUN)


class _Family:
    """The items of one `for_each`: how many there are, and which of them rose above MOCK."""

    __slots__ = ("expanded_at", "items", "reached", "risen")

    def __init__(self) -> None:
        self.items: int | None = None
        self.expanded_at = Mode.MOCK
        self.risen: dict[int, Mode] = {}
        self.reached = dict.fromkeys(_RUNGS_ABOVE_MOCK, 0)

    def expand(self, items: int, at: Mode) -> None:
        self.items, self.expanded_at = items, at
        self.reached = {
            rung: sum(index < items and level >= rung for index, level in self.risen.items())
            for rung in _RUNGS_ABOVE_MOCK
        }

    def rise(self, index: int, level: Mode) -> None:
        before = self.risen.get(index, Mode.MOCK)
        self.risen[index] = level
        if self.items is not None and index < self.items:
            for rung in _RUNGS_ABOVE_MOCK:
                self.reached[rung] += before < rung <= level

    def level(self, items: int) -> Mode:
        """The rung that every item reached."""
        if not items:
            # An empty list is as real as the step that it was read from was when it was read.
            return Mode.MOCK if self.expanded_at is Mode.MOCK else Mode.LIVE
        return next((rung for rung in _RUNGS_ABOVE_MOCK if self.reached[rung] == items), Mode.MOCK)


class Levels:
    """Highest rung passed by every step; a read's DRY_RUN is handed in as LIVE, since it was the call.

    Args:
        traces: of the steps that went above MOCK, by plan and id; they keep the levels.
    """

    def __init__(self, traces: Mapping[tuple[str, str], Trace]) -> None:
        self._traces = traces
        self._families: dict[tuple[str, str], _Family] = {}

    def passed(self, trace: Trace, level: Mode) -> None:
        """A step passed a rung."""
        if level <= trace.level:
            return
        trace.level = level
        item = fan_out(trace.step)
        if item is not None:
            self._family(trace.plan, item[0]).rise(item[1], level)

    def expanded(self, event: Expanded) -> None:
        """A `for_each` became so many items, of which some may have risen before."""
        self._family(event.plan, event.step).expand(event.items, event.mode)

    def _family(self, plan: str, step: str) -> _Family:
        family = self._families.get((plan, step))
        if family is None:
            family = self._families[plan, step] = _Family()
        return family

    def of(self, plan: str, step: str) -> Mode:
        """Return the highest rung that a step, or every item of a fan-out, passed."""
        family = self._families.get((plan, step))
        if family is not None and family.items is not None:
            return family.level(family.items)
        trace = self._traces.get((plan, step))
        return Mode.MOCK if trace is None else trace.level
