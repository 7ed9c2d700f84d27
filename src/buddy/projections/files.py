"""The outputs that are written whole: conflicts, summary, health."""

from msgspec import Struct

from buddy.journal.events import ConflictFound, Record
from buddy.projections.anomalies import Anomaly, AnomalyType, Watch
from buddy.projections.conflicts import conflict_file, conflict_line
from buddy.projections.health import Component, Gauge, Tier, components, gauges, tier, tool_parts, weights_of
from buddy.projections.lines import encode, encode_file
from buddy.projections.summary import summarise


class ConflictLog:
    """`tool_conflicts.json`."""

    EVENTS = frozenset({ConflictFound})
    """Events that it has to hear of when another output keeps the fold going."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lines: list[bytes] = []
        self._unresolved: list[str] = []

    def feed(self, record: Record) -> bytes:
        """Keep a conflict; nothing is appended."""
        self._watch.follow(record)
        event = record.event
        if isinstance(event, ConflictFound):
            self._lines.append(encode(conflict_line(record, event)))
            if not event.conflict.resolved:
                self._unresolved.append(event.conflict.conflict_id)
        return b""

    def close(self) -> bytes:
        """Return the whole file."""
        run = self._watch.run
        return encode_file(conflict_file(run.run_id, run.conflicts, self._unresolved, self._lines))


class SummaryFile:
    """`orchestration_summary.json`."""

    EVENTS: frozenset[type] = frozenset()
    """Events that it has to hear of when another output keeps the fold going."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def feed(self, record: Record) -> bytes:
        """Take in a record; nothing is appended."""
        self._watch.follow(record)
        return b""

    def close(self) -> bytes:
        """Return the whole file."""
        return encode_file(summarise(self._watch.run))


class SystemHealth(Struct, frozen=True, kw_only=True):
    """`system_health.json`.

    Attributes:
        run_id: of which run.
        generated_at: time of the last record, UTC ISO 8601.
        health_score: 0 to 100, None where nothing finished.
        status: what the score means.
        metrics: each beside its target.
        components: what the score is made of; their points sum to it.
        anomaly_counts: by type, those that were found.
        anomalies: in the order found, the first 100 of each type.
    """

    run_id: str
    generated_at: str
    health_score: float | None
    status: Tier
    metrics: dict[str, Gauge]
    components: dict[str, Component]
    anomaly_counts: dict[AnomalyType, int]
    anomalies: list[Anomaly]


def examine(watch: Watch) -> SystemHealth:
    """Say how well a run is, so far."""
    run = watch.run
    metrics = run.metrics()
    return SystemHealth(
        run_id=run.run_id,
        generated_at=run.time,
        health_score=metrics.health_score,
        status=tier(metrics.health_score),
        metrics=gauges(metrics),
        components=components(tool_parts(metrics), weights_of(run.config)),
        anomaly_counts={kind: count for kind, count in watch.counts.items() if count},
        anomalies=watch.found,
    )


class HealthFile:
    """`system_health.json`."""

    EVENTS: frozenset[type] = frozenset()
    """Events that it has to hear of when another output keeps the fold going."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def feed(self, record: Record) -> bytes:
        """Take in a record; nothing is appended."""
        self._watch.follow(record)
        return b""

    def close(self) -> bytes:
        """Return the whole file."""
        return encode_file(examine(self._watch))
