"""Whether a failed attempt is made again, and after how long: a value, acted on elsewhere."""

from msgspec import Struct

from buddy.model.config import ExecutionConfig, RetryStrategy
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import CallError

MAX_DELAY_S = 3_600.0
MAX_RETRIES = 100
"""More than any configuration allows; keeps powers within floating point."""


class Retry(Struct, frozen=True):
    """Make another attempt after `delay_s` seconds."""

    delay_s: float


class GiveUp(Struct, frozen=True):
    """Make no other attempt; `reason` is one sentence."""

    reason: str


def backoff(config: ExecutionConfig, retry: int) -> float:
    """Seconds before the n-th retry (n from 1), without jitter and at most an hour.

    Exponential: base^(n-1). Linear: base * n. (Phase 21 architecture guide, retry strategies.)
    """
    match config.retry_strategy:
        case RetryStrategy.EXPONENTIAL_BACKOFF:
            return min(config.exponential_base ** min(retry - 1, MAX_RETRIES), MAX_DELAY_S)
        case RetryStrategy.LINEAR_BACKOFF:
            return min(config.linear_base * retry, MAX_DELAY_S)
        case RetryStrategy.NO_RETRY:
            return 0.0


def decide(
    config: ExecutionConfig, contract: ToolContract, mode: Mode, error: CallError, attempt: int, draw: float
) -> Retry | GiveUp:
    """Decide what follows a failed attempt.

    Args:
        config: the run's settings.
        contract: of the tool.
        mode: the rung that failed.
        error: why.
        attempt: number of the failed attempt, from 1.
        draw: a number in [0, 1) for full jitter: the delay is drawn evenly from 0 to the backoff.
    """
    if config.retry_strategy is RetryStrategy.NO_RETRY:
        return GiveUp("retries are switched off (NO_RETRY)")
    if not error.retryable:
        return GiveUp(f"{error.type} is not a matter of trying again")
    if mode is Mode.LIVE and not error.no_effect and not contract.repeatable:
        return GiveUp("the call may have had an effect and the tool is not idempotent")
    if attempt > config.max_retries:
        return GiveUp(f"{config.max_retries} retries were used up")
    if error.retry_after is not None:
        return Retry(max(0.0, error.retry_after))
    delay = backoff(config, attempt)
    return Retry(delay * draw if config.retry_jitter else delay)
