"""The auditor's book of resources: who holds what while acting, and which action was taken before."""

from collections.abc import Iterator

from msgspec import Struct

from buddy.core.audit_calls import Trace
from buddy.core.audit_rules import Finding
from buddy.core.audit_terms import Settings, Terms
from buddy.journal.events import Intent
from buddy.journal.times import seconds


class _Act(Struct, frozen=True):
    trace: Trace
    digest: str
    seq: int
    time: str


class Claims:
    """Resources held by the calls in flight; two readers go together, anything else does not."""

    def __init__(self) -> None:
        self._holders: dict[str, dict[int, tuple[Trace, bool]]] = {}
        self._held: dict[int, list[str]] = {}

    def take(self, trace: Trace, resources: list[tuple[str, bool]]) -> Iterator[Finding]:
        """Yield the calls in flight with which a call is at odds, and take note of what it holds."""
        self.release(trace)
        for resource, writes in resources:
            holders = self._holders.setdefault(resource, {})
            for other, other_writes in holders.values():
                if other is not trace and (writes or other_writes):
                    holder = f"{other.plan}/{other.step}"
                    yield "claims_overlap", f"{resource} is held by {holder}, which is in flight"
            stronger = writes or holders.get(id(trace), (trace, False))[1]
            holders[id(trace)] = (trace, stronger)
        self._held[id(trace)] = [resource for resource, _ in resources]

    def release(self, trace: Trace) -> None:
        """The call ended."""
        for resource in self._held.pop(id(trace), ()):
            holders = self._holders.get(resource, {})
            holders.pop(id(trace), None)
            if not holders:
                self._holders.pop(resource, None)

    def release_all(self) -> None:
        """The process that held everything is gone."""
        self._holders.clear()
        self._held.clear()


class Acts:
    """Writes taken so far, by what they were and by what they touched."""

    def __init__(self) -> None:
        self._by_action: dict[tuple[str, str, str], list[_Act]] = {}
        self._by_resource: dict[str, list[_Act]] = {}

    def take(
        self, trace: Trace, event: Intent, terms: Terms, settings: Settings, seq: int, time: str
    ) -> Iterator[Finding]:
        """Yield the same action taken before by another step, and take note of this one."""
        if not terms.writes:
            return
        written = [name for name, writes in claims_of(event, settings) if writes]
        act = _Act(trace, event.digest, seq, time)
        if not terms.repeatable:
            action = (event.tool, event.digest, event.plan if settings.isolate else "")
            earlier = self._by_action.setdefault(action, [])
            if not event.repeat and not settings.duplicates_allowed:
                yield from self._duplicates(earlier, act, written, settings)
            # A step's retries are one act: the last one stands for all.
            if earlier and earlier[-1].trace is trace:
                earlier.pop()
            earlier.append(act)
        for resource in written:
            self._by_resource.setdefault(resource, []).append(act)

    def _duplicates(
        self, earlier: list[_Act], act: _Act, written: list[str], settings: Settings
    ) -> Iterator[Finding]:
        for one in reversed(earlier):
            if one.trace is act.trace or one.trace.freed:
                continue
            if not _within(one, act, settings.duplicate_window_s):
                continue
            # What was written after the newest one was written after every older one too.
            if not any(self._changed_since(one, resource) for resource in written):
                where = f"{one.trace.plan}/{one.trace.step} on line {one.seq}"
                yield "duplicate_live", f"the same action was taken by {where}"
            return

    def _changed_since(self, one: _Act, resource: str) -> bool:
        """Whether another action wrote to a resource after `one` did, and stands."""
        writes = self._by_resource.get(resource, [])
        for other in reversed(writes):
            if other.seq <= one.seq:
                return False
            if other.digest != one.digest and not other.trace.freed:
                return True
        return False


def claims_of(event: Intent, settings: Settings) -> list[tuple[str, bool]]:
    """Return (resource, is it a write) of a call; where plans share no world each has its own resources."""
    world = f"{event.plan}\0" if settings.isolate else ""
    split = (claim.partition(":") for claim in event.claims)
    return [(world + resource, access != "read") for access, _, resource in split]


def _within(one: _Act, act: _Act, window_s: float) -> bool:
    try:
        return seconds(act.time) - seconds(one.time) <= window_s
    except ValueError:
        return True
