"""How an agent of a fleet stands: fit for work, or out until it has shown that it works again.

An agent that fails more than half of its first attempts, over all its waves or in one with enough tasks to
tell, is quarantined: it gets one probe task a wave. When
that passes it is on probation and gets two tasks, then four, and so on, twice as many after each wave that
went well, until it is trusted again; a bad wave puts it back. So what a broken agent can spoil is bounded.
"""

from enum import Enum

from msgspec import Struct

LEAST_RATE = 0.50
LEAST_TASKS = 3
"""First attempts, over all waves, from which a rate says something."""
LEAST_IN_WAVE = 10
"""First attempts in one wave from which that wave says something by itself, whatever was before."""
LEAST_ON_PROBATION = 2 / 3
"""Share of first attempts that must pass on probation: who has failed before is trusted less."""
TRUSTED_FROM = 16
"""Tasks a wave at which an agent on probation is trusted again."""


class AgentStatus(Enum):
    """What an agent can be in a wave; `BUSY` is an available one that has tasks."""

    AVAILABLE = "available"
    BUSY = "busy"
    FAILING = "failing"
    QUARANTINED = "quarantined"


class Standing(Struct, frozen=True):
    """How an agent stands before a wave.

    Attributes:
        status: `FAILING` is on probation.
        limit: most tasks that it gets in the wave, None is no limit.
        tried: first attempts that count, from this standing on.
        passed: of those.
    """

    status: AgentStatus = AgentStatus.AVAILABLE
    limit: int | None = None
    tried: int = 0
    passed: int = 0


FIT = Standing()
OUT = Standing(AgentStatus.QUARANTINED, 1)


def after_wave(before: Standing, tried: int, passed: int) -> Standing:
    """Return how an agent stands after a wave.

    Args:
        before: how it stood.
        tried: its first attempts in the wave.
        passed: those that passed.
    """
    if not tried:
        return before
    match before.status:
        case AgentStatus.QUARANTINED:
            return Standing(AgentStatus.FAILING, 2) if passed else OUT
        case AgentStatus.FAILING:
            if passed / tried < LEAST_ON_PROBATION:
                return OUT
            wider = 2 * (before.limit or 1)
            return FIT if wider >= TRUSTED_FROM else Standing(AgentStatus.FAILING, wider)
        case AgentStatus.AVAILABLE | AgentStatus.BUSY:
            return OUT if fails(tried, passed, before) else Standing(
                tried=before.tried + tried, passed=before.passed + passed
            )  # fmt: skip


def fails(tried: int, passed: int, before: Standing = FIT) -> bool:
    """Whether an agent fails: over all its waves, or in this one alone where it had tasks enough.

    Args:
        tried: its first attempts in the wave.
        passed: those that passed.
        before: how it stood before the wave.
    """
    if tried >= LEAST_IN_WAVE and passed / tried < LEAST_RATE:
        return True
    tried, passed = tried + before.tried, passed + before.passed
    return tried >= LEAST_TASKS and passed / tried < LEAST_RATE
