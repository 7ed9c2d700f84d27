import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core.retry import MAX_DELAY_S, GiveUp, Retry, backoff, decide
from buddy.model.config import ExecutionConfig, RetryStrategy
from buddy.model.contract import ToolContract
from buddy.model.mode import Mode
from buddy.model.outcome import CallError
from unit.core.plans import read, tool

EXPONENTIAL, LINEAR, NONE = RetryStrategy
DULL = CallError("ToolError", "no")


def exact(**fields: object) -> ExecutionConfig:
    return ExecutionConfig(**{"retry_jitter": False, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("strategy", "delays"),
    [(EXPONENTIAL, [1, 2, 4, 8]), (LINEAR, [2, 4, 6, 8]), (NONE, [0, 0, 0, 0])],
)
def test_delays_are_those_of_the_phase_documents(strategy: RetryStrategy, delays: list[float]) -> None:
    config = ExecutionConfig(retry_strategy=strategy)
    assert [backoff(config, retry) for retry in (1, 2, 3, 4)] == delays


@given(
    st.sampled_from([EXPONENTIAL, LINEAR]),
    st.floats(0.001, 100),
    st.integers(1, 10_000),
)
def test_a_delay_is_never_more_than_an_hour(strategy: RetryStrategy, base: float, retry: int) -> None:
    config = ExecutionConfig(retry_strategy=strategy, exponential_base=base, linear_base=base)
    assert 0 <= backoff(config, retry) <= MAX_DELAY_S


LIVE_WRITE = (Mode.LIVE, tool(), CallError("TimeoutError", "late", no_effect=False))


@pytest.mark.parametrize(
    ("mode", "contract", "error", "attempt", "expected"),
    [
        (Mode.LIVE, tool(), DULL, 1, Retry(1)),
        (Mode.LIVE, tool(), DULL, 3, Retry(4)),
        (Mode.LIVE, tool(), DULL, 4, GiveUp("3 retries were used up")),
        (*LIVE_WRITE, 1, GiveUp("the call may have had an effect and the tool is not idempotent")),
        (Mode.DRY_RUN, *LIVE_WRITE[1:], 1, Retry(1)),
        (Mode.LIVE, tool(idempotent=True), LIVE_WRITE[2], 1, Retry(1)),
        (Mode.LIVE, read(), LIVE_WRITE[2], 2, Retry(2)),
        (
            Mode.MOCK,
            tool(),
            CallError("InvalidArguments", "no", retryable=False),
            1,
            GiveUp("InvalidArguments is not a matter of trying again"),
        ),
        (Mode.LIVE, tool(), CallError("ToolError", "busy", retry_after=7.5), 1, Retry(7.5)),
        (Mode.LIVE, tool(), CallError("ToolError", "busy", retry_after=-1.0), 1, Retry(0.0)),
    ],
)
def test_what_follows_a_failed_attempt(
    mode: Mode, contract: ToolContract, error: CallError, attempt: int, expected: Retry | GiveUp
) -> None:
    assert decide(exact(), contract, mode, error, attempt, 0.5) == expected


def test_no_retry_is_never() -> None:
    config = exact(retry_strategy=NONE)
    assert decide(config, read(), Mode.MOCK, DULL, 1, 0.5) == GiveUp("retries are switched off (NO_RETRY)")


def test_no_retries_are_allowed() -> None:
    assert decide(exact(max_retries=0), tool(), Mode.LIVE, DULL, 1, 0.0) == GiveUp("0 retries were used up")


def test_jitter_draws_from_nothing_to_the_whole_delay() -> None:
    config = ExecutionConfig()
    drawn = [decide(config, tool(), Mode.LIVE, DULL, 3, draw) for draw in (0.0, 0.25, 0.5)]
    assert drawn == [Retry(0.0), Retry(1.0), Retry(2.0)]
    waited = CallError("ToolError", "busy", retry_after=9.0)
    assert decide(config, tool(), Mode.LIVE, waited, 1, 0.1) == Retry(9.0)
